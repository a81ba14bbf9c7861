"""Taking a dataset out of the data root, with what is kept beside it."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vgbench.datasets.catalogue import known_name
from vgbench.datasets.loading import NAME, is_installed
from vgbench.datasets.lockfile import lock_path
from vgbench.datasets.overrides import reset_conditions
from vgbench.datasets.placing import discard, holding
from vgbench.datasets.private import forget, load_private
from vgbench.datasets.records import forget_unwritten
from vgbench.datasets.verified import forget_record, record_path
from vgbench.durable import explained
from vgbench.errors import DatasetNotFound
from vgbench.places import data_root as place_of_data


@dataclass(frozen=True)
class Removed:
    """What was removed: the dataset, where it was, and how many bytes of files went with it."""

    name: str
    folder: Path
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self) | {"folder": str(self.folder)}


def remove_dataset(name: str, data_root: str | os.PathLike[str] | None = None) -> Removed:
    """Remove an installed dataset and all that is kept beside it.

    That are its conditions, the records of its archive and of its verification, archives that were
    kept or not received to their end, and its entry among the user's own. Images that it only
    links to stay where they are.

    Raises
    ------
    DatasetNotFound
        When nothing of it is there: a folder without a manifest is nobody's to remove.
    """
    from vgbench.datasets.obtaining import DOWNLOADS, downloading_alone

    root = place_of_data(data_root)
    name = known_name(name, root)
    folder, downloads = root / name, root / DOWNLOADS / name
    beside = (lock_path(root, name), record_path(root, name))
    there = bool(NAME.fullmatch(name)) and (
        is_installed(name, root)
        or name in load_private(root)
        or downloads.is_dir()
        or any(path.exists() for path in beside)
    )
    if not there:
        raise DatasetNotFound(f"{name} is not installed in {root}. See: vgbench datasets list")
    with downloading_alone(root, name), holding(root, name):
        freed = _bytes_in(downloads) + sum(path.stat().st_size for path in beside if path.exists())
        if is_installed(name, root):
            freed += _bytes_in(folder)
            discard(root, name)
        with explained(downloads):
            if downloads.is_dir():
                shutil.rmtree(downloads)
                if not any(downloads.parent.iterdir()):
                    downloads.parent.rmdir()
        lock_path(root, name).unlink(missing_ok=True)
        forget_unwritten(lock_path(root, name))
        forget_record(root, name)
        reset_conditions(name, root)
        forget(root, name)
    return Removed(name, folder, freed)


def dataset_path(name: str, data_root: str | os.PathLike[str] | None = None) -> Path:
    """Give the folder of an installed dataset ("NAME"), or of one split of it ("NAME/SPLIT").

    Raises
    ------
    DatasetNotFound
        When it is not installed.
    """
    from vgbench.datasets.loading import load_dataset

    root = place_of_data(data_root)
    name = known_name(name, root)
    whole, slash, _ = name.partition("/")
    if not slash and is_installed(whole, root):
        return root / whole
    dataset = load_dataset(name, data_root=root)
    return dataset.folder if slash else root / dataset.id


def _bytes_in(folder: Path) -> int:
    """Add up the files below a folder; what links lead to does not count."""
    total, pending = 0, [os.fspath(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:  # not there, or not to be looked into
            continue
    return total
