"""From a name to an installed dataset: its archive from the first source that gives it, imported.

Several archives come side by side; when all have come, or failed, they are unpacked one after the
other. A killed download goes on where it was, and processes that want the same dataset wait for
each other.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vgbench.datasets.archives import is_archive
from vgbench.datasets.expectations import slug
from vgbench.datasets.importing import import_dataset
from vgbench.datasets.loading import NAME, is_installed, load_dataset
from vgbench.datasets.lockfile import Lock, lock_path, read_lock, write_lock
from vgbench.datasets.meters import meters
from vgbench.datasets.patience import Meter, Policy, TransferError
from vgbench.datasets.private import find_spec
from vgbench.datasets.registry import DatasetSpec
from vgbench.datasets.sources import Place, archive_name, known_digests, places_of
from vgbench.datasets.transfer import Fetched, fetch
from vgbench.errors import ArchiveError, DatasetError, DownloadError, UsageError, VgbenchError
from vgbench.places import data_root as place_of_data
from vgbench.progress import note

DOWNLOADS = ".downloads"
"""The folder in the data root that holds archives while they come."""
UNPACKED = 1.25
"""Bytes on disk per byte of archive: photographs in JPEG hardly shrink, files take whole blocks."""


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


def download_dataset(
    name: str,
    *,
    from_url: str | None = None,
    keep_archive: bool = False,
    replace: bool = False,
    data_root: str | os.PathLike[str] | None = None,
    policy: Policy | None = None,
) -> Path:
    """Download, unpack and check one dataset, unless it is installed.

    Sources are tried in order: `from_url`, `$VGBENCH_MIRROR`, those of the registry. What an
    earlier call received is not received again.

    Parameters
    ----------
    name
        A registered name; with `from_url`, any other.
    from_url
        An http(s) address of the archive, or one ending in "/" below which it is by its file name;
        a Google Drive link is one too.
    keep_archive
        Leave the archive in `<data root>/.downloads/<name>/`.
    replace
        Download also where the dataset is installed, and put the new one in its place.

    Returns
    -------
    Path
        The dataset's folder.

    Raises
    ------
    DownloadError
        When no source gives the archive; names each, why it failed, and the way by hand.
    ArchiveError, DatasetError, ImageError
        When what came cannot be unpacked or is not this dataset.
    VgbenchError
        When there is not enough room.
    """
    return download_datasets(
        [name],
        from_url=from_url,
        keep_archive=keep_archive,
        replace=replace,
        data_root=data_root,
        policy=policy,
    )[0].folder


def download_datasets(
    names: Sequence[str],
    *,
    from_url: str | None = None,
    keep_archive: bool = False,
    replace: bool = False,
    data_root: str | os.PathLike[str] | None = None,
    policy: Policy | None = None,
) -> list[Downloaded]:
    """Download several datasets side by side; see `download_dataset`.

    One that fails keeps none of the others from being installed; its error is raised at the end.
    """
    names = list(dict.fromkeys(names))
    if from_url and len(names) > 1 and not from_url.endswith("/"):
        raise UsageError(
            "--from leads to one archive, and several datasets were named. Download them one by "
            "one, or give the folder that has all of them, with a / at the end."
        )
    root = place_of_data(data_root)
    policy = policy or Policy()
    jobs = [_Job.of(name, root, from_url, replace, keep_archive, policy) for name in names]
    errors: dict[str, VgbenchError] = {}
    stop = threading.Event()
    with meters(names, stop) as bars:
        _side_by_side([(job.bring, bar) for job, bar in zip(jobs, bars, strict=True)], stop)
    done = []
    for job in jobs:
        try:
            done.append(job.install())
        except VgbenchError as error:
            errors[job.name] = error
    if len(errors) == 1:
        raise next(iter(errors.values()))
    if errors:
        kinds = {type(error) for error in errors.values()}
        raise (kinds.pop() if len(kinds) == 1 else VgbenchError)(
            "\n\n".join(map(str, errors.values()))
        )
    return done


@dataclass
class _Job:
    """One dataset: its archive is brought in a thread, then installed."""

    name: str
    spec: DatasetSpec | None
    root: Path
    places: list[Place]
    target: Path
    replace: bool
    keep: bool
    policy: Policy
    fetched: Fetched | None = None
    error: Exception | None = None

    @classmethod
    def of(
        cls, name: str, root: Path, from_url: str | None, replace: bool, keep: bool, policy: Policy
    ) -> _Job:
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
        return bool(self.places) and (self.replace or not is_installed(self.name, self.root))

    def bring(self, meter: Meter) -> None:
        """Bring the archive; keeps the error for `install`."""
        try:
            if self.wanted:
                self._refuse_unknown_folder()
                with _alone(self.root, self.name):
                    if self.wanted:
                        self.fetched = self._bring(meter)
        except Exception as error:  # raised where the user sees it
            self.error = error

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
        with _alone(self.root, self.name):
            fetched = self.fetched
            if fetched is None or (not self.replace and is_installed(self.name, self.root)):
                return self._clean(Downloaded(self.name, folder, "installed already"))
            if not self.target.exists():  # another process took it, and failed with it
                raise DownloadError(f"{self.target} is gone. Run the same command again.")
            try:
                import_dataset(self.name, self.target, self.root, replace=self.replace)
            except ArchiveError:
                self.target.unlink(missing_ok=True)
                raise
            except DatasetError as error:
                raise type(error)(f"{error}\n{self._set_aside()}") from error
            if not known_digests(self.spec):
                lock = Lock(self.target.name, fetched.sha256, fetched.bytes, fetched.source)
                write_lock(self.root, self.name, lock)
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
        self.target.parent.mkdir(parents=True, exist_ok=True)
        if there := self._complete(known):
            return there
        tried: list[str] = []
        for place in self.places:
            try:
                return fetch(
                    place.source, self.target, place.expected or known, self.policy, meter,
                    self._room,
                )  # fmt: skip
            except TransferError as error:
                tried.append(f"  {place}:\n    {error}.")
        raise DownloadError(self._failed(tried, lock))

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

    def _room(self, total: int | None, have: int) -> None:
        if total is None:
            return
        free = shutil.disk_usage(self.root).free
        needed = total - have + round(UNPACKED * total)
        if needed > free:
            raise VgbenchError(
                f"There is no room for {self.name} in {self.root}: {needed / 1e9:.2f} GB are "
                f"needed ({total / 1e9:.2f} GB for the archive, the rest to unpack it), "
                f"{free / 1e9:.2f} GB are free. Choose another place with --data-root or "
                "$VGBENCH_DATA, or free some space."
            )

    def _refuse_unknown_folder(self) -> None:
        folder = self.root / self.name
        if folder.exists() and not is_installed(self.name, self.root) and not self.replace:
            raise DatasetError(
                f"{folder} is there, with no manifest. If its images are complete, make one: "
                f"vgbench datasets import {self.name} {folder}\nElse remove it, or download with "
                "--replace."
            )

    def _failed(self, tried: list[str], lock: Lock | None) -> str:
        lines = [f"{self.name} could not be downloaded. Tried:", *tried]
        part = self.target.with_name(f"{self.target.name}.part")
        if part.exists() and (size := part.stat().st_size):
            lines.append(f"{size / 1e6:,.1f} MB came and are kept: run it again to go on.")
        if lock and any(lock.sha256 in line for line in tried):
            path = lock_path(self.root, self.name)
            lines.append(
                f"{path} has the digest of the first download ({lock.recorded}); delete it to "
                "accept another edition."
            )
        pages = [place.source.label for place in self.places if place.source.label.endswith("view")]
        where = pages[0] if pages else self.places[-1].source.label
        lines.append(
            f"By hand: open {where} in a browser, save {self.target.name}, then run: "
            f"vgbench datasets import {self.name} ~/Downloads/{self.target.name}"
        )
        lines.append(f"From elsewhere: vgbench datasets download {self.name} --from URL")
        return "\n".join(lines)

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
        for left in (*self.target.parent.glob("*.part"), *self.target.parent.glob("*.part.json")):
            left.unlink(missing_ok=True)
        for folder in (self.target.parent, self.target.parent.parent):
            with contextlib.suppress(OSError):  # not empty
                folder.rmdir()
        return Downloaded(**{**vars(result), "archive": archive})


def _side_by_side(work: Sequence[tuple[Callable[[Meter], None], Meter]], stop: threading.Event
                  ) -> None:  # fmt: skip
    """Run functions in threads; an interrupt ends them, and waits for none that hangs."""
    threads = [threading.Thread(target=run, args=(bar,), daemon=True) for run, bar in work]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        stop.set()
        for thread in threads:
            thread.join(timeout=1.0)
        raise


@contextlib.contextmanager
def _alone(root: Path, name: str) -> Iterator[None]:
    """Hold a dataset's download against other processes; waits for them, and says so."""
    from filelock import FileLock, Timeout

    folder = root / ".locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # No dataset has a "+" in its name, nor is this the lock that importing holds.
        lock = FileLock(folder / f"{name}+download.lock")
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            note(f"Another process is downloading {name}: waiting for it.")
            lock.acquire()
    except OSError as error:
        raise DatasetError(
            f"Datasets are kept in {root}, which cannot be written ({error.strerror or error}). "
            "Choose another place with --data-root or $VGBENCH_DATA."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _disk_error(error: OSError, target: Path) -> VgbenchError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return VgbenchError(
            f"The disk of {target.parent} is full. What came is kept: free some space and run the "
            "same command again."
        )
    return VgbenchError(f"Cannot write {target}: {error.strerror or error}.")
