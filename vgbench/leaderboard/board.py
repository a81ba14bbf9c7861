"""The board's folder: where its parts are, its lock, and the sweeping up after killed writers."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from vgbench.durable import TEMPORARY_PREFIX, remove_unfinished
from vgbench.errors import BoardError, VgbenchError
from vgbench.leaderboard.fields import LARGEST_JSON
from vgbench.leaderboard.slugs import SLUG

LOCK_NAME = ".vgbench.lock"
LOCK_SECONDS = 300.0
"""How long a writer waits for the others; one write takes well under a second."""

SUBMISSION_FILE = "submission.json"


def submissions_folder(root: Path) -> Path:
    """The folder of submissions: the source of truth."""
    return root / "submissions"


def table_path(root: Path) -> Path:
    """The table that is derived from the submissions."""
    return root / "leaderboard" / "leaderboard.parquet"


@contextlib.contextmanager
def board_lock(root: str | os.PathLike[str], seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the board for writing; one process at a time, and a killed one lets go.

    What killed writers left unfinished is removed: whoever holds the lock is the only writer, so
    everything unfinished is a dead one's.

    Raises
    ------
    BoardError
        When the folder cannot be written, or others hold it for longer than `seconds`.
    """
    from filelock import FileLock, Timeout

    root = Path(root)
    with board_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / LOCK_NAME)
        try:
            lock.acquire(timeout=seconds)
        except Timeout:
            raise BoardError(
                f"Another process has held the board {root} for {seconds:.0f} s. Nothing was "
                f"written: try again when it has finished."
            ) from None
    try:
        with board_errors(root):
            sweep(root)
        yield
    finally:
        lock.release()


def sweep(root: Path) -> None:
    """Remove what killed writers left behind; call it only while holding the lock."""
    remove_unfinished(submissions_folder(root))
    # Pages are written beside the table without the lock: only the table's own leftovers go.
    remove_unfinished(table_path(root).parent, ".parquet")


def check_writable(root: str | os.PathLike[str]) -> None:
    """Find out before hours of work whether the board can be written.

    Raises
    ------
    BoardError
        When it cannot, and why.
    """
    root = Path(root)
    with board_lock(root), board_errors(root):
        if table_path(root).is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder", str(table_path(root)))
        for folder in (submissions_folder(root), table_path(root).parent):
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f"{TEMPORARY_PREFIX}probe.parquet"
            probe.write_bytes(b"vgbench")
            probe.unlink()


@contextlib.contextmanager
def board_errors(root: Path) -> Iterator[None]:
    """Make a `BoardError` of what goes wrong with the board's files."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "the disk is full: free some space, or choose another folder with --root"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            hint = "it is read-only: choose another folder with --root, or change its permissions"
        elif error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
            hint = f"something else is in the way of a file or folder ({error.filename})"
        else:
            hint = error.strerror or str(error)
        raise BoardError(f"Cannot write the board {root}: {hint}. Nothing was changed.") from error
    except VgbenchError as error:
        if type(error) is VgbenchError:  # what `durable` raises of an OSError
            raise BoardError(str(error)) from error
        raise


def submission_digests(root: Path) -> dict[str, str]:
    """SHA-256 of each `submission.json` by folder name, sorted; "" where it cannot be read.

    Everything that begins with a dot is passed over, and so are plain files.
    """
    digests = {}
    for entry in _scan(submissions_folder(root)):
        if entry.name.startswith(".") or not entry.is_dir():
            continue
        digests[entry.name] = ""
        # A link could lead anywhere on the reader's machine: it is listed and never followed.
        if not entry.is_symlink() and SLUG.fullmatch(entry.name):
            with contextlib.suppress(OSError):
                digests[entry.name] = _file_digest(f"{entry.path}/{SUBMISSION_FILE}")
    return dict(sorted(digests.items()))


def _file_digest(path: str) -> str:
    # Opening a pipe that somebody put there would wait for ever without O_NONBLOCK.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - opens a descriptor, not a path
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return ""
        # What is longer is refused when it is read; its first bytes tell whether it changed.
        return hashlib.sha256(file.read(LARGEST_JSON + 1)).hexdigest()


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
