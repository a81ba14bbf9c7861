"""Datasets of the user's own: taken in, and described in the user's registry with their pins."""

from __future__ import annotations

import os
from pathlib import Path

from vgbench.datasets.expectations import slug
from vgbench.datasets.importing import import_dataset
from vgbench.datasets.loading import is_installed
from vgbench.datasets.manifest_file import MANIFEST, read_manifest
from vgbench.datasets.pinning import pins_of
from vgbench.datasets.private import forget, load_private, remember
from vgbench.datasets.registry import DatasetSpec, Source, load_registry
from vgbench.errors import DatasetError, UsageError
from vgbench.places import data_root as place_of_data

_DESCRIPTION = "Added by vgbench datasets add."


def add_dataset(
    name: str,
    source: str | os.PathLike[str],
    data_root: str | os.PathLike[str] | None = None,
    link: bool = False,
    condition: str | None = None,
) -> Path:
    """Take in a dataset of the user's own and pin it in `registry.toml` of the data root.

    The entry is written when all images are there and checked, and only then does the folder take
    its name: whatever fails leaves neither. A run that is killed is finished by the same command.

    Parameters
    ----------
    name
        Small letters, digits and single hyphens; not the name of a dataset of vgbench's registry.
    source
        A folder, an archive, or an http(s) address of an archive.
    link
        Leave the images of a folder where they are.
    condition
        How a query's condition is read from its name: "note" or "pano_id_mod_3".

    Raises
    ------
    UsageError
        When the name cannot be taken, or the address is no archive's.
    DatasetError
        When it is there already, or the source holds no dataset.
    DownloadError
        When the archive does not come; what came is kept for the next try.
    VgbenchError
        When the data root cannot be written, or the disk is full.
    """
    root = place_of_data(data_root)
    if name != slug(name) or name in load_registry():
        why = "is registered by vgbench" if name in load_registry() else "cannot be a name"
        raise UsageError(f"{name!r} {why}: choose another, of small letters, digits and hyphens.")
    known = load_private(root).get(name)
    # An entry of ours without its images is that of a run which was ended between the two.
    if is_installed(name, root) or (known and known.description != _DESCRIPTION):
        raise _is_there(name)
    address = str(source) if str(source).lower().startswith(("http://", "https://")) else ""
    if address.endswith("/"):
        raise UsageError(f"{address} is a folder's address: give that of the archive itself.")

    entered = False

    def register(folder: Path) -> None:
        nonlocal entered
        base = DatasetSpec(
            id=name,
            title=name,
            description=_DESCRIPTION,
            splits={},
            terms="Private.",
            condition=condition,
            sources=_sources(name, address),
        )
        remember(root, name, pins_of(base, read_manifest(folder / MANIFEST)).toml)
        entered = True

    try:
        if address:
            from vgbench.datasets.downloading import download_dataset

            folder = download_dataset(name, from_url=address, data_root=root, ready=register)
        else:
            folder = import_dataset(name, source, root, link=link, ready=register)
    except BaseException:
        if entered and not is_installed(name, root):
            forget(root, name)
        raise
    if not entered:  # another process brought one of this name meanwhile
        raise _is_there(name)
    return folder


def _sources(name: str, address: str) -> tuple[Source, ...]:
    from vgbench.datasets.sources import archive_name

    if not address:
        return ()
    return (Source("url", archive_name(name, None, address), url=address),)


def _is_there(name: str) -> DatasetError:
    return DatasetError(f"{name} is there already: vgbench datasets remove {name}")
