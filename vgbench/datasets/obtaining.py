"""One dataset from its archive's first usable source to its folder, whatever earlier runs left.

Everything is done while the dataset's download is held against other processes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vgbench.datasets.archives import is_archive
from vgbench.datasets.expectations import slug
from vgbench.datasets.importing import import_dataset
from vgbench.datasets.loading import NAME, is_installed, load_dataset
from vgbench.datasets.lockfile import Lock, lock_path, read_lock, write_lock
from vgbench.datasets.patience import Meter, Policy, TransferError
from vgbench.datasets.placing import alone
from vgbench.datasets.private import find_spec
from vgbench.datasets.records import forget_unwritten
from vgbench.datasets.registry import DatasetSpec
from vgbench.datasets.room import Room
from vgbench.datasets.sources import Place, archive_name, known_digests, places_of
from vgbench.datasets.transfer import Fetched, fetch
from vgbench.durable import TEMPORARY_PREFIX
from vgbench.errors import ArchiveError, DatasetError, DownloadError, UsageError, VgbenchError

DOWNLOADS = ".downloads"
"""The folder in the data root that holds archives while they come."""


@dataclass(frozen=True)
class Downloaded:
    """What came of one dataset.

    Attributes
    ----------
    name, folder
        The dataset and where it is installed.
    state
        "downloaded", or "installed already".
    source, bytes, received, sha256
        Where the archive came from, its size, how much of it this call received, and its digest;
        None where nothing was downloaded.
    archive
        The archive, where it was kept.
    """

    name: str
    folder: Path
    state: str
    source: str | None = None
    bytes: int | None = None
    received: int | None = None
    sha256: str | None = None
    archive: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        plain = asdict(self) | {"folder": str(self.folder)}
        return plain | {"archive": str(self.archive) if self.archive else None}


@dataclass
class Job:
    """One dataset: its archive is brought in a thread, then installed.

    `room` is shared by those that come side by side; `ready` is `import_dataset`'s; `tried` tells
    the places that gave nothing, and why.
    """

    name: str
    spec: DatasetSpec | None
    root: Path
    places: list[Place]
    target: Path
    replace: bool
    keep: bool
    policy: Policy
    room: Room | None = None
    ready: Callable[[Path], None] | None = None
    fetched: Fetched | None = None
    error: Exception | None = None
    tried: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, name: str, root: Path, from_url: str | None, replace: bool, keep: bool, policy: Policy
    ) -> Job:
        """Decide what to get, from where, and to which file."""
        head, _, split = name.partition("/")
        if split and NAME.fullmatch(head):
            raise UsageError(f"A dataset is downloaded whole: vgbench datasets download {head}")
        if not NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot be a dataset's name. See: vgbench datasets list")
        spec = find_spec(name, root)
        if spec is None and (spec := find_spec(slug(name), root)):  # people type sf_xs
            name = spec.id
        places = [] if spec and spec.packaged else places_of(name, spec, from_url)
        target = root / DOWNLOADS / name / archive_name(name, spec, from_url)
        return cls(name, spec, root, places, target, replace, keep, policy)

    @property
    def wanted(self) -> bool:
        """Whether there is anything to download."""
        return bool(self.places) and (self.replace or not is_installed(self.name, self.root))

    @property
    def part_bytes(self) -> int:
        """Bytes of the archive that came and are kept while it is not complete."""
        part = self.target.with_name(f"{self.target.name}.part")
        return part.stat().st_size if part.exists() else 0

    def bring(self, meter: Meter) -> None:
        """Bring the archive; keeps the error for `install`."""
        try:
            if self.wanted:
                self._refuse_unknown_folder()
                with downloading_alone(self.root, self.name):
                    try:
                        self.fetched = self._bring(meter) if self.wanted else None
                    finally:
                        self._remove_empty()
        except Exception as error:  # raised where the user sees it
            self.error = error
            if self.room:
                self.room.release(self.name)

    def install(self) -> Downloaded:
        """Unpack and check what was brought."""
        folder = self.root / self.name
        if isinstance(self.error, OSError):
            raise _disk_error(self.error, self.target) from self.error
        if self.error:
            raise self.error
        if not self.places:
            load_dataset(self.name, data_root=self.root)
            return Downloaded(self.name, folder, "comes with vgbench")
        with downloading_alone(self.root, self.name):
            fetched = self.fetched
            if fetched is None or (not self.replace and is_installed(self.name, self.root)):
                if not read_lock(self.root, self.name):
                    self._record(self._complete(frozenset()))
                return self._clean(Downloaded(self.name, folder, "installed already"))
            if not self.target.exists():  # another process took it, and failed with it
                raise DownloadError(f"{self.target} is gone. Run the same command again.")
            try:
                import_dataset(
                    self.name, self.target, self.root, replace=self.replace, ready=self.ready
                )
            except ArchiveError:
                self.target.unlink(missing_ok=True)
                self._remove_empty()
                raise
            except DatasetError as error:
                raise type(error)(f"{error}\n{self._set_aside()}") from error
            self._record(fetched)
            return self._clean(
                Downloaded(
                    self.name, folder, "downloaded",
                    fetched.source, fetched.bytes, fetched.received, fetched.sha256,
                )
            )  # fmt: skip

    def _bring(self, meter: Meter) -> Fetched:
        known, lock = known_digests(self.spec), read_lock(self.root, self.name)
        if not known and lock:
            known = frozenset({lock.sha256})
        self._make_folder()
        if there := self._complete(known):
            self._claim(there.bytes, there.bytes)
            return there
        for place in self.places:
            try:
                return fetch(
                    place.source, self.target, place.expected or known, self.policy, meter,
                    self._claim,
                )  # fmt: skip
            except TransferError as error:
                self.tried.append(f"  {place}:\n    {error}.")
        raise DownloadError(self._failed(lock))

    def _complete(self, known: frozenset[str]) -> Fetched | None:
        """Take the archive of a run that was ended before it was unpacked."""
        if not self.target.is_file() or not is_archive(self.target):
            return None
        with self.target.open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
        if (known and digest.hexdigest() not in known) or (self.replace and not known):
            return None
        size = self.target.stat().st_size
        return Fetched(self.target, str(self.places[0]), size, 0, digest.hexdigest())

    def _claim(self, total: int | None, have: int) -> None:
        if total is not None:
            self.room = self.room or Room(self.root, [self.name], self.keep)
            self.room.claim(self.name, self.target, total)

    def _refuse_unknown_folder(self) -> None:
        folder = self.root / self.name
        if folder.exists() and not is_installed(self.name, self.root) and not self.replace:
            raise DatasetError(
                f"{folder} is there, with no manifest. If its images are complete, make one: "
                f"vgbench datasets import {self.name} {folder}\nElse remove it, or download with "
                "--replace."
            )

    def _failed(self, lock: Lock | None) -> str:
        lines = [f"{self.name} could not be downloaded. Tried:", *self.tried]
        if size := self.part_bytes:
            lines.append(f"{size / 1e6:,.1f} MB came and are kept: run it again to go on.")
        if lock and any(lock.sha256 in line for line in self.tried):
            path = lock_path(self.root, self.name)
            lines.append(
                f"{path} has the digest of the first download ({lock.recorded}); delete it to "
                "accept another edition."
            )
        pages = [place.source.label for place in self.places if place.source.label.endswith("view")]
        where = pages[0] if pages else self.places[-1].source.label
        lines += [
            f"By hand: save this in a browser, as {self.target.name},",
            f"  {where}",
            f"and run: vgbench datasets import {self.name} ~/Downloads/{self.target.name}",
        ]
        lines.append(f"From elsewhere: vgbench datasets download {self.name} --from URL")
        return "\n".join(lines)

    def _record(self, fetched: Fetched | None) -> None:
        """Record the archive, unless the registry knows it or it is recorded.

        Also of a run that was ended after unpacking.
        """
        if fetched and not known_digests(self.spec) and not read_lock(self.root, self.name):
            lock = Lock(self.target.name, fetched.sha256, fetched.bytes, fetched.source)
            write_lock(self.root, self.name, lock)

    def _set_aside(self) -> str:
        """Keep an archive of the wrong content, out of the way of the next download."""
        aside = self.target.with_name(f"refused-{self.target.name}")
        self.target.replace(aside)
        return f"The archive is kept: {aside}"

    def _clean(self, result: Downloaded) -> Downloaded:
        """Remove the archive, or say where it is; remove what is left over in any case."""
        archive = self.target if self.target.exists() else None
        if archive and not self.keep:
            archive.unlink()
            archive = None
        for pattern in ("*.part", "*.part.json", f"{TEMPORARY_PREFIX}*"):
            for left in self.target.parent.glob(pattern):
                left.unlink(missing_ok=True)
        forget_unwritten(lock_path(self.root, self.name))
        self._remove_empty()
        return Downloaded(**{**vars(result), "archive": archive})

    def _make_folder(self) -> None:
        for _ in range(10):  # another dataset's download may just remove the folder above
            with contextlib.suppress(FileNotFoundError):
                self.target.parent.mkdir(parents=True, exist_ok=True)
                return

    def _remove_empty(self) -> None:
        for folder in (self.target.parent, self.target.parent.parent):
            with contextlib.suppress(OSError):  # not empty, or never made
                folder.rmdir()


def _disk_error(error: OSError, target: Path) -> VgbenchError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return VgbenchError(
            f"The disk of {target.parent} is full. What came is kept: free some space and run the "
            "same command again."
        )
    return VgbenchError(f"Cannot write {target}: {error.strerror or error}.")


def downloading_alone(root: Path, name: str) -> AbstractContextManager[None]:
    """Hold a dataset's download against other processes; waits for them, and says so."""
    # No dataset has a "+" in its name, nor is this the lock that importing holds.
    return alone(
        root, f"{name}+download", f"Another process is downloading {name}: waiting for it."
    )
