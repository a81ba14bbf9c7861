"""Where a repair takes images from: archives that are here, parts of one on a server, all of it.

Every image is held against the manifest, so that it does not matter what archive it is from.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from vgbench.datasets.lockfile import Lock
from vgbench.datasets.meters import meters
from vgbench.datasets.obtaining import DOWNLOADS, Job, downloading_alone
from vgbench.datasets.patience import Meter, Policy, TransferError, UnreachableError, open_session
from vgbench.datasets.ranged import RemoteFile
from vgbench.datasets.registry import DatasetSpec
from vgbench.datasets.salvage import Needed, take_from_archive, take_from_remote
from vgbench.datasets.sources import Place, archive_name, places_of
from vgbench.durable import TEMPORARY_PREFIX
from vgbench.errors import ArchiveError, DatasetNotFound, DownloadError, VgbenchError
from vgbench.progress import note

_PREFIX = "repair-"


@dataclass
class Recovery:
    """Takes what is needed of one dataset from one source after the other.

    Attributes
    ----------
    source
        An archive, or an http(s) address of one, to try first.
    lock
        The record of the archive that the dataset was installed from.
    fetched
        Bytes that came over the network.
    gave
        Sources that gave images.
    tried
        Sources that left images needed, and why, as lines of a message.
    """

    name: str
    root: Path
    spec: DatasetSpec | None
    lock: Lock | None
    source: str | os.PathLike[str] | None
    policy: Policy
    fetched: int = 0
    gave: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    _whole: set[str] = field(default_factory=set)  # of which no parts could be had

    @property
    def is_packaged(self) -> bool:
        """Whether the archive comes with vgbench."""
        return self.spec is not None and self.spec.packaged

    def from_archives(self, needed: Needed) -> None:
        """Take what is needed out of archives that are here."""
        for archive in self._archives():
            with self._trying(str(archive), str(archive), needed, archive.stat().st_size):
                take_from_archive(needed, archive)
            if not needed.left:
                return

    def from_parts(self, needed: Needed) -> None:
        """Fetch what is needed, and little else, where a server gives parts of files."""
        for place in self._places():
            label, meter = place.source.label, _Waiting(str(place))
            self._whole.add(label)
            with (
                self._trying(str(place), label, needed) as sizes,
                open_session(self.policy, meter) as session,
            ):
                file = None
                try:
                    file = RemoteFile(place.source, session, self.policy, meter)
                    take_from_remote(needed, file)
                except UnreachableError:
                    self._whole.discard(label)
                    raise
                finally:
                    self.fetched += file.received if file else 0
                # It was read to its end: the whole has no more than its parts.
                self._whole.discard(label)
                sizes.append(file.size)
            if not needed.left:
                return

    def from_whole(self, needed: Needed, held: AbstractContextManager[None]) -> None:
        """Download a whole archive anew, where no parts could be had, as a first time.

        `held` holds the dataset against other processes.
        """
        if not self._whole:
            return
        address = self._given or self._recorded
        job = Job.of(self.name, self.root, address, True, False, self.policy)
        job.places = [place for place in self._places() if place.source.label in self._whole]
        # Apart from one that the user keeps; a killed repair's is found and used by the next.
        job.target = job.target.with_name(f"{_PREFIX}{job.target.name}")
        note(f"Only the whole archive has the {len(needed.left):,} images that are needed: "
             "downloading it.")  # fmt: skip
        stop = threading.Event()
        try:
            with meters([self.name], stop) as (meter,):
                job.bring(meter)
        except BaseException:
            stop.set()
            raise
        if isinstance(job.error, DownloadError):
            self.tried += ["  all of it:", *(_indented(line) for line in job.tried)]
        elif isinstance(job.error, VgbenchError):
            self.tried.append(f"  all of it:\n    {_indented(str(job.error))}")
        elif job.error is not None:
            raise job.error
        if job.fetched is None:
            return
        self.fetched += job.fetched.received
        source = job.fetched.source
        with downloading_alone(self.root, self.name), held:
            with self._trying(source, source, needed, job.fetched.bytes):
                take_from_archive(needed, job.target)
            job.target.unlink(missing_ok=True)  # it has given what it has
            _remove_empty(job.target.parent)

    def clean(self) -> None:
        """Remove archives that came for repairs only."""
        folder = self.root / DOWNLOADS / self.name
        if not any(folder.glob(f"{_PREFIX}*")):
            return
        with downloading_alone(self.root, self.name):
            for pattern in (f"{_PREFIX}*", f"{TEMPORARY_PREFIX}*"):
                for left in folder.glob(pattern):
                    left.unlink(missing_ok=True)
            _remove_empty(folder)

    @property
    def _given(self) -> str | None:
        """The address that the user gave; None for an archive's path."""
        text = str(self.source) if self.source is not None else ""
        return text if text.lower().startswith(("http://", "https://")) else None

    @property
    def _recorded(self) -> str | None:
        """The address of the first download, where nothing is registered."""
        source = self.lock.source if self.lock and not self.spec else ""
        return source if source.startswith(("http://", "https://")) else None

    def _archives(self) -> Iterator[Path]:
        if self.source is not None and self._given is None:
            path = Path(self.source).expanduser()
            if not path.is_file():
                raise DatasetNotFound(f"There is no archive {path}.")
            yield path
        folder = self.root / DOWNLOADS / self.name
        names = [self.lock.file] if self.lock else []
        names.append(archive_name(self.name, self.spec, self._recorded))
        for file in dict.fromkeys([*names, *(f"{_PREFIX}{name}" for name in names)]):
            if (folder / file).is_file():
                yield folder / file
        if self.is_packaged:
            from vgbench.demo_city import archive_path

            yield Path(archive_path())

    def _places(self) -> list[Place]:
        if self.is_packaged:
            return []
        found: dict[str, Place] = {}
        if self.spec or self._given:
            with contextlib.suppress(DatasetNotFound):  # no address is known
                for place in places_of(self.name, self.spec, self._given):
                    found.setdefault(place.source.label, place)
        if self._recorded:
            (place,) = places_of(self.name, None, self._recorded)
            found.setdefault(place.source.label, replace(place, chosen_by="of the record"))
        return list(found.values())

    @contextlib.contextmanager
    def _trying(
        self, shown: str, label: str, needed: Needed, size: int | None = None
    ) -> Iterator[list[int]]:
        """Keep what a source gave, or why it gave not all.

        The archive's size may be told later, by the list.
        """
        before, sizes = needed.repaired, [] if size is None else [size]
        reason = ""
        try:
            yield sizes
        except (TransferError, ArchiveError, OSError) as error:
            reason = str(error)
        if needed.repaired > before:
            self.gave.append(label)
        if needed.left:
            reason = reason or "the images that are needed are not in it as the manifest knows them"
            if self.lock and sizes and sizes[0] != self.lock.bytes:
                reason += (
                    f" (it has {sizes[0]:,} bytes, the archive of the first download "
                    f"{self.lock.bytes:,})"
                )
            self.tried.append(f"  {shown}:\n    {reason}.")


class _Waiting(Meter):
    """Says once that a source makes wait: a repair's progress is in images, and stands still."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label, self.said = label, False

    def waiting(self, seconds: float) -> None:
        if not self.said and seconds >= 0.5:
            self.said = True
            note(f"{self.label} does not answer: trying a few times more.")


def _remove_empty(folder: Path) -> None:
    for empty in (folder, folder.parent):
        with contextlib.suppress(OSError):  # there is more in it
            empty.rmdir()


def _indented(text: str) -> str:
    return "  " + text.replace("\n", "\n    ")
