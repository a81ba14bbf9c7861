"""Whether an installed dataset is still what was imported, and what the registry says it is."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vgbench.datasets.catalogue import pin_state
from vgbench.datasets.dataset import differing
from vgbench.datasets.expectations import problems_of_split
from vgbench.datasets.headers import BrokenImageError, decode
from vgbench.datasets.loading import is_installed, load_dataset
from vgbench.datasets.manifest import (
    Images,
    SplitManifest,
    content_fingerprint,
    ground_truth_fingerprint,
)
from vgbench.datasets.manifest_file import MANIFEST, read_manifest
from vgbench.datasets.registry import DatasetSpec, load_registry
from vgbench.datasets.scanning import in_threads, read_image_bytes, scan
from vgbench.errors import DatasetError, DatasetNotFound, ImageError, UsageError
from vgbench.places import data_root as place_of_data
from vgbench.progress import progress


@dataclass(frozen=True)
class SplitReport:
    """What verification found of one split; all paths are canonical.

    Attributes
    ----------
    images
        How many the manifest has.
    missing, extra, changed, undecodable
        Images in the manifest and not on disk; on disk and not in the manifest; of other bytes
        than in the manifest; that do not decode (told of all images only by a deep check).
    duplicates
        Groups of images that are the same, byte for byte. Datasets have such images; they are
        told, and are no failure.
    mismatches
        How the split contradicts the registry or its own manifest.
    ground_truth, content
        "agrees", "differs" (another edition, for content), or "unknown" where nothing is pinned.
    """

    split: str
    images: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    changed: tuple[str, ...]
    undecodable: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]
    mismatches: tuple[str, ...]
    ground_truth: str
    content: str

    @property
    def ok(self) -> bool:
        """Whether the split is what its manifest and the registry say."""
        return not (
            self.missing or self.extra or self.changed or self.undecodable or self.mismatches
        )


@dataclass(frozen=True)
class VerificationReport:
    """What verification found of a dataset; `deep` when every image was read and decoded."""

    dataset: str
    folder: Path
    registered: bool
    deep: bool
    splits: tuple[SplitReport, ...]

    @property
    def ok(self) -> bool:
        """Whether every split is what its manifest and the registry say."""
        return all(split.ok for split in self.splits)

    def to_json(self) -> dict[str, Any]:
        """Give the same as plain values, each split with its own `ok`."""
        plain = asdict(self) | {"folder": str(self.folder), "ok": self.ok}
        for described, split in zip(plain["splits"], self.splits, strict=True):
            described["ok"] = split.ok
        return plain


def verify_dataset(
    name: str, deep: bool = False, data_root: str | os.PathLike[str] | None = None
) -> VerificationReport:
    """Hold an installed dataset's images against its manifest, and that against the registry.

    Parameters
    ----------
    deep
        Read and decode every image. Without it, sizes and times of change are compared, and only
        images with another time are read.

    Raises
    ------
    DatasetNotFound
        When no such dataset is installed.
    UsageError
        When a split is named: all of them are verified.
    DatasetError
        When its manifest is damaged, or of a newer vgbench.
    """
    root = place_of_data(data_root)
    whole, slash, _ = name.partition("/")
    if slash and (whole in load_registry() or is_installed(whole, root)):
        raise UsageError(
            f"A dataset is verified with all its splits: vgbench datasets verify {whole}"
        )
    if not is_installed(name, root):
        load_dataset(name, data_root=root)  # unpacks what comes with vgbench, or says what is there
        if not is_installed(name, root):
            raise DatasetNotFound(
                f"{name} is a folder that was not imported: its manifest is checked whenever it is "
                f"loaded. To keep it under a name: vgbench datasets import NAME {name}"
            )
    folder = root / name
    spec = load_registry().get(name)
    manifest = read_manifest(folder / MANIFEST)
    with progress(f"Verifying {name}", 2 * len(manifest) if deep else 0) as advance:
        splits = tuple(
            _verify_split(folder, split, spec, deep, advance) for split in manifest.splits.values()
        )
    return VerificationReport(name, folder, spec is not None, deep, splits)


def _verify_split(
    root: Path, split: SplitManifest, spec: DatasetSpec | None, deep: bool, advance: Any
) -> SplitReport:
    missing: list[str] = []
    extra: list[str] = []
    changed: list[str] = []
    undecodable: list[str] = []
    mismatches = list(_contradictions(split))
    for role, images in split.images.items():
        folder = root / split.folders[role]
        differences = differing(folder, role, images, everything=deep, advance=advance)
        missing += [difference.path for difference in differences if difference.missing]
        changed += [str(difference) for difference in differences if not difference.missing]
        gone = {difference.path for difference in differences if difference.missing}
        to_decode = images.paths if deep else [d.path for d in differences if not d.missing]
        undecodable += _undecodable(folder, role, [p for p in to_decode if p not in gone], advance)
        try:
            there = {f"{role}/{image.path}" for image in scan(folder)}
        except ImageError as error:
            mismatches.append(str(error))
        except DatasetError:
            there = set()  # the folder is gone or empty: all of it is missing
        else:
            extra += sorted(there.difference(images.paths))
    known = spec.splits.get(split.name) if spec else None
    if spec is not None and known is not None:
        mismatches += problems_of_split(spec, split.name, split)
    elif spec is not None:
        mismatches.append(f"{spec.id} has no split {split.name}, only {', '.join(spec.splits)}")
    return SplitReport(
        split=split.name,
        images=len(split),
        missing=tuple(missing),
        extra=tuple(extra),
        changed=tuple(changed),
        undecodable=tuple(undecodable),
        duplicates=tuple(_duplicates(split.images)),
        mismatches=tuple(mismatches),
        ground_truth=pin_state(known.ground_truth if known else None, split.ground_truth),
        content=pin_state(known.content if known else None, split.content),
    )


def _contradictions(split: SplitManifest) -> list[str]:
    """How a manifest's rows disagree with the fingerprints it states."""
    found = []
    paths = (path for images in split.images.values() for path in images.paths)
    if ground_truth_fingerprint(paths) != split.ground_truth:
        found.append("the manifest's names do not give its ground-truth fingerprint")
    if content_fingerprint(images.digests for images in split.images.values()) != split.content:
        found.append("the manifest's digests do not give its content fingerprint")
    return found


def _undecodable(folder: Path, role: str, paths: list[str], advance: Any) -> list[str]:
    def one(path: str) -> str | None:
        try:
            data, _ = read_image_bytes(f"{folder}/{path[len(role) + 1 :]}")
            decode(data)
        except BrokenImageError as error:
            return f"{path}: {error}"
        except OSError as error:
            return f"{path}: cannot be read ({error.strerror})"
        return None

    return [problem for problem in in_threads(one, paths, advance) if problem is not None]


def _duplicates(images: Mapping[str, Images]) -> list[tuple[str, ...]]:
    groups: dict[bytes, list[tuple[str, int]]] = defaultdict(list)
    for role, part in images.items():
        for row, digest in enumerate(part.digests):
            groups[digest.tobytes()].append((role, row))
    return [
        tuple(images[role].paths[row] for role, row in group)
        for group in groups.values()
        if len(group) > 1
    ]
