"""A folder's or an archive's images, brought to their canonical places and told in a manifest."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from vgbench.datasets.archives import check_space, is_archive, unpack_images, write_image
from vgbench.datasets.headers import BrokenImageError
from vgbench.datasets.layout import find_layout
from vgbench.datasets.manifest import Manifest, build_manifest
from vgbench.datasets.names import positions
from vgbench.datasets.parts import parts_of, title
from vgbench.datasets.scanning import (
    Broken,
    Examined,
    Found,
    broken_images,
    in_threads,
    read_image_bytes,
    scan,
)
from vgbench.errors import ArchiveError, DatasetError, ImageError
from vgbench.progress import note, progress

Known = dict[tuple[str, str], dict[str, Examined]]
"""What is known of images that were just written, by (split, role) and path in its folder."""


def copy_folder(source: Path, folder: Path, condition: str | None) -> Manifest:
    """Copy a folder's images below `folder`, which is empty, hashing them on the way.

    Raises
    ------
    DatasetError
        When the source holds no dataset.
    ImageError
        When images are broken, or their names hold no position.
    VgbenchError
        When the disk is too small.
    """
    layout = find_layout(source)
    found = {
        (split, role): scan(where)
        for split, roles in layout.items()
        for role, where in roles.items()
    }
    for (split, role), images in found.items():  # a bad name is told before hours of copying
        try:
            positions([image.path for image in images])
        except ImageError as error:
            raise ImageError(f"In {layout[split][role]}: {error}") from None
    check_space(folder, sum(image.length for images in found.values() for image in images))
    known: Known = {}
    canonical: dict[str, dict[str, Path]] = {}
    with progress("Copying", sum(map(len, found.values()))) as advance:
        for (split, role), images in found.items():
            where = _canonical(folder, split, role)
            paths = [image.path for image in images]
            for parent in {path.rpartition("/")[0] for path in paths}:
                (where / parent).mkdir(parents=True, exist_ok=True)

            def one(path: str, start: Path = layout[split][role], end: Path = where) -> object:
                try:
                    data, _ = read_image_bytes(f"{start}/{path}")
                except BrokenImageError as error:
                    return Broken(path, str(error))
                except OSError as error:
                    return Broken(path, f"cannot be read ({error.strerror})")
                return write_image(end, path, data)

            results = in_threads(one, paths, advance)
            broken = [result for result in results if isinstance(result, Broken)]
            if broken:
                raise broken_images(broken, layout[split][role])
            known[split, role] = {
                path: result
                for path, result in zip(paths, results, strict=True)
                if isinstance(result, Examined)
            }
            canonical.setdefault(split, {})[role] = where
    return _of_known(canonical, folder, condition, known)


def unpack_archive(archive: Path, folder: Path, condition: str | None) -> Manifest:
    """Unpack an archive's images as they lie, then move the folders to their canonical places.

    Raises
    ------
    ArchiveError
        When it is no archive, or one that is damaged or not safe.
    DatasetError, ImageError, VgbenchError
        As `copy_folder`.
    """
    parts = parts_of(archive)
    name = title(parts)
    if not is_archive(archive):
        raise ArchiveError(_no_archive(parts))
    unpacked = folder / ".unpacked"
    unpacked.mkdir()
    examined, broken = unpack_images(archive, unpacked)
    if broken:
        raise broken_images(broken, archive)
    try:
        layout = find_layout(unpacked)
    except DatasetError as error:
        raise DatasetError(str(error).replace(str(unpacked), str(archive))) from None
    known: Known = {}
    canonical: dict[str, dict[str, Path]] = {}
    for split, roles in layout.items():
        for role, where in roles.items():
            inside = where.relative_to(unpacked).as_posix() + "/"
            known[split, role] = {
                path[len(inside) :]: facts
                for path, facts in examined.items()
                if path.startswith(inside)
            }
            destination = _canonical(folder, split, role)
            destination.parent.mkdir(exist_ok=True)
            where.rename(destination)
            canonical.setdefault(split, {})[role] = destination
    left = len(examined) - sum(map(len, known.values()))
    if left:
        note(f"{left:,} images of {name} belong to no database and no queries: left out.")
    shutil.rmtree(unpacked)
    return _of_known(canonical, folder, condition, known)


def _no_archive(parts: list[Path]) -> str:
    if len(parts) > 1:
        return (
            f"{parts[0].parent / title(parts)} are no complete archive. Is there no part before "
            f"{parts[0].name} or behind {parts[-1].name}?"
        )
    with parts[0].open("rb") as file:
        if file.read(4) == b"PK\3\4":
            return f"{parts[0]} is incomplete: it begins as a zip, and its end is missing."
    return f"{parts[0]} is neither a folder nor a zip or tar archive."


def _of_known(
    layout: Mapping[str, Mapping[str, Path]],
    folder: Path,
    condition: str | None,
    known: Known,
) -> Manifest:
    found = {
        key: sorted(Found(path, facts.length, facts.mtime_ns) for path, facts in images.items())
        for key, images in known.items()
    }
    return build_manifest(layout, folder, condition, found=found, known=known)


def _canonical(folder: Path, split: str, role: str) -> Path:
    return folder / split if role == "train" else folder / split / role
