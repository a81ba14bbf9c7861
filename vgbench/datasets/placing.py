"""How a dataset's folder takes its place in the data root: complete, by a rename, or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from vgbench.durable import TEMPORARY_PREFIX, explained, sync_folder, umask
from vgbench.errors import DatasetError
from vgbench.progress import note


@contextlib.contextmanager
def holding(root: Path, name: str) -> Iterator[None]:
    """Hold a dataset's name against other processes; waits for them, and says so.

    What a killed process left of this name is put right first.

    Raises
    ------
    DatasetError
        When the data root cannot be written.
    """
    with alone(root, name, f"Another process is importing {name}: waiting for it."):
        _recover(root, name)
        yield


@contextlib.contextmanager
def alone(root: Path, lock_name: str, waiting: str) -> Iterator[None]:
    """Hold a lock of the data root against other processes; says `waiting` when it has to wait.

    Raises
    ------
    DatasetError
        When the data root cannot be written.
    """
    from filelock import FileLock, Timeout

    folder = root / ".locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{lock_name}.lock")
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            note(waiting)
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


@contextlib.contextmanager
def placed(root: Path, name: str, ready: Callable[[Path], None] | None = None) -> Iterator[Path]:
    """Yield an empty folder that becomes `root / name` when the block ends well.

    A folder of that name stays until then and is removed afterwards; where the system can exchange
    two folders, there is one or the other at any instant. The caller holds the name.
    `ready` is called with the filled folder when all of it is on the disk, as the last thing that
    may fail before the rename.
    Unlike `vgbench.durable.atomic_folder` this syncs the file system once: to sync each of 100,000
    images takes minutes.

    Raises
    ------
    VgbenchError
        When the root cannot be written, or the disk is full.
    """
    target, retired = root / name, _retired(root, name)
    with explained(target):
        temporary = Path(tempfile.mkdtemp(prefix=_unfinished(name), dir=root))
        try:
            yield temporary
            temporary.chmod(0o777 & ~umask())
            getattr(os, "sync", lambda: None)()  # Windows has none, and flushes on its own
            if ready is not None:
                ready(temporary)
            if target.exists() and exchange(temporary, target):
                retired = temporary
            else:
                if target.exists():
                    target.rename(retired)
                temporary.rename(target)
            sync_folder(root)
        except BaseException:
            _recover(root, name)
            raise
        shutil.rmtree(retired, ignore_errors=True)


def exchange(one: Path, other: Path) -> bool:
    """Let two folders change names in one step; False where the system or the disk cannot.

    By renameat2(2) with RENAME_EXCHANGE on Linux, renamex_np(2) with RENAME_SWAP on macOS; Python
    offers neither.
    """
    names = os.fsencode(one), os.fsencode(other)
    try:
        system = ctypes.CDLL(None)
        if sys.platform == "darwin":
            return bool(system.renamex_np(*names, 2) == 0)
        here = -100  # AT_FDCWD
        return bool(system.renameat2(here, names[0], here, names[1], 2) == 0)
    except (AttributeError, OSError, TypeError):  # another system, or an old C library
        return False


def discard(root: Path, name: str) -> None:
    """Remove a dataset's folder, out of sight at once; the caller holds the name."""
    with explained(root / name):
        (root / name).rename(root / f"{_unfinished(name)}removed")
        sync_folder(root)
    _recover(root, name)


def _recover(root: Path, name: str) -> None:
    """Remove what is unfinished; bring back what was taken away and not yet replaced."""
    target, retired = root / name, _retired(root, name)
    if retired.exists():
        if target.exists():
            shutil.rmtree(retired, ignore_errors=True)
        else:
            retired.rename(target)
    for orphan in root.glob(f"{_unfinished(name)}*"):
        shutil.rmtree(orphan, ignore_errors=True)


def _unfinished(name: str) -> str:
    # No name of a dataset has a "+": that of one dataset never begins like another's.
    return f"{TEMPORARY_PREFIX}{name}+"


def _retired(root: Path, name: str) -> Path:
    return root / f"{TEMPORARY_PREFIX}{name}~replaced"
