"""Putting right what verification found of an installed dataset, fetching only what is needed.

From an archive that is here; else the members that are needed, out of the archive where it is kept
on a server; else from the whole archive, downloaded anew.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vgbench.datasets.catalogue import known_name
from vgbench.datasets.lockfile import Lock, read_lock
from vgbench.datasets.manifest import Manifest
from vgbench.datasets.manifest_file import MANIFEST, read_manifest
from vgbench.datasets.meters import meters
from vgbench.datasets.obtaining import DOWNLOADS, Job, downloading_alone
from vgbench.datasets.patience import Meter, Policy, TransferError, open_session
from vgbench.datasets.placing import holding
from vgbench.datasets.private import find_spec
from vgbench.datasets.ranged import RemoteFile
from vgbench.datasets.registry import DatasetSpec
from vgbench.datasets.salvage import Needed, Target, take_from_archive, take_from_remote
from vgbench.datasets.sources import Place, archive_name, known_digests, places_of
from vgbench.datasets.verification import (
    SplitReport,
    VerificationReport,
    file_sha256,
    verify_dataset,
)
from vgbench.errors import (
    ArchiveError,
    DatasetError,
    DatasetNotFound,
    DownloadError,
    VgbenchError,
    first_ten,
)
from vgbench.places import data_root as place_of_data
from vgbench.progress import note, progress


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
    work = _Work(name, root, manifest, find_spec(name, root), read_lock(root, name), source,
                 policy or Policy())  # fmt: skip
    with progress(f"Repairing {name}", len(targets)) as advance:
        needed = Needed(targets, advance)
        with work.alone():
            work.use_archives(needed)
            if needed.left:
                work.use_parts(needed)
    if needed.left:
        work.use_whole(needed)
    if needed.left:
        raise DownloadError(work.failed(needed))
    report = verify_dataset(name, deep, root)
    return Repair(
        dataset=name,
        folder=report.folder,
        needed=len(targets),
        repaired=needed.repaired,
        fetched=work.fetched,
        sources=tuple(work.gave),
        report=report,
    )


@dataclass
class _Work:
    """One repair: its sources, what they gave, and why others gave nothing."""

    name: str
    root: Path
    manifest: Manifest
    spec: DatasetSpec | None
    lock: Lock | None
    source: str | os.PathLike[str] | None
    policy: Policy
    fetched: int = 0
    gave: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the dataset, and make sure that it is still the one that was verified."""
        with holding(self.root, self.name):
            now = read_manifest(self.root / self.name / MANIFEST)
            if _fingerprints(now) != _fingerprints(self.manifest):
                raise DatasetError(f"{self.name} was replaced meanwhile: run repair again.")
            yield

    @property
    def given(self) -> str | None:
        """The address that the user gave; None for an archive's path."""
        text = str(self.source) if self.source is not None else ""
        return text if text.lower().startswith(("http://", "https://")) else None

    @property
    def address(self) -> str | None:
        """The address to try first: the user's, or the record's where nothing is registered."""
        recorded = self.lock.source if self.lock and not self.spec else ""
        return self.given or (recorded if recorded.startswith(("http://", "https://")) else None)

    def use_archives(self, needed: Needed) -> None:
        """Take what is needed out of archives that are here."""
        for archive, checked in self._archives():
            with self._trying(str(archive), needed):
                if checked:
                    self._check_digest(archive)
                take_from_archive(needed, archive)
            if not needed.left:
                return

    def use_parts(self, needed: Needed) -> None:
        """Fetch what is needed, and only that, where a server gives parts of files."""
        for place in self._places():
            meter = Meter()
            with self._trying(str(place), needed), open_session(self.policy, meter) as session:
                file = None
                try:
                    file = RemoteFile(place.source, session, self.policy, meter)
                    if self.lock and file.size != self.lock.bytes and not known_digests(self.spec):
                        raise TransferError(
                            f"it gives another archive: {file.size:,} bytes, that of the record "
                            f"has {self.lock.bytes:,}"
                        )
                    take_from_remote(needed, file)
                finally:
                    self.fetched += file.received if file else 0
            if not needed.left:
                return

    def use_whole(self, needed: Needed) -> None:
        """Download the whole archive anew, as `vgbench datasets download` does."""
        if not self._places():
            return
        job = Job.of(self.name, self.root, self.address, True, False, self.policy)
        kept = job.target.exists()
        note(f"{len(needed.left):,} images are needed from the whole archive: downloading it.")
        stop = threading.Event()
        try:
            with meters([self.name], stop) as (meter,):
                job.bring(meter)
        except BaseException:
            stop.set()
            raise
        if isinstance(job.error, VgbenchError):
            self.tried.append(f"  the whole archive:\n    {_indented(str(job.error))}")
            return
        if job.error is not None:
            raise job.error
        if job.fetched is None:
            return
        self.fetched += job.fetched.received
        with downloading_alone(self.root, self.name), self.alone():
            with self._trying(job.fetched.source, needed):
                take_from_archive(needed, job.target)
            if not kept:
                job.target.unlink(missing_ok=True)
                for folder in (job.target.parent, job.target.parent.parent):
                    with contextlib.suppress(OSError):  # there is more in it
                        folder.rmdir()

    def failed(self, needed: Needed) -> str:
        """Say what is still needed, and why no source gave it."""
        left = [target.path for target in needed.left]
        lines = [
            f"{needed.repaired:,} images of {self.name} were repaired; still needed are "
            f"{len(left):,}:",
            first_ten(left, "images"),
            *(["Tried:", *self.tried] if self.tried else ["No source is known."]),
            f"With the archive at hand: vgbench datasets repair {self.name} --from FILE|URL",
        ]
        return "\n".join(lines)

    def _archives(self) -> Iterator[tuple[Path, bool]]:
        """Archives that are here, and whether the record must agree."""
        if self.source is not None and self.given is None:
            path = Path(self.source).expanduser()
            if not path.is_file():
                raise DatasetNotFound(f"There is no archive {path}.")
            yield path, True
        kept = self.root / DOWNLOADS / self.name
        names = [self.lock.file] if self.lock else []
        for file in dict.fromkeys([*names, archive_name(self.name, self.spec, self.address)]):
            if (kept / file).is_file():
                yield kept / file, True
        if self.spec is not None and self.spec.packaged:
            from vgbench.demo_city import archive_path

            yield Path(archive_path()), False

    def _places(self) -> list[Place]:
        if self.spec is not None and self.spec.packaged:
            return []
        try:
            places = places_of(self.name, self.spec, self.address)
        except DatasetNotFound:  # no address is known
            return []
        if self.address and not self.given:
            places[0] = replace(places[0], chosen_by="of the record")
        return places

    def _check_digest(self, archive: Path) -> None:
        known = known_digests(self.spec) or ({self.lock.sha256} if self.lock else set())
        if known and (digest := file_sha256(archive)) not in known:
            raise TransferError(
                f"it is another archive: SHA-256 {digest} instead of {' or '.join(sorted(known))}"
            )

    @contextlib.contextmanager
    def _trying(self, label: str, needed: Needed) -> Iterator[None]:
        before = needed.repaired
        reason = "the images that are needed are not in it as the manifest knows them"
        try:
            yield
        except (TransferError, ArchiveError, OSError) as error:
            reason = str(error)
        if needed.repaired > before:
            self.gave.append(label)
        if needed.left:
            self.tried.append(f"  {label}:\n    {reason}.")


def _targets(report: VerificationReport, manifest: Manifest) -> list[Target]:
    """List what is needed; refuses to write where images are only linked to."""
    found = []
    for split_report in report.splits:
        split = manifest.splits[split_report.split]
        broken = _broken(
            split_report, {p for images in split.images.values() for p in images.paths}
        )
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


def _broken(report: SplitReport, paths: set[str]) -> set[str]:
    """Take the images out of what a report says of them: "path: reason", or the path alone.

    One that does not decode and is none of these was imported so: its archive has no better.
    """
    found = set(report.missing)
    for line in report.changed:
        end = line.find(": ")
        while end >= 0 and line[:end] not in paths:  # a name may hold a colon itself
            end = line.find(": ", end + 1)
        if end >= 0:
            found.add(line[:end])
    return found


def _fingerprints(manifest: Manifest) -> dict[str, tuple[str, str]]:
    return {name: (s.ground_truth, s.content) for name, s in manifest.splits.items()}


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")
