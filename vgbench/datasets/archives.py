"""Unpacking the images of a zip or tar archive that nobody vouches for.

Only plain image files are written, below one fresh folder, after their names were checked; anything
else that is harmless is left out, and anything that is not ends the unpacking.
"""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from vgbench.datasets.headers import MAX_BYTES, BrokenImageError
from vgbench.datasets.layout import is_hidden, is_image
from vgbench.datasets.scanning import Broken, Examined, examine
from vgbench.errors import ArchiveError, VgbenchError
from vgbench.progress import progress

_MEGABYTE = 10**6
_LONGEST_END = 22 + (1 << 16) + 20  # the end of a zip with the longest comment, and Zip64's pointer
_LISTING = 400  # bytes that a member takes in a zip's table, with a long name
_LONGEST_NAMING = 1 << 20  # bytes of names and other facts that go before a member
_NAMING = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most.

    Attributes
    ----------
    members
        Files and folders.
    bytes
        Unpacked size of all images together; `image_bytes` of each.
    ratio
        Unpacked bytes per byte of archive: photographs hardly compress, bombs do. Archives that
        unpack to less than `small` bytes are not held to it.
    """

    members: int = 900_000
    bytes: int = 2**40
    image_bytes: int = MAX_BYTES
    ratio: float = 20.0
    small: int = 64 * 2**20


class _Member(NamedTuple):
    """A member as it comes: `read` gives its bytes; `packed` is how much of the archive is done."""

    name: str
    is_folder: bool
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
        zip, or tar in any compression that tarfile reads.
    folder
        Exists and is empty.

    Returns
    -------
    dict, list
        What is known of each image, by its path in the archive; and the images that are broken.

    Raises
    ------
    ArchiveError
        When the file is no archive, is damaged, or holds what it should not: absolute paths, "..",
        links, devices, encrypted members, names that clash, or more than the limits allow.
    VgbenchError
        When the disk is too small.
    """
    archive = Path(archive)
    limits = limits or Limits()
    try:
        with archive.open("rb") as file:
            total = os.fstat(file.fileno()).st_size
            members = _members(archive, file, folder, limits)
            with progress(f"Unpacking {archive.name}", total // _MEGABYTE, "MB") as advance:
                return _write(members, _Guard(archive.name, total, limits), folder, advance)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,  # a compression that this Python cannot undo
        UnicodeError,
    ) as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        if error.errno is not None:  # the disk's
            raise
        raise _damaged(archive, error) from error  # gzip and bzip2 say so of damaged data


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or tar archive, by its content."""
    try:
        if zipfile.is_zipfile(path):
            return True
        with tarfile.open(path, tarinfo=_Header):
            return True
    except _LongHeaderError:
        return True
    except (OSError, tarfile.TarError):
        return False


def _damaged(archive: Path, error: Exception) -> ArchiveError:
    return ArchiveError(f"{archive} is damaged or incomplete: {error}. Get it again.")


class _LongHeaderError(tarfile.TarError):
    """A header of a tar archive that nobody's tool would write."""


class _Header(tarfile.TarInfo):
    """A member's header; long names, which are read at once, are held to a length."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo | None:
        if self.type in _NAMING and self.size > _LONGEST_NAMING:
            raise _LongHeaderError(f"a header has {self.size:,} bytes")
        found: tarfile.TarInfo | None = super()._proc_member(archive)  # type: ignore[misc]
        return found


def _members(archive: Path, file: IO[bytes], folder: Path, limits: Limits) -> Iterator[_Member]:
    if zipfile.is_zipfile(file):
        file.seek(0)
        return _zip_members(file, folder, limits)
    file.seek(0)
    try:
        # Closed with its file.
        tar = tarfile.open(fileobj=file, mode="r:*", tarinfo=_Header)  # noqa: SIM115
    except tarfile.ReadError as error:
        raise ArchiveError(
            f"{archive} is neither a zip nor a tar archive (or is cut short): {error}"
        ) from error
    return _tar_members(tar, file, limits)


def _zip_members(file: IO[bytes], folder: Path, limits: Limits) -> Iterator[_Member]:
    _check_end(file, limits)
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        if len(infos) > limits.members:
            raise ArchiveError(f"it has {len(infos):,} members, more than {limits.members:,}")
        total = os.fstat(file.fileno()).st_size
        if sum(info.compress_size for info in infos) > total:
            raise ArchiveError("its members overlap, as those of a decompression bomb do")
        needed = sum(info.file_size for info in infos if is_image(info.filename.rpartition("/")[2]))
        if needed <= limits.bytes:
            check_space(folder, needed)
        packed = 0
        for info in infos:
            mode = info.external_attr >> 16
            kind = stat.S_IFMT(mode)
            # Archives made on systems without such modes have 0 there.
            if info.create_system == 3 and kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ArchiveError(f"{info.filename!r} is a link or a device")
            if info.flag_bits & 0x1:
                raise ArchiveError(f"{info.filename!r} is encrypted")
            if info.orig_filename != info.filename and "\0" in info.orig_filename:
                raise ArchiveError(f"{info.orig_filename!r} is not a usable name")
            packed += info.compress_size

            def read(info: zipfile.ZipInfo = info) -> bytes:
                with archive.open(info) as member:
                    return member.read(limits.image_bytes + 1)

            name = info.orig_filename if os.sep == "\\" else info.filename
            yield _Member(name, info.is_dir(), info.file_size, read, packed)


def _check_end(file: IO[bytes], limits: Limits) -> None:
    """Refuse a zip with anything behind its end, or more members than are read into memory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LONGEST_END))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + 22 + int.from_bytes(tail[at + 20 : at + 22], "little") != len(tail):
        raise ArchiveError("its end is missing, or there is something behind it")
    disk, count = (int.from_bytes(tail[at + i : at + i + 2], "little") for i in (4, 10))
    listing = int.from_bytes(tail[at + 12 : at + 16], "little")
    if disk not in (0, 0xFFFF):
        raise ArchiveError("it is one of several parts: join them first, zip -s 0 IN --out OUT")
    if tail[max(0, at - 20) : at].startswith(b"PK\6\7"):  # Zip64: the true numbers are elsewhere
        where = int.from_bytes(tail[at - 12 : at - 4], "little")
        file.seek(min(where, size))
        record = file.read(56)
        file.seek(0)
        count = int.from_bytes(record[32:40], "little")
        listing = int.from_bytes(record[40:48], "little")
    if count > limits.members:
        raise ArchiveError(f"it has {count:,} members, more than {limits.members:,}")
    if listing > max(limits.members, 1000) * _LISTING:
        raise ArchiveError(f"its table of members has {listing:,} bytes")


def _tar_members(tar: tarfile.TarFile, file: IO[bytes], limits: Limits) -> Iterator[_Member]:
    with tar:
        for info in tar:
            if not (info.isreg() or info.isdir()) or info.issparse():
                raise ArchiveError(f"{info.name!r} is a link, a device or a sparse file")

            def read(info: tarfile.TarInfo = info) -> bytes:
                member = tar.extractfile(info)
                data = b"" if member is None else member.read()
                if len(data) != info.size:
                    raise ArchiveError(f"{info.name!r} is cut short")
                return data

            yield _Member(info.name, info.isdir(), info.size, read, file.tell())
            tar.members = []  # type: ignore[attr-defined]  # else it keeps all of them
        rest = 0  # beyond the last member, padding and the checksum, told when the end is reached
        while tar.fileobj is not None and (part := tar.fileobj.read(_MEGABYTE)):
            rest += len(part)
            if part.strip(b"\0"):
                raise ArchiveError("there is something behind its end, or a header is damaged")
            if rest > limits.small:
                raise ArchiveError("there is more behind its end than padding")


class _Guard:
    """Refuses members whose names or sizes are not safe, one after the other."""

    def __init__(self, archive: str, size: int, limits: Limits) -> None:
        self.archive, self.size, self.limits = archive, size, limits
        self.members = self.bytes = 0
        self.files: set[str] = set()
        self.folders: set[str] = set()
        self.spelling: dict[str, str] = {}

    def check(self, member: _Member) -> str | None:
        """Give the path to write, or None for what is left out."""
        self.members += 1
        if self.members > self.limits.members:
            raise ArchiveError(f"it has more than {self.limits.members:,} members")
        name = member.name[2:] if member.name.startswith("./") else member.name
        name = name.rstrip("/") if member.is_folder else name
        if member.is_folder and name in ("", "."):
            return None
        parts = name.split("/")
        drive = len(parts[0]) > 1 and parts[0][1] == ":"
        if name.startswith("/") or drive or "\\" in name or ".." in parts:
            raise ArchiveError(f"{member.name!r} would be written outside the dataset's folder")
        if "" in parts or "." in parts or any(unicodedata.category(c) == "Cc" for c in name):
            raise ArchiveError(f"{member.name!r} is not a usable name")
        self._remember(name, member)
        if member.is_folder or any(is_hidden(part) for part in parts) or not is_image(parts[-1]):
            return None
        self._weigh(member)
        return name

    def _remember(self, name: str, member: _Member) -> None:
        """Refuse a name twice, also where only case or accents' encoding make the difference."""
        above = name
        while above := above.rpartition("/")[0]:
            if self._plain(above) in self.files:
                raise ArchiveError(f"{above!r} is a file and a folder")
            if self._spelled(above, member) in self.folders:
                break  # and so are all those above it
            self.folders.add(self._plain(above))
        plain = self._spelled(name, member)
        if plain in self.files or (plain in self.folders and not member.is_folder):
            raise ArchiveError(f"{member.name!r} is there twice")
        (self.folders if member.is_folder else self.files).add(plain)

    def _spelled(self, name: str, member: _Member) -> str:
        plain = self._plain(name)
        if plain in self.files or plain in self.folders:
            other = self.spelling.get(plain, plain)
            if other != name:
                raise ArchiveError(
                    f"{name!r} and {other!r} (at {member.name!r}) differ only in spelling: one "
                    "would overwrite the other on many systems"
                )
        elif plain != name:  # most names are plain already: not kept twice
            self.spelling[plain] = name
        return plain

    @staticmethod
    def _plain(name: str) -> str:
        return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()

    def _weigh(self, member: _Member) -> None:
        if member.length > self.limits.image_bytes:
            raise ArchiveError(
                f"{member.name!r} has {member.length:,} bytes, more than the "
                f"{self.limits.image_bytes:,} allowed for an image"
            )
        self.bytes += member.length
        if self.bytes > self.limits.bytes:
            raise ArchiveError(f"it unpacks to more than {self.limits.bytes:,} bytes")
        if self.bytes > max(self.limits.small, self.limits.ratio * self.size):
            raise ArchiveError(
                f"it unpacks to more than {self.limits.ratio:g} times its own size, as a "
                "decompression bomb does"
            )


def _write(
    members: Iterator[_Member], guard: _Guard, folder: Path, advance: Callable[[int], None]
) -> tuple[dict[str, Examined], list[Broken]]:
    """Write what the guard lets through; creating files takes the time, so threads gain nothing."""
    examined: dict[str, Examined] = {}
    broken: list[Broken] = []
    made: set[str] = set()
    shown = 0
    try:
        for member in members:
            path = guard.check(member)
            if path is not None:
                data = member.read()
                if len(data) != member.length:
                    raise ArchiveError(f"{member.name!r} is not as long as it says")
                parent = path.rpartition("/")[0]
                if parent not in made:
                    (folder / parent).mkdir(parents=True, exist_ok=True)
                    made.add(parent)
                result = write_image(folder, path, data)
                if isinstance(result, Broken):
                    broken.append(result)
                else:
                    examined[path] = result
            if member.packed // _MEGABYTE > shown:
                advance(member.packed // _MEGABYTE - shown)
                shown = member.packed // _MEGABYTE
    except ArchiveError as error:
        raise ArchiveError(
            f"{guard.archive} was not unpacked: {error}. Nothing was kept of it."
        ) from None
    return examined, broken


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
    with open(target, "xb") as file:  # noqa: PTH123
        file.write(data)
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
