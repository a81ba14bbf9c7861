"""An archive that came in several parts, read as if it were one file; nothing is joined on disk."""

from __future__ import annotations

import io
import os
import re
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vgbench.errors import ArchiveError

_SUFFIX = r"\.(?:zip|tgz|tbz2?|txz|tar(?:\.(?:gz|bz2|xz))?)"
_WHOLE = re.compile(rf"(?i).+{_SUFFIX}")
# What `split`, 7-Zip and many a script call parts: NAME.zip.001, NAME.tar.gz.aa, NAME.zip.part1.
_PART = re.compile(
    rf"(?i)(?P<stem>.+{_SUFFIX}(?:[._-]?(?P<part>part)[._-]?|[._-]?))"
    r"(?P<number>(?(part)\d+|\d{2,})|[a-z]{2,3})"
)
_COMPRESSED = ("gz", "xz", "br", "lz", "bz", "zst", "lzo")  # no parts: a.tar.br
_SPANNED = re.compile(r"(?i)(?P<stem>.+)\.z(?P<number>\d{2,})")
_LONGEST_END = 22 + (1 << 16)  # of a zip, with the longest comment
_MOST_PARTS = 10_000


class Joined(io.RawIOBase):
    """Several files as one to read from; `read_at` may be called from any thread.

    Attributes
    ----------
    paths
        The files, in order.
    starts
        Where each begins.
    size
        Bytes of all together.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self.paths = list(paths)
        self._files: list[int] = []
        self._lock = threading.Lock()
        self._at = 0
        try:
            for path in self.paths:
                self._files.append(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)))
            self._sizes = [os.fstat(file).st_size for file in self._files]
        except BaseException:
            self.close()
            raise
        self.starts = [sum(self._sizes[:index]) for index in range(len(self._sizes))]
        self.size = sum(self._sizes)

    def read_at(self, at: int, count: int) -> bytes:
        """Read `count` bytes from byte `at` on; fewer where the end comes first."""
        if len(self._files) == 1:
            return self._read(0, at, count)
        found = []
        for index, start in enumerate(self.starts):
            inside = at - start
            if count > 0 and 0 <= inside < self._sizes[index]:
                data = self._read(index, inside, min(count, self._sizes[index] - inside))
                found.append(data)
                at, count = at + len(data), count - len(data)
        return b"".join(found)

    def _read(self, index: int, at: int, count: int) -> bytes:
        file = self._files[index]
        if not hasattr(os, "pread"):  # not on every system
            with self._lock:
                os.lseek(file, at, os.SEEK_SET)
                return os.read(file, count)
        data = os.pread(file, count, at)
        while 0 < len(data) < count and at + len(data) < self._sizes[index]:  # cut short, > 2 GiB
            data += os.pread(file, count - len(data), at + len(data))
        return data

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from where the file stands."""
        view = memoryview(buffer).cast("B")
        data = self.read_at(self._at, len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to another place."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Where the file stands."""
        return self._at

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def seekable(self) -> bool:
        """Whether one can go to another place."""
        return True

    def close(self) -> None:
        """Close all files."""
        while self._files:
            os.close(self._files.pop())
        super().close()


def parts_of(path: Path) -> list[Path]:
    """List the files of the archive that `path` is, or is a part of, in order.

    Parts are `NAME.zip.001 .002 …`, `NAME.tar.gz.aa .ab …` and the like, and `NAME.z01 … NAME.zip`
    as `zip -s` makes them. An archive in one file is one part.

    Raises
    ------
    ArchiveError
        When a part is missing; names it.
    """
    spanned = _SPANNED.fullmatch(path.name)
    if spanned:
        return _spanned(_last_of(path, spanned["stem"]))
    if path.name.lower().endswith(".zip") and path.is_file():
        return _spanned(path)
    named = _named(path.name)
    if named is None:
        return [path]
    stem, number = named
    found: dict[int, Path] = {}
    for other in path.parent.iterdir():
        like = _named(other.name)
        if like and like[0] == stem and _alike(like[1], number) and other.is_file():
            found[_value(like[1])] = other
    least = 0 if not number.isdigit() or 0 in found else 1
    if len(number) == 3 and not number.isdigit() and 0 not in found:
        return [path]  # a.zip.bak, a.zip.old: no parts
    if len(found) > _MOST_PARTS or max(found) > _MOST_PARTS:
        raise ArchiveError(f"{path.name} would be one of more than {_MOST_PARTS:,} parts.")
    missing = [value for value in range(least, max(found)) if value not in found]
    if missing:
        _refuse(path, [stem + _spelt(value, number) for value in missing])
    return [found[value] for value in sorted(found)]


def archive_in(folder: Path) -> Path | None:
    """Give the first part of the one archive whose parts lie in a folder; None without parts.

    Raises
    ------
    ArchiveError
        When there are parts of several archives, or one is missing.
    """
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    stems: dict[str, str] = {}
    for name in names:
        if spanned := _SPANNED.fullmatch(name):
            stems.setdefault(f"{spanned['stem']}.zip", name)
        elif named := _named(name):
            stems.setdefault(named[0], name)
    if not stems:
        return None
    if len(stems) > 1:
        raise ArchiveError(
            f"{folder} holds parts of several archives: {', '.join(list(stems.values())[:5])}. "
            "Name the first part of the one to take."
        )
    return parts_of(folder / next(iter(stems.values())))[0]


def next_part(name: str) -> str | None:
    """Name the part that follows; None for what is no part.

    >>> next_part("sf_xs.zip.009"), next_part("sf_xs.tar.gz.aa"), next_part("sf_xs.zip")
    ('sf_xs.zip.010', 'sf_xs.tar.gz.ab', None)
    """
    named = _named(name)
    return named[0] + _spelt(_value(named[1]) + 1, named[1]) if named else None


def is_first_part(name: str) -> bool:
    """Whether a name is that of the first of several parts.

    >>> [is_first_part(name) for name in ("a.zip.001", "a.tar.aa", "a.zip.002", "a.zip")]
    [True, True, False, False]
    """
    named = _named(name)
    return named is not None and _value(named[1]) <= (1 if named[1].isdigit() else 0)


def title(paths: Sequence[Path]) -> str:
    """Name an archive in messages: its file, or its first and last part and how many there are."""
    if len(paths) == 1:
        return paths[0].name
    return f"{paths[0].name} … {paths[-1].name} ({len(paths)} parts)"


def _named(name: str) -> tuple[str, str] | None:
    """Split a part's name into what all parts share, and its number."""
    found = None if _WHOLE.fullmatch(name) else _PART.fullmatch(name)
    if found is None or found["number"].lower() in _COMPRESSED:
        return None
    return found["stem"], found["number"]


def _alike(one: str, other: str) -> bool:
    return one.isdigit() == other.isdigit() and (one.isdigit() or len(one) == len(other))


def _value(number: str) -> int:
    if number.isdigit():
        return int(number)
    value = 0
    for letter in number.lower():
        value = value * 26 + ord(letter) - ord("a")
    return value


def _spelt(value: int, like: str) -> str:
    if like.isdigit():
        return f"{value:0{len(like)}}"
    letters = ""
    for _ in like:
        value, rest = divmod(value, 26)
        letters = chr(ord("a") + rest) + letters
    return letters if like.islower() else letters.upper()


def _last_of(part: Path, stem: str) -> Path:
    for suffix in (".zip", ".ZIP"):
        if (last := part.with_name(stem + suffix)).is_file():
            return last
    raise ArchiveError(f"{stem}.zip, the last part of what {part} begins, is not beside it.")


def _spanned(last: Path) -> list[Path]:
    """List the parts of a zip that `zip -s` split; one file where it is whole."""
    with last.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LONGEST_END - 20))
        tail = file.read()
    end = tail.rfind(b"PK\5\6")
    disk = int.from_bytes(tail[end + 4 : end + 6], "little") if end >= 0 else 0
    if disk == 0xFFFF:  # the number is in the locator of Zip64's end, as a count
        locator = tail[max(0, end - 20) : end]
        disk = int.from_bytes(locator[16:20], "little") - 1 if locator[:4] == b"PK\6\7" else 0
    if not 0 < disk <= _MOST_PARTS:
        return [last]
    beside = {path.name.lower(): path for path in last.parent.iterdir()}
    names = [f"{last.stem}.z{number:02d}" for number in range(1, disk + 1)]
    missing = [name for name in names if name.lower() not in beside]
    if len(missing) == len(names):
        raise ArchiveError(
            f"{last} is the last of {disk + 1:,} parts, and no other is beside it. Put "
            f"{names[0]}{' …' if disk > 1 else ''} there; or, where they were joined by hand, join "
            "them anew: zip -s 0 IN.zip --out OUT.zip"
        )
    if missing:
        _refuse(last, missing)
    return [*(beside[name.lower()] for name in names), last]


def _refuse(path: Path, missing: Iterable[str]) -> None:
    names = list(missing)
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    raise ArchiveError(
        f"{path} is one of several parts, and {', '.join(names[:5])}{more} "
        f"{'is' if len(names) == 1 else 'are'} not beside it. Put all parts into one folder."
    )
