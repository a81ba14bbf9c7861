"""Taking a dataset into the data root: from a folder or an archive, checked, all or nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from vgbench.datasets.expectations import problems_of, slug
from vgbench.datasets.gathering import copy_folder, unpack_archive
from vgbench.datasets.layout import find_layout
from vgbench.datasets.loading import NAME, is_installed
from vgbench.datasets.manifest import Manifest, build_manifest
from vgbench.datasets.manifest_file import (
    MANIFEST,
    UnreadableManifestError,
    read_manifest,
    write_manifest,
)
from vgbench.datasets.parts import archive_in
from vgbench.datasets.placing import holding, placed
from vgbench.datasets.private import load_private
from vgbench.datasets.registry import DatasetSpec, load_registry
from vgbench.errors import DatasetError, DatasetNotFound, UsageError
from vgbench.places import data_root as place_of_data
from vgbench.progress import note


def import_dataset(
    name: str,
    source: str | os.PathLike[str],
    data_root: str | os.PathLike[str] | None = None,
    link: bool = False,
    replace: bool = False,
    ready: Callable[[Path], None] | None = None,
) -> Path:
    """Take a dataset from a folder or archive into the data root, under a name.

    The images are copied into `<data root>/<name>/<split>/{database,queries}` beside a manifest of
    them, and held against what the registry says of a dataset of that name. The folder appears
    when all is done; whatever goes wrong leaves nothing behind.

    Parameters
    ----------
    name
        A registered name, or any other of small letters, digits, ".", "_" and "-".
    source
        A folder, or a zip or tar archive; one in parts (`NAME.zip.001 .002 …`, `NAME.tar.gz.aa …`,
        `NAME.z01 … NAME.zip`) by its first part or the folder with all of them. The dataset's own
        folder in the data root makes its manifest anew, in place, reading only what changed.
    link
        Leave the images of a folder where they are, and write only the manifest.
    replace
        Put it in the place of a dataset of that name, which stays until the new one is complete.
    ready
        Called with the complete folder, checked and on the disk, right before it takes its name;
        when it raises, nothing stays.

    Returns
    -------
    Path
        The dataset's folder.

    Raises
    ------
    DatasetNotFound
        When the source does not exist.
    DatasetError
        When the name is taken, the source holds no dataset, or not the one of that name.
    ImageError
        When images do not decode, or their names hold no position.
    ArchiveError
        When the archive is damaged, lacks a part, or is not safe to unpack.
    VgbenchError
        When the data root cannot be written or the disk is full.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a dataset's name: use small letters, digits, '.', '_' and '-', "
            f"as in {slug(name)!r}."
        )
    source = Path(source).expanduser().absolute()
    if not source.exists():
        raise DatasetNotFound(f"There is no folder or archive {source}.")
    if link and not source.is_dir():
        raise UsageError(f"Only a folder can be linked; {source.name} is a file.")
    root = place_of_data(data_root)
    source = source if link else _archive_of(source)
    with holding(root, name):
        return _import(name, source, root, link, replace, ready)


def _archive_of(source: Path) -> Path:
    """Give the archive whose parts a folder holds; folders of images, and files, as they are."""
    if not source.is_dir():
        return source
    try:
        find_layout(source)
    except DatasetError:
        return archive_in(source) or source
    return source


def import_packaged(name: str, archive: Path, root: Path, replace: bool = False) -> Path:
    """Unpack a dataset that comes with vgbench, unless another process just did."""
    with holding(root, name):
        if is_installed(name, root) and not replace:
            return root / name
        note(f"Unpacking {name}, which comes with vgbench, into {root / name}.")
        return _import(name, archive, root, link=False, replace=True)


def _import(
    name: str,
    source: Path,
    root: Path,
    link: bool,
    replace: bool,
    ready: Callable[[Path], None] | None = None,
) -> Path:
    target = root / name
    spec = load_registry().get(name) or load_private(root).get(name)
    if target.exists():
        if source.resolve() == target.resolve():
            return _renew(target, spec, ready)
        if not replace:
            raise DatasetError(
                f"{name} is there already, in {target}. To put {source} in its place, import it "
                "with --replace, or choose another name."
            )
    if source.is_dir() and root.resolve().is_relative_to(source.resolve()):
        raise UsageError(
            f"{source} contains the data root {root}: choose the dataset's own folder."
        )
    if link and source.resolve().is_relative_to(target.resolve()):
        raise UsageError(
            f"{source} lies inside {target}, which is to be replaced: its images would be gone. "
            "Import it without --link, or under another name."
        )
    condition = spec.condition if spec else None
    with placed(root, name, ready) as folder:
        manifest = (
            build_manifest(find_layout(source), target, condition)
            if link
            else copy_folder(source, folder, condition)
            if source.is_dir()
            else unpack_archive(source, folder, condition)
        )
        _check(name, spec, manifest, source)
        write_manifest(manifest, folder / MANIFEST)
    return target


def _renew(folder: Path, spec: DatasetSpec | None, ready: Callable[[Path], None] | None) -> Path:
    """Make the manifest of an installed dataset anew, in place, reading only what changed."""
    fresh = not (folder / MANIFEST).exists()
    previous: Manifest | None = None
    with contextlib.suppress(UnreadableManifestError):
        previous = read_manifest(folder / MANIFEST)
    layout: Mapping[str, Mapping[str, Path]]
    if previous is not None:  # it may point to images elsewhere
        layout = {
            split.name: {role: folder / where for role, where in split.folders.items()}
            for split in previous.splits.values()
        }
    else:
        layout = find_layout(folder)
    manifest = build_manifest(layout, folder, spec.condition if spec else None, previous)
    _check(folder.name, spec, manifest, folder)
    write_manifest(manifest, folder / MANIFEST)
    try:
        if ready is not None:
            ready(folder)
    except BaseException:
        if fresh:
            (folder / MANIFEST).unlink(missing_ok=True)
        raise
    return folder


def _check(name: str, spec: DatasetSpec | None, manifest: Manifest, source: Path) -> None:
    """Refuse what is not the dataset of that name; say which splits are not there."""
    if spec is None:
        return
    problems = problems_of(spec, manifest)
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise DatasetError(
            f"{source} is not {name} as the registry knows it:\n{listed}\n"
            "If part of it is missing, get it again. If it is another dataset, import it under "
            "another name."
        )
    for split_name, split in manifest.splits.items():
        pin = spec.splits[split_name].content
        if pin and pin != split.content:
            note(
                f"{name}/{split_name} has the registered names and other images: another edition. "
                "Its results are comparable only among that edition's."
            )
    absent = [split for split in spec.splits if split not in manifest.splits]
    if absent and not spec.packaged:
        note(f"{name}: imported {', '.join(manifest.splits)}; not there: {', '.join(absent)}.")
