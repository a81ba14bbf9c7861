"""Finding a folder's images, and hashing and measuring them with all cores in one pass."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from vgbench.datasets.headers import MAX_BYTES, BrokenImageError, image_size
from vgbench.datasets.layout import is_hidden, is_image
from vgbench.errors import DatasetError, ImageError, first_ten

_CHUNK = 128
"""Images a thread takes at a time, so that handing out work costs nothing beside doing it."""

_DEEPEST = 40
"""Folders inside folders; more means links that lead in a circle."""

# Without O_NONBLOCK, opening a pipe that somebody put there would wait for ever.
_READING = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)

_CONTROLS = re.compile(r"[\x00-\x1f]")

T = TypeVar("T")


class Found(NamedTuple):
    """An image file in a folder: POSIX path relative to it, bytes, time of change in ns."""

    path: str
    length: int
    mtime_ns: int


class Examined(NamedTuple):
    """What reading an image once tells."""

    length: int
    mtime_ns: int
    height: int
    width: int
    sha256: bytes


@dataclass(frozen=True)
class Broken:
    """An image that cannot be read, and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        """Name the image and the reason, as errors list them."""
        return f"{self.path}: {self.reason}"


def scan(folder: str | os.PathLike[str], facts: bool = True) -> list[Found]:
    """List all images below a folder, sorted by path in code-point order; nothing is opened.

    Without `facts`, size and time of each are left at -1, for those who will read all files anyway.

    Images end in .jpg, .jpeg or .png in any case. Hidden files and folders are passed over, links
    are followed.

    Raises
    ------
    ImageError
        When a link leads nowhere, or a name is not valid Unicode or holds a control character.
    DatasetError
        When there is no image, or a folder cannot be read.
    """
    found: list[Found] = []
    broken: list[Broken] = []
    others: Counter[str] = Counter()
    base = os.fspath(folder)
    pending = [(base, "", 0)]
    while pending:
        where, prefix, depth = pending.pop()
        if depth > _DEEPEST:
            raise DatasetError(f"{where} is {depth} folders deep: is there a link in a circle?")
        try:
            with os.scandir(where) as entries:
                for entry in entries:
                    name = entry.name
                    if is_image(name) and not entry.is_dir():
                        if not facts:
                            found.append(Found(prefix + name, -1, -1))
                            continue
                        try:
                            told = entry.stat()
                        except OSError as error:
                            reason = f"cannot be opened ({error.strerror})"
                            broken.append(Broken(prefix + name, reason))
                            continue
                        found.append(Found(prefix + name, told.st_size, told.st_mtime_ns))
                    elif is_hidden(name):
                        continue
                    elif entry.is_dir():
                        pending.append((entry.path, f"{prefix}{name}/", depth + 1))
                    else:
                        others[os.path.splitext(name)[1].lower() or "no suffix"] += 1  # noqa: PTH122
        except OSError as error:
            raise DatasetError(f"Cannot read the folder {where}: {error.strerror}.") from error
    broken += [
        Broken(ascii(image.path), "its name is not valid Unicode: rename it")
        for image in found
        if not image.path.isascii() and not _is_unicode(image.path)
    ]
    # A line feed would end the name in whatever lists or hashes names line by line.
    broken += [
        Broken(repr(image.path), "its name holds a control character: rename it")
        for image in found
        if _CONTROLS.search(image.path)
    ]
    if broken:
        raise broken_images(broken, base)
    if not found:
        common = sorted(others.items(), key=lambda pair: (-pair[1], pair[0]))[:5]
        instead = ", ".join(f"{count:,} {suffix}" for suffix, count in common)
        raise DatasetError(
            f"No images in {base}: looked for .jpg, .jpeg and .png, in folders inside it too. "
            f"Found {instead or 'no files at all'}."
        )
    found.sort()
    return found


def examine(data: bytes, mtime_ns: int) -> Examined:
    """Hash and measure the bytes of one image file.

    Raises
    ------
    BrokenImageError
        When they are no image, or no whole one.
    """
    height, width = image_size(data)
    return Examined(len(data), mtime_ns, height, width, hashlib.sha256(data).digest())


def read_image_bytes(path: str | os.PathLike[str]) -> tuple[bytes, int]:
    """Read a file and its time of change in ns, which is taken first: a later change then shows.

    Raises
    ------
    BrokenImageError
        When it is too large or no regular file.
    OSError
        When it cannot be read.
    """
    descriptor = os.open(path, _READING)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise BrokenImageError("is not a regular file")
        if facts.st_size > MAX_BYTES:
            raise BrokenImageError(f"is larger than the {MAX_BYTES // 2**20} MiB allowed")
        data = os.read(descriptor, facts.st_size + 1)
        if len(data) < facts.st_size:  # a read may be cut short, above 2 GiB or by a network
            parts = [data]
            while part := os.read(descriptor, 1 << 20):
                parts.append(part)
            data = b"".join(parts)
    finally:
        os.close(descriptor)
    return data, facts.st_mtime_ns


def examine_files(
    folder: str | os.PathLike[str], paths: Sequence[str], advance: Callable[[int], None]
) -> list[Examined | Broken]:
    """Read, hash and measure files on all cores; results are in the order of the paths.

    Parameters
    ----------
    paths
        POSIX, relative to `folder`.
    advance
        Called with the number of files finished since the last call.
    """
    base = os.fspath(folder)

    def one(path: str) -> Examined | Broken:
        try:
            return examine(*read_image_bytes(f"{base}/{path}"))
        except BrokenImageError as error:
            return Broken(path, str(error))
        except OSError as error:
            return Broken(path, f"cannot be read ({error.strerror})")

    return in_threads(one, paths, advance)


def in_threads(
    work: Callable[[str], T], paths: Sequence[str], advance: Callable[[int], None]
) -> list[T]:
    """Apply `work` to every path, on as many threads as there are cores, results in order."""

    def chunk(first: int) -> list[T]:
        done = [work(path) for path in paths[first : first + _CHUNK]]
        advance(len(done))
        return done

    firsts = range(0, len(paths), _CHUNK)
    with ThreadPoolExecutor(threads()) as pool:
        try:
            return [result for part in pool.map(chunk, firsts) for result in part]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C should not wait for the rest
            raise


def threads() -> int:
    """How many threads read files: one for each core this process may use, and at least two."""
    try:
        return max(2, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on every system
        return max(2, os.cpu_count() or 1)


def broken_images(broken: Sequence[Broken], folder: str | os.PathLike[str]) -> ImageError:
    """Make the error that names up to ten images which cannot be read, and what to do."""
    count = len(broken)
    return ImageError(
        f"{count:,} image{'' if count == 1 else 's'} in {os.fspath(folder)} cannot be used:\n"
        f"{first_ten([str(image) for image in broken], 'images')}\n"
        "Copy them again from where the dataset came from, or take them out of the folder."
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
