"""The manifest of a dataset: every image with its position, size and digest, in columns.

Built once by reading each image once; brought up to date by reading only what changed. Both
fingerprints of a split derive from it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vgbench.datasets.conditions import conditions
from vgbench.datasets.layout import ROLES
from vgbench.datasets.names import positions
from vgbench.datasets.pathlist import PathList
from vgbench.datasets.scanning import Broken, Examined, Found, broken_images, examine_files, scan
from vgbench.errors import ImageError
from vgbench.progress import progress


@dataclass(frozen=True, eq=False)
class Images:
    """The images of one role of one split, sorted by path in code-point order.

    Attributes
    ----------
    paths
        POSIX, canonical: they begin with the role, as in "database/@…jpg".
    positions
        Easting and northing in metres, float64 (n, 2).
    conditions
        One label or None per image; None where no image has one.
    sizes
        Height and width in pixels as stored, int32 (n, 2).
    bytes, mtimes
        File size, and time of change in ns since 1970, int64 (n,).
    digests
        SHA-256 of each file, uint8 (n, 32).
    """

    paths: PathList
    positions: NDArray[np.float64]
    conditions: list[str | None] | None
    sizes: NDArray[np.int32]
    bytes: NDArray[np.int64]
    mtimes: NDArray[np.int64]
    digests: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True, eq=False)
class SplitManifest:
    """One split: its images by role, where they are, and what identifies them.

    Attributes
    ----------
    name
        "test", "val", "train", …
    folders
        Role → the folder that holds its images, relative to the dataset's folder, or absolute
        where the dataset only points to images elsewhere.
    images
        Role → images; roles in the order database, queries, train.
    ground_truth
        SHA-256 (hex) over the canonical paths, each with a line feed, database first.
    content
        SHA-256 (hex) over the images' own digests in that order.
    """

    name: str
    folders: Mapping[str, str]
    images: Mapping[str, Images]
    ground_truth: str
    content: str

    def __len__(self) -> int:
        return sum(len(images) for images in self.images.values())


@dataclass(frozen=True, eq=False)
class Manifest:
    """All splits of a dataset, by name."""

    splits: Mapping[str, SplitManifest]

    def __len__(self) -> int:
        return sum(len(split) for split in self.splits.values())


def ground_truth_fingerprint(paths: Iterable[str]) -> str:
    """Hash canonical paths in row order: it fixes positions, row order and positives.

    >>> ground_truth_fingerprint(["database/@1@2@.jpg", "queries/@1@2@.jpg"])[:16]
    'c77dd5b7fa523e88'
    """
    digest = hashlib.sha256()
    batch: list[str] = []
    for path in paths:
        batch.append(path)
        if len(batch) == 4096:
            digest.update(("\n".join(batch) + "\n").encode())
            batch.clear()
    if batch:
        digest.update(("\n".join(batch) + "\n").encode())
    return digest.hexdigest()


def content_fingerprint(digests: Iterable[NDArray[np.uint8]]) -> str:
    """Hash the images' SHA-256 digests, uint8 (n, 32), in row order."""
    digest = hashlib.sha256()
    for part in digests:
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def make_split(
    name: str, folders: Mapping[str, str], images: Mapping[str, Images]
) -> SplitManifest:
    """Put the roles in order and fingerprint them."""
    ordered = {role: images[role] for role in ROLES if role in images}
    return SplitManifest(
        name=name,
        folders=dict(folders),
        images=ordered,
        ground_truth=ground_truth_fingerprint(p for part in ordered.values() for p in part.paths),
        content=content_fingerprint(part.digests for part in ordered.values()),
    )


def build_manifest(
    layout: Mapping[str, Mapping[str, Path]],
    folder: Path,
    condition: str | None = None,
    previous: Manifest | None = None,
    found: Mapping[tuple[str, str], list[Found]] | None = None,
    known: Mapping[tuple[str, str], Mapping[str, Examined]] | None = None,
) -> Manifest:
    """Read every image once, on all cores with a progress bar, and make a manifest of them.

    Parameters
    ----------
    layout
        Split → role → folder, as `find_layout` gives it.
    folder
        The dataset's folder; folders of the layout inside it are stored relative to it.
    condition
        The rule that labels queries; see `vgbench.datasets.conditions`.
    previous
        An earlier manifest: images whose path, bytes and time of change agree with it are not read.
    found
        By (split, role): what `scan` gave, where the caller has it already.
    known
        By (split, role) and path relative to its folder: images that were examined just now.

    Raises
    ------
    ImageError
        When names hold no position or images cannot be read; lists up to ten.
    DatasetError
        When a role has no image.
    """
    jobs: list[_Job] = []
    for split, roles in layout.items():
        for role, where in roles.items():
            listed = (found or {}).get((split, role)) or scan(where, facts=previous is not None)
            places = _positions(listed, where)  # a bad name is told before hours of hashing
            job = _Job(split, role, where, listed, places)
            job.reuse(_reusable(previous, split, role), (known or {}).get((split, role)))
            jobs.append(job)
    missing = sum(len(job.missing) for job in jobs)
    with progress("Reading images", missing) as advance:
        for job in jobs:
            job.read(advance)
    splits = {}
    for split, roles in layout.items():
        images = {job.role: job.images(condition) for job in jobs if job.split == split}
        folders = {role: relative_folder(where, folder) for role, where in roles.items()}
        splits[split] = make_split(split, folders, images)
    return Manifest(splits)


def relative_folder(where: Path, folder: Path) -> str:
    """Give `where` relative to `folder` in POSIX form, or absolute where it lies outside."""
    try:
        return where.relative_to(folder).as_posix()
    except ValueError:
        return where.absolute().as_posix()


class _Job:
    """The images of one role while they are gathered."""

    def __init__(
        self,
        split: str,
        role: str,
        where: Path,
        listed: list[Found],
        places: NDArray[np.float64],
    ) -> None:
        self.split, self.role, self.where = split, role, where
        self.listed, self.places = listed, places
        self.examined: list[Examined | None] = [None] * len(listed)
        self.missing: list[int] = list(range(len(listed)))

    def reuse(self, *sources: Mapping[str, Examined] | None) -> None:
        """Take over what is known of images that have not changed since."""
        for source in sources:
            if not source:
                continue
            for index in self.missing:
                image = self.listed[index]
                earlier = source.get(image.path)
                if earlier and (earlier.length, earlier.mtime_ns) == image[1:]:
                    self.examined[index] = earlier
            self.missing = [i for i in self.missing if self.examined[i] is None]

    def read(self, advance: Callable[[int], None]) -> None:
        """Examine the rest."""
        if not self.missing:
            return
        paths = [self.listed[index].path for index in self.missing]
        results = examine_files(self.where, paths, advance)
        broken = [result for result in results if isinstance(result, Broken)]
        if broken:
            raise broken_images(broken, self.where)
        for index, result in zip(self.missing, results, strict=True):
            if isinstance(result, Examined):
                self.examined[index] = result

    def images(self, condition: str | None) -> Images:
        facts = [examined for examined in self.examined if examined is not None]
        names = [image.path for image in self.listed]
        return Images(
            paths=PathList.of([f"{self.role}/{name}" for name in names]),
            positions=self.places,
            conditions=conditions(condition, names) if self.role == "queries" else None,
            sizes=np.array([(f.height, f.width) for f in facts], np.int32).reshape(-1, 2),
            bytes=np.array([f.length for f in facts], np.int64),
            mtimes=np.array([f.mtime_ns for f in facts], np.int64),
            digests=np.frombuffer(b"".join(f.sha256 for f in facts), np.uint8).reshape(-1, 32),
        )


def _positions(listed: list[Found], where: Path) -> NDArray[np.float64]:
    try:
        return positions([image.path for image in listed])
    except ImageError as error:
        raise ImageError(f"In {os.fspath(where)}: {error}") from None


def _reusable(previous: Manifest | None, split: str, role: str) -> dict[str, Examined] | None:
    """What an earlier manifest knows of a role's images, by path relative to the role's folder."""
    if previous is None or split not in previous.splits:
        return None
    images = previous.splits[split].images.get(role)
    if images is None:
        return None
    columns = zip(
        images.paths.without_prefix(len(role) + 1),
        images.bytes.tolist(),
        images.mtimes.tolist(),
        images.sizes.tolist(),
        images.digests,
        strict=True,
    )
    return {
        path: Examined(size, mtime, height, width, digest.tobytes())
        for path, size, mtime, (height, width), digest in columns
    }
