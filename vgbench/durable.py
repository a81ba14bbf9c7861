"""Writing files so that a kill at any instant leaves the old state or the new one, never a mixture.

Every write goes to a temporary file in the same folder, is flushed and fsynced, then takes its name
by `os.replace`, and the folder is fsynced. Folders are filled under a temporary name and appear by
one rename.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from vgbench.errors import VgbenchError

TEMPORARY_PREFIX = ".vgbench-tmp-"
"""How the name of everything unfinished begins; readers pass over such names."""


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a binary file that becomes `path` when the block ends well, and vanishes otherwise.

    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with atomic_write(folder / "a.txt") as file:
    ...     _ = file.write(b"whole")
    >>> (folder / "a.txt").read_bytes()
    b'whole'

    Raises
    ------
    VgbenchError
        When the folder cannot be written or the disk is full; names the file and the cause.
    """
    path = Path(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(
            prefix=TEMPORARY_PREFIX, suffix=path.suffix, dir=path.parent
        )
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield cast(IO[bytes], file)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~umask())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty folder beside `path` that becomes `path` when the block ends well.

    `path` must not exist. Files written into the folder are fsynced before the rename.

    Raises
    ------
    VgbenchError
        When the parent cannot be written, the disk is full, or `path` exists by now.
    """
    path = Path(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=path.parent))
        try:
            yield temporary
            temporary.chmod(0o777 & ~umask())
            _sync_tree(temporary)
            if path.exists():  # os.rename would silently take the place of an empty folder
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
            temporary.rename(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(path.parent)


def remove_unfinished(folder: Path, ending: str = "") -> None:
    """Remove what killed writers left in a folder, of names with this ending.

    Only for who holds the folder against other writers, whose files would be taken for such.
    """
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.name.startswith(TEMPORARY_PREFIX) and entry.name.endswith(ending):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)


@contextlib.contextmanager
def explained(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an `OSError` of writing to `path` into a `VgbenchError` that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "the disk is full: free some space, or choose another place"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            hint = "the folder is read-only: choose another place, or change its permissions"
        else:
            hint = error.strerror or str(error)
        raise VgbenchError(
            f"Cannot write {os.fspath(path)}: {hint}. Nothing was changed."
        ) from error


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` durable; a system that cannot sync folders is let be."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(os.path.join(parent, name), os.O_RDONLY)  # noqa: PTH118
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(parent))


def umask() -> int:
    """Give the permissions that new files of this process do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
