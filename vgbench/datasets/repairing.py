"""Putting right what verification found of an installed dataset, fetching only what is needed.

From an archive that is here; else the members that are needed, out of the archive where it is kept
on a server; else from the whole archive, downloaded anew.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgbench.datasets.catalogue import known_name
from vgbench.datasets.lockfile import read_lock
from vgbench.datasets.manifest import Manifest
from vgbench.datasets.manifest_file import MANIFEST, read_manifest
from vgbench.datasets.patience import Policy
from vgbench.datasets.placing import holding
from vgbench.datasets.private import find_spec
from vgbench.datasets.recovering import Recovery
from vgbench.datasets.salvage import Needed, Target
from vgbench.datasets.verification import verify_dataset
from vgbench.datasets.verification_report import VerificationReport
from vgbench.errors import DatasetError, DownloadError, first_ten
from vgbench.places import data_root as place_of_data
from vgbench.progress import progress


@dataclass(frozen=True)
class Repair:
    """What a repair did.

    Attributes
    ----------
    needed, repaired
        Images that were missing or changed; and those that were put in place.
    fetched
        Bytes that came over the network.
    sources
        Where they are from.
    report
        Verification afterwards.
    """

    dataset: str
    folder: Path
    needed: int
    repaired: int
    fetched: int
    sources: tuple[str, ...]
    report: VerificationReport

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values, with the verification afterwards."""
        return {
            "dataset": self.dataset,
            "folder": str(self.folder),
            "needed": self.needed,
            "repaired": self.repaired,
            "fetched": self.fetched,
            "sources": list(self.sources),
            "verification": self.report.to_json(),
        }


def repair_dataset(
    name: str,
    *,
    source: str | os.PathLike[str] | None = None,
    deep: bool = False,
    data_root: str | os.PathLike[str] | None = None,
    policy: Policy | None = None,
) -> Repair:
    """Bring back images that are missing, changed or no longer decode, and verify.

    Every file is replaced at once and by nothing else than the bytes that the manifest knows.
    Extra images are reported and stay.

    Parameters
    ----------
    source
        An archive, or an http(s) address of one, to try first.
    deep
        Read and decode every image to find what is damaged.

    Raises
    ------
    DatasetNotFound
        When it is not installed.
    DatasetError
        When its manifest is damaged, or its images are linked to and so not vgbench's to write.
    DownloadError
        When images are still needed after all sources were tried; says why each gave nothing. What
        was found is in its place.
    """
    root = place_of_data(data_root)
    name = known_name(name, root)
    report = verify_dataset(name, deep, root)
    manifest = read_manifest(report.folder / MANIFEST)
    targets = _targets(report, manifest)
    if not targets:
        return Repair(name, report.folder, 0, 0, 0, (), report)
    recovery = Recovery(
        name, root, find_spec(name, root), read_lock(root, name), source, policy or Policy()
    )
    with progress(f"Repairing {name}", len(targets)) as advance:
        needed = Needed(targets, advance)
        with _holding(root, name, manifest):
            recovery.from_archives(needed)
            if needed.left:
                recovery.from_parts(needed)
    if needed.left:
        recovery.from_whole(needed, _holding(root, name, manifest))
    if needed.left:
        raise DownloadError(_failed(name, needed, recovery.tried))
    recovery.clean()
    return Repair(
        dataset=name,
        folder=report.folder,
        needed=len(targets),
        repaired=needed.repaired,
        fetched=recovery.fetched,
        sources=tuple(dict.fromkeys(recovery.gave)),
        report=verify_dataset(name, deep, root),
    )


@contextlib.contextmanager
def _holding(root: Path, name: str, verified: Manifest) -> Iterator[None]:
    """Hold the dataset, and make sure that it is still the one that was verified."""
    with holding(root, name):
        now = read_manifest(root / name / MANIFEST)
        if _fingerprints(now) != _fingerprints(verified):
            raise DatasetError(f"{name} was replaced meanwhile: run repair again.")
        yield


def _fingerprints(manifest: Manifest) -> dict[str, tuple[str, str]]:
    return {name: (s.ground_truth, s.content) for name, s in manifest.splits.items()}


def _targets(report: VerificationReport, manifest: Manifest) -> list[Target]:
    """List what is needed; refuses to write where images are only linked to."""
    found = []
    for split_report in report.splits:
        split = manifest.splits[split_report.split]
        broken = frozenset(split_report.broken)
        for role, images in split.images.items():
            rows = [row for row, path in enumerate(images.paths) if path in broken]
            if rows and Path(split.folders[role]).is_absolute():
                raise DatasetError(
                    f"{len(rows):,} images of {report.dataset}/{split.name} are damaged, and they "
                    f"are only linked to, in {split.folders[role]}: put them right there."
                )
            folder = report.folder / split.folders[role]
            for row in rows:
                path = images.paths[row]
                found.append(
                    Target(
                        f"{split.name}/{path}",
                        folder / path[len(role) + 1 :],
                        int(images.bytes[row]),
                        int(images.mtimes[row]),
                        images.digests[row].tobytes(),
                    )
                )
    return found


def _failed(name: str, needed: Needed, tried: list[str]) -> str:
    """Say what is still needed, and why no source gave it."""
    left = [target.path for target in needed.left]
    lines = [
        f"{needed.repaired:,} images of {name} were repaired; still needed are {len(left):,}:",
        first_ten(left, "images"),
        *(["Tried:", *tried] if tried else ["No source is known."]),
        f"With the archive at hand: vgbench datasets repair {name} --from FILE|URL",
    ]
    return "\n".join(lines)
