"""Taking a dataset out of the data root, with what is kept beside it."""

from __future__ import annotations

import os
from pathlib import Path

from vgbench.datasets.loading import is_installed
from vgbench.datasets.lockfile import lock_path
from vgbench.datasets.overrides import reset_conditions
from vgbench.datasets.placing import discard, holding
from vgbench.datasets.private import forget, load_private
from vgbench.errors import DatasetNotFound
from vgbench.places import data_root as place_of_data


def remove_dataset(name: str, data_root: str | os.PathLike[str] | None = None) -> Path:
    """Remove an installed dataset, its conditions, its record, and its entry among the user's own.

    Images that it only links to stay where they are.

    Returns
    -------
    Path
        Where it was.

    Raises
    ------
    DatasetNotFound
        When it is not installed: a folder without a manifest is nobody's to remove.
    """
    root = place_of_data(data_root)
    if not is_installed(name, root) and name not in load_private(root):
        raise DatasetNotFound(f"{name} is not installed in {root}. See: vgbench datasets list")
    with holding(root, name):
        if is_installed(name, root):
            discard(root, name)
        lock_path(root, name).unlink(missing_ok=True)
        reset_conditions(name, root)
        forget(root, name)
    return root / name


def dataset_path(name: str, data_root: str | os.PathLike[str] | None = None) -> Path:
    """Give the folder of an installed dataset ("NAME"), or of one split of it ("NAME/SPLIT").

    Raises
    ------
    DatasetNotFound
        When it is not installed.
    """
    from vgbench.datasets.loading import load_dataset

    root = place_of_data(data_root)
    whole, slash, _ = name.partition("/")
    if not slash and is_installed(whole, root):
        return root / whole
    dataset = load_dataset(name, data_root=data_root)
    return dataset.folder if slash else root / dataset.id
