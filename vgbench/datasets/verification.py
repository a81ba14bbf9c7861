"""Whether an installed dataset is still what was imported, and what the registry says it is."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vgbench.datasets.catalogue import known_name
from vgbench.datasets.dataset import differing
from vgbench.datasets.editions import database_sizes, tell_edition
from vgbench.datasets.expectations import problems_of_split
from vgbench.datasets.facts import AGREES, DIFFERS, UNKNOWN, facts_of, measure
from vgbench.datasets.headers import BrokenImageError, decode
from vgbench.datasets.loading import is_installed, load_dataset
from vgbench.datasets.lockfile import read_lock
from vgbench.datasets.manifest import (
    Images,
    SplitManifest,
    content_fingerprint,
    ground_truth_fingerprint,
)
from vgbench.datasets.manifest_file import MANIFEST, read_manifest
from vgbench.datasets.private import find_spec
from vgbench.datasets.registry import DatasetSpec
from vgbench.datasets.scanning import in_threads, read_image_bytes, scan
from vgbench.datasets.verification_report import ArchiveReport, SplitReport, VerificationReport
from vgbench.datasets.verified import record
from vgbench.errors import DatasetError, DatasetNotFound, ImageError, UsageError
from vgbench.places import data_root as place_of_data
from vgbench.progress import progress


def verify_dataset(
    name: str, deep: bool = False, data_root: str | os.PathLike[str] | None = None
) -> VerificationReport:
    """Hold an installed dataset's images against its manifest, and that against the registry.

    When nothing is wrong, this is recorded beside the dataset: see `vgbench.datasets.verified`.

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
    name = known_name(name, root)
    whole, slash, _ = name.partition("/")
    if slash and (find_spec(whole, root) or is_installed(whole, root)):
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
    spec = find_spec(name, root)
    manifest = read_manifest(folder / MANIFEST)
    with progress(f"Verifying {name}", 2 * len(manifest) if deep else 0) as advance:
        splits = tuple(
            _verify_split(folder, split, spec, deep, advance) for split in manifest.splits.values()
        )
    archive = _verify_archive(root, name, spec, deep)
    contents = {split.name: split.content for split in manifest.splits.values()}
    report = VerificationReport(
        dataset=name,
        folder=folder,
        registered=spec is not None and not spec.private,
        deep=deep,
        splits=splits,
        edition=tell_edition(spec, contents, database_sizes(manifest.splits), archive.sha256),
        archive=archive,
    )
    fingerprints = {s.name: (s.ground_truth, s.content) for s in manifest.splits.values()}
    record(root, name, spec, fingerprints, report.status, deep)
    return report


def _verify_split(
    root: Path, split: SplitManifest, spec: DatasetSpec | None, deep: bool, advance: Any
) -> SplitReport:
    missing: list[str] = []
    extra: list[str] = []
    changed: list[str] = []
    undecodable: list[str] = []
    broken: list[str] = []
    mismatches = list(_contradictions(split))
    for role, images in split.images.items():
        folder = root / split.folders[role]
        differences = differing(folder, role, images, everything=deep, advance=advance)
        broken += [difference.path for difference in differences]
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
    facts = facts_of(spec, split, measure(split))
    if spec is not None and split.name in spec.splits:
        mismatches += problems_of_split(spec, split.name, split)
        mismatches += [
            f"queries with a positive: {fact.found:,}, expected {fact.expected:,}"
            for fact in facts
            if fact.what == "queries_with_positive" and fact.state == DIFFERS
        ]
    elif spec is not None:
        mismatches.append(f"{spec.id} has no split {split.name}, only {', '.join(spec.splits)}")
    states = {fact.what: fact.state for fact in facts}
    return SplitReport(
        split=split.name,
        images=len(split),
        missing=tuple(missing),
        extra=tuple(extra),
        changed=tuple(changed),
        undecodable=tuple(undecodable),
        broken=tuple(broken),
        duplicates=tuple(_duplicates(split.images)),
        mismatches=tuple(mismatches),
        facts=facts,
        ground_truth=states["ground_truth"],
        content=states["content"],
    )


def _verify_archive(root: Path, name: str, spec: DatasetSpec | None, deep: bool) -> ArchiveReport:
    """Hold the record of the archive against the registry, and the archive, if kept, against it."""
    from vgbench.datasets.obtaining import DOWNLOADS
    from vgbench.datasets.sources import archive_name, known_digests

    try:
        lock = read_lock(root, name)
    except DatasetError as error:
        return ArchiveReport(problem=str(error))
    kept = root / DOWNLOADS / name / (lock.file if lock else archive_name(name, spec))
    there = kept.is_file()
    digest, problem = (lock.sha256 if lock else None), None
    if there and lock and (size := kept.stat().st_size) != lock.bytes:
        problem = f"{kept} has {size:,} bytes, the recorded archive {lock.bytes:,}"
    elif there and deep:
        found = file_sha256(kept)
        if lock and found != lock.sha256:
            problem = f"{kept} has SHA-256 {found}, the recorded archive {lock.sha256}"
        digest = digest or found
    if digest is None:
        return ArchiveReport()
    pinned = {source.sha256 for source in spec.sources} if spec else set()
    pinned |= {edition.archive_sha256 for edition in spec.editions} if spec else set()
    state = AGREES if digest in pinned else DIFFERS if known_digests(spec) else UNKNOWN
    if state == DIFFERS and problem is None:
        problem = f"it was installed from an archive of SHA-256 {digest}, which is not registered"
    size_of = lock.bytes if lock else kept.stat().st_size
    return ArchiveReport(digest, size_of, lock.source if lock else None, state, problem)


def file_sha256(path: Path) -> str:
    """Hash a file; hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


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
