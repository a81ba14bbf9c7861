"""From a name or a path to a `Dataset`: installed datasets, and folders of the user's own."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from vgbench.datasets.dataset import Dataset, make_dataset
from vgbench.datasets.expectations import recognise, slug
from vgbench.datasets.layout import SPLITS, find_layout
from vgbench.datasets.manifest import Manifest, build_manifest, relative_folder
from vgbench.datasets.overrides import FILE as OVERRIDE
from vgbench.datasets.overrides import override_path
from vgbench.datasets.private import load_private
from vgbench.datasets.registry import DatasetSpec, load_registry
from vgbench.datasets.scanning import Found, scan
from vgbench.errors import DatasetError, DatasetNotFound, UsageError, VgbenchError
from vgbench.places import data_root as place_of_data
from vgbench.progress import note

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
"""What a dataset in the data root may be called."""


def load_dataset(
    name: str | os.PathLike[str],
    split: str | None = None,
    data_root: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Open one split of a dataset.

    Parameters
    ----------
    name
        "sf-xs", "sf-xs/val", the name of anything imported, or the path of a folder with database/
        and queries/ in it, or with test/ or val/. A name wins over a folder of that name. The
        images of a folder are read once, and later only those that changed.
    split
        Default: "test", or the only one that a folder has.
    data_root
        Where datasets are; see `vgbench.places.data_root`.

    Raises
    ------
    DatasetNotFound
        When there is no such dataset, folder or split; says what there is and how to get more.
    ImageError
        When names hold no position or images do not decode.
    DatasetError
        When a folder holds no dataset, or a manifest is damaged.
    """
    root = place_of_data(data_root)
    if not isinstance(name, str):
        return _open_folder(Path(name), split, root)
    if not name:  # an unset variable in somebody's script; as a path it would be the folder here
        raise UsageError("The name of the dataset is empty.")
    known, asked = _as_name(name, root)
    if known is None:
        folder = Path(name).expanduser()
        if folder.is_dir():
            return _open_folder(folder, split, root)
        raise _not_found(name, root)
    if asked and split and asked != split:
        raise UsageError(f"{name!r} names the split {asked}, and split={split!r} another.")
    split = split or asked
    if not is_installed(known, root):
        spec = load_registry().get(known) or load_private(root)[known]
        if spec.packaged:
            _unpack(spec, root)
        elif Path(name).is_dir():
            note(f"{known} is not installed; taking the folder {name}.")
            return _open_folder(Path(name), split, root)
        else:
            raise _not_installed(spec, root)
    return _open_installed(known, split, root)


def is_installed(name: str, root: Path) -> bool:
    """Whether the data root holds a dataset of this name."""
    from vgbench.datasets.manifest_file import MANIFEST

    return bool(NAME.fullmatch(name)) and (root / name / MANIFEST).is_file()


def _as_name(text: str, root: Path) -> tuple[str | None, str | None]:
    """Read "NAME" or "NAME/SPLIT" where NAME is registered or installed."""
    head, _, split = text.partition("/")
    if "/" in split or head in ("", ".", "..", "~"):
        return None, None
    registry, private = load_registry(), load_private(root)
    for candidate in (head, slug(head)):  # people type sf_xs, as the archives have it
        if candidate in registry or is_installed(candidate, root) or candidate in private:
            if candidate != head and Path(text).is_dir():
                break
            return candidate, split or None
    return None, None


def _open_installed(name: str, split: str | None, root: Path) -> Dataset:
    from vgbench.datasets.manifest_file import MANIFEST, UnreadableManifestError, read_manifest

    spec = load_registry().get(name) or load_private(root).get(name)
    split = split or "test"
    folder = root / name
    again = (
        f"delete {folder}; it is unpacked again on next use."
        if spec and spec.packaged
        else f"import it again: vgbench datasets import {name} FOLDER|ARCHIVE --replace"
    )
    try:
        manifest = read_manifest(folder / MANIFEST, split)
        if spec and spec.packaged and _outdated(spec, manifest):
            _unpack(spec, root, replace=True)
            manifest = read_manifest(folder / MANIFEST, split)
    except UnreadableManifestError as error:
        if not (spec and spec.packaged):
            raise UnreadableManifestError(
                f"{error}\nIf the images are as they were, make it anew: "
                f"vgbench datasets import {name} {folder}\nOtherwise {again}"
            ) from error
        note(f"{error}\nUnpacking {name} again.")
        _unpack(spec, root, replace=True)
        manifest = read_manifest(folder / MANIFEST, split)
    if split not in manifest.splits:
        have = ", ".join(read_manifest(folder / MANIFEST).splits)
        known = spec.splits.get(split) if spec else None
        hint = f" {known.note}" if known and known.note else ""
        raise DatasetNotFound(f"{name} has no split {split!r} here, only {have}.{hint}")
    chosen = manifest.splits[split]
    if "queries" not in chosen.images:
        raise DatasetError(
            f"{name}/{split} is for training: it has no queries. Its "
            f"{len(chosen):,} images are in {folder / chosen.folders['train']}."
        )
    advice = f"To see all: vgbench datasets verify {name}\nTo repair it, {again}"
    override = override_path(root, name, split)
    return make_dataset(name, folder, chosen, spec, advice=advice, override=override)


def _outdated(spec: DatasetSpec, manifest: Manifest) -> bool:
    """Whether an unpacked dataset is of another version of vgbench, with another archive."""
    for name, split in manifest.splits.items():
        pins = spec.splits.get(name)
        if pins and pins.ground_truth and pins.ground_truth != split.ground_truth:
            return True
        if pins and pins.content and pins.content != split.content:
            return True
    return False


def _unpack(spec: DatasetSpec, root: Path, replace: bool = False) -> None:
    from vgbench.datasets.importing import import_packaged
    from vgbench.demo_city import archive_path

    archive = Path(archive_path())
    if not archive.is_file():
        raise DatasetNotFound(
            f"{spec.id} comes with vgbench, but {archive} is missing from this installation. "
            "Install vgbench again, or draw it: make archive"
        )
    import_packaged(spec.id, archive, root, replace=replace)


def _open_folder(folder: Path, split: str | None, root: Path) -> Dataset:
    folder = folder.expanduser().resolve()
    layout = find_layout(folder)
    split = _choose(layout, split, folder)
    roles = layout[split]
    found = {(split, role): scan(where) for role, where in roles.items()}
    name = _name_of(folder)
    manifest = _current_manifest(folder, {split: roles}, found, _cache_file(root, folder, split))
    chosen = manifest.splits[split]
    override = roles["queries"].parent / OVERRIDE
    recognised = recognise(chosen, name)
    if recognised:
        spec, split_name = recognised
        opened = make_dataset(
            spec.id, folder, chosen, spec, split_name=split_name, override=override
        )
    else:
        if name in load_registry():
            name += "-unregistered"  # it bears the name of a registered dataset and is not that
        opened = make_dataset(name, folder, chosen, None, override=override)
    return replace(opened, folder_given=True)


def _current_manifest(
    folder: Path,
    layout: Mapping[str, Mapping[str, Path]],
    found: Mapping[tuple[str, str], list[Found]],
    cache: Path,
) -> Manifest:
    """The kept manifest of a folder if nothing changed; else one that reads what did."""
    from vgbench.datasets.manifest_file import (
        UnreadableManifestError,
        read_manifest,
        write_manifest,
    )

    try:
        kept: Manifest | None = read_manifest(cache)
    except UnreadableManifestError:
        kept = None  # nothing is lost: it is made again from the images
    if kept and _is_current(kept, folder, layout, found):
        return kept
    manifest = build_manifest(layout, folder, previous=kept, found=found)
    with contextlib.suppress(VgbenchError):  # a read-only data root costs time, nothing else
        write_manifest(manifest, cache)
    return manifest


def _is_current(
    kept: Manifest,
    folder: Path,
    layout: Mapping[str, Mapping[str, Path]],
    found: Mapping[tuple[str, str], list[Found]],
) -> bool:
    for (split, role), listed in found.items():
        if split not in kept.splits or role not in kept.splits[split].images:
            return False
        images = kept.splits[split].images[role]
        if (
            kept.splits[split].folders[role] != relative_folder(layout[split][role], folder)
            or len(images) != len(listed)
            or not np.array_equal(images.bytes, [image.length for image in listed])
            or not np.array_equal(images.mtimes, [image.mtime_ns for image in listed])
            or images.paths.without_prefix(len(role) + 1) != [image.path for image in listed]
        ):
            return False
    return True


def _cache_file(root: Path, folder: Path, split: str) -> Path:
    key = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return root / ".manifests" / f"{_name_of(folder)}-{key}-{split}.parquet"


def _name_of(folder: Path) -> str:
    while folder.name.lower() in (*SPLITS, "images") and folder.parent != folder:
        folder = folder.parent
    return slug(folder.name)


def _choose(layout: Mapping[str, Mapping[str, Path]], split: str | None, folder: Path) -> str:
    usable = [name for name, roles in layout.items() if "queries" in roles]
    if split is None:
        if "test" in usable or len(usable) == 1:
            return "test" if "test" in usable else usable[0]
        if not usable:
            raise DatasetError(
                f"{folder} holds training images only: no database/ and no queries/ in it."
            )
        raise DatasetError(
            f"{folder} has several splits and none called test: choose one of {', '.join(usable)}."
        )
    if split in usable:
        return split
    if split in layout:
        raise DatasetError(f"The split {split} of {folder} is for training: it has no queries.")
    raise DatasetNotFound(f"{folder} has no split {split!r}, only {', '.join(layout)}.")


def _not_installed(spec: DatasetSpec, root: Path) -> DatasetNotFound:
    there = root / spec.id
    if there.is_dir():
        return DatasetNotFound(
            f"{there} has no manifest. If its images are complete, make one: "
            f"vgbench datasets import {spec.id} {there}"
        )
    return DatasetNotFound(f"{spec.id} is not installed in {root}. {spec.how_to_get}")


def _not_found(name: str, root: Path) -> DatasetNotFound:
    from vgbench.datasets.catalogue import installed

    here = installed(root)
    registry = load_registry()
    choices = [*registry, *(i for i, _ in here), *(f"{i}/{s}" for i, s in here)]
    close = difflib.get_close_matches(name, dict.fromkeys(choices), n=3)
    lines = [f"There is no dataset and no folder {name!r}."]
    if close:
        lines.append(f"Did you mean {' or '.join(close)}?")
    lines.append("Installed: " + (", ".join(f"{i}/{s}" for i, s in here) or "nothing yet") + ".")
    specs = [*registry.values(), *load_private(root).values()]
    missing = [spec for spec in specs if not is_installed(spec.id, root)]
    lines += [f"{spec.id}: {spec.how_to_get}" for spec in missing]
    lines.append("Any folder with database/ and queries/ in it works by its path.")
    return DatasetNotFound("\n".join(lines))
