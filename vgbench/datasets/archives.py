"""Unpacking the images of a zip or tar archive that nobody vouches for.

Only plain image files are written, below one fresh folder, after their names were checked; anything
else that is harmless is left out, and anything that is not ends the unpacking.
"""

from __future__ import annotations

import io
import lzma
import os
import shutil
import stat
import tarfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from vgbench.datasets.guarding import Guard, Limits
from vgbench.datasets.headers import BrokenImageError
from vgbench.datasets.parts import Joined, parts_of, title
from vgbench.datasets.scanning import Broken, Examined, examine, threads
from vgbench.datasets.tars import is_tar, open_tar, read_tar_member, tar_members
from vgbench.datasets.zips import DamagedZipError, ZipMember, is_zip, read_directory, read_member
from vgbench.errors import ArchiveError, VgbenchError
from vgbench.progress import progress

__all__ = ["Limits", "check_space", "is_archive", "unpack_images", "write_image"]

_MEGABYTE = 10**6
_BATCH_FILES, _BATCH_BYTES = 64, 4 * _MEGABYTE
"""Images handed to a thread at a time: much work for each, and little memory for all."""
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class _Image(NamedTuple):
    """An image to write: `read` gives its bytes; `packed` is how much of the archive is done."""

    path: str
    length: int
    read: Callable[[], bytes]
    packed: int


def unpack_images(
    archive: str | os.PathLike[str], folder: Path, limits: Limits | None = None
) -> tuple[dict[str, Examined], list[Broken]]:
    """Write the images of an archive below `folder`, hashing and measuring them on the way.

    Parameters
    ----------
    archive
        zip, or tar in any compression that tarfile reads; of one in parts, one of them: see
        `vgbench.datasets.parts.parts_of`. The parts are not joined on disk.
    folder
        Exists and is empty.

    Returns
    -------
    dict, list
        What is known of each image, by its path in the archive; and the images that are broken.

    Raises
    ------
    ArchiveError
        When the file is no archive, is damaged, lacks a part, or holds what it should not: absolute
        paths, "..", links, devices, encrypted members, names that clash, or more than the limits
        allow.
    VgbenchError
        When the disk is too small.
    """
    parts = parts_of(Path(archive))
    limits = limits or Limits()
    name = title(parts)
    try:
        with Joined(parts) as file:
            images = _images(parts, file, folder, limits)
            with progress(f"Unpacking {name}", file.size // _MEGABYTE, "MB") as advance:
                return _write(images, folder, advance)
    except ArchiveError as error:
        raise ArchiveError(f"{name} was not unpacked: {error}. Nothing was kept of it.") from None
    except (
        DamagedZipError,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        UnicodeError,
    ) as error:
        raise _damaged(parts, error) from error
    except NotImplementedError as error:
        raise ArchiveError(f"{parts[0]} cannot be unpacked: {error}.") from error
    except OSError as error:
        if error.errno is not None:  # the disk's
            raise
        raise _damaged(parts, error) from error  # gzip and bzip2 say so of damaged data


def is_archive(path: Path) -> bool:
    """Whether a file, or the parts of which it is one, is a zip or tar archive, by its content.

    Raises
    ------
    ArchiveError
        When a part is missing.
    """
    try:
        with Joined(parts_of(path)) as file:
            return is_zip(file) or is_tar(file)
    except OSError:
        return False


def _damaged(parts: Sequence[Path], error: Exception) -> ArchiveError:
    more = f" Is there no part behind {parts[-1].name}?" if len(parts) > 1 else ""
    return ArchiveError(f"{parts[0]} is damaged or incomplete: {error}. Get it again.{more}")


def _images(parts: list[Path], file: Joined, folder: Path, limits: Limits) -> Iterator[_Image]:
    if is_tar(file):
        return _tar_images(file, limits)
    if is_zip(file):
        return _zip_images(file, folder, limits)
    more = (
        f"; is there no part behind {parts[-1].name}?" if len(parts) > 1 else " (or is cut short)"
    )
    raise ArchiveError(f"it is neither a zip nor a tar archive{more}")


def _zip_images(file: Joined, folder: Path, limits: Limits) -> Iterator[_Image]:
    members = read_directory(file, limits.members)
    guard = Guard(file.size, limits)
    kept: list[tuple[str, ZipMember]] = []
    for member in members:  # all of them before the first is written
        if stat.S_IFMT(member.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ArchiveError(f"{member.name!r} is a link or a device")
        if member.is_encrypted:
            raise ArchiveError(f"{member.name!r} is encrypted")
        path = guard.check(member.name, member.is_folder, member.length)
        if path is not None:
            kept.append((path, member))
    check_space(folder, sum(member.length for _, member in kept))
    packed = 0
    for path, member in kept:
        packed += member.packed

        def read(member: ZipMember = member) -> bytes:
            return read_member(file, member, limits.image_bytes)

        yield _Image(path, member.length, read, packed)


def _tar_images(file: Joined, limits: Limits) -> Iterator[_Image]:
    file.seek(0)
    guard = Guard(file.size, limits)
    with open_tar(io.BufferedReader(file, _MEGABYTE)) as archive:
        for info in tar_members(archive, padding=limits.small):
            path = guard.check(info.name, info.isdir(), info.size)
            if path is not None:
                data = read_tar_member(archive, info)

                def read(data: bytes = data) -> bytes:
                    return data

                yield _Image(path, info.size, read, file.tell())


def _write(
    images: Iterator[_Image], folder: Path, advance: Callable[[int], None]
) -> tuple[dict[str, Examined], list[Broken]]:
    """Write images on all cores, in batches: reading, inflating and hashing need no interpreter."""
    examined: dict[str, Examined] = {}
    broken: list[Broken] = []
    made: set[str] = set()
    shown = 0

    def work(batch: list[_Image]) -> list[Examined | Broken]:
        return [write_image(folder, image.path, image.read()) for image in batch]

    def finish(batch: list[_Image], done: Future[list[Examined | Broken]]) -> None:
        nonlocal shown
        for image, result in zip(batch, done.result(), strict=True):
            if isinstance(result, Broken):
                broken.append(result)
            else:
                examined[image.path] = result
        if (megabytes := batch[-1].packed // _MEGABYTE) > shown:
            advance(megabytes - shown)
            shown = megabytes

    pending: deque[tuple[list[_Image], Future[list[Examined | Broken]]]] = deque()
    with ThreadPoolExecutor(threads()) as pool:
        try:
            for batch in _batches(images):
                for image in batch:
                    parent = image.path.rpartition("/")[0]
                    if parent not in made:
                        (folder / parent).mkdir(parents=True, exist_ok=True)
                        made.add(parent)
                pending.append((batch, pool.submit(work, batch)))
                if len(pending) > 2 * threads():
                    finish(*pending.popleft())
            while pending:
                finish(*pending.popleft())
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return examined, broken


def _batches(images: Iterator[_Image]) -> Iterator[list[_Image]]:
    batch: list[_Image] = []
    size = 0
    for image in images:
        batch.append(image)
        size += image.length
        if len(batch) >= _BATCH_FILES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def write_image(folder: Path, path: str, data: bytes) -> Examined | Broken:
    """Write an image that was not there and say what is known of it; broken ones are not written.

    Raises
    ------
    OSError
        When the disk is full or the folder read-only.
    """
    try:
        known = examine(data, 0)
    except BrokenImageError as error:
        return Broken(path, str(error))
    target = f"{folder}/{path}"
    file = os.open(target, _NEW_FILE, 0o666)
    try:
        rest = memoryview(data)
        while rest:  # a write may take a part only
            rest = rest[os.write(file, rest) :]
    finally:
        os.close(file)
    return known._replace(mtime_ns=os.stat(target).st_mtime_ns)  # noqa: PTH116


def check_space(folder: Path, needed: int) -> None:
    """Refuse to begin what will not fit.

    Raises
    ------
    VgbenchError
        When the file system of `folder` has less than `needed` bytes left.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise VgbenchError(
            f"There is no room in {folder.parent}: {needed / 1e9:.2f} GB are needed, "
            f"{free / 1e9:.2f} GB are free. Choose another place with --data-root or "
            "$VGBENCH_DATA, or free some space."
        )
