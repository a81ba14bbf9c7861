"""Single images of a dataset, taken out of an archive by name and put where they belong.

Only images whose SHA-256 is that of the manifest are taken: neither an archive's layout nor its
word for what it is matters, and an image of another edition never gets in.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from vgbench.datasets.guarding import Guard, Limits
from vgbench.datasets.names import file_name
from vgbench.datasets.parts import Joined, parts_of
from vgbench.datasets.patience import TransferError
from vgbench.datasets.ranged import RemoteFile
from vgbench.datasets.tars import is_tar, open_tar, read_tar_member, tar_members
from vgbench.datasets.zips import DamagedZipError, ZipMember, is_zip, read_directory, read_member
from vgbench.durable import TEMPORARY_PREFIX, atomic_write
from vgbench.errors import ArchiveError

_GAP = 64 * 1024
"""Bytes between two members that are fetched for nothing rather than by one request more."""
_MOST = 4 * 2**20
"""Bytes fetched by one request, where that is more than one member."""
_BEFORE_DATA = 30 + 64  # of a member: its header, and what `read_member` reads beyond the name


class Target(NamedTuple):
    """An image that is needed: its split and canonical path, its file, and what it must be."""

    path: str
    file: Path
    length: int
    mtime_ns: int
    sha256: bytes


@dataclass
class Needed:
    """Images that are needed, until they are found.

    Attributes
    ----------
    advance
        Called with 1 for each that is put in its place.
    repaired
        How many were.
    """

    targets: Iterable[Target]
    advance: Callable[[int], None] = lambda count: None
    repaired: int = 0
    _by_name: dict[str, list[Target]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Index them, and remove what a killed process left beside them."""
        for target in self.targets:
            self._by_name.setdefault(file_name(target.path), []).append(target)
        for folder in {target.file.parent for target in self.left}:
            for orphan in folder.glob(f"{TEMPORARY_PREFIX}*"):
                with contextlib.suppress(OSError):
                    orphan.unlink()

    @property
    def left(self) -> list[Target]:
        """Those that were not found."""
        return [target for targets in self._by_name.values() for target in targets]

    def wants(self, path: str, length: int) -> bool:
        """Whether an archive's member may be one of them, by the name of its file and its size."""
        return any(length == target.length for target in self._by_name.get(file_name(path), ()))

    def take(self, path: str, data: bytes) -> None:
        """Put a member in the place of each image that it is."""
        name, digest = file_name(path), hashlib.sha256(data).digest()
        for target in list(self._by_name.get(name, ())):
            if target.sha256 == digest:
                _write(target, data)
                self._by_name[name].remove(target)
                self.repaired += 1
                self.advance(1)


def take_from_archive(needed: Needed, archive: Path, limits: Limits | None = None) -> None:
    """Take what is needed out of a zip or tar archive that is here.

    Raises
    ------
    TransferError
        When the archive is damaged, or is one that nobody should unpack; what was found stays.
    """
    limits = limits or Limits()
    with _explained(), Joined(parts_of(archive)) as file:
        if is_tar(file):
            _take_from_tar(needed, file, limits)
        elif is_zip(file):
            for member in _wanted(needed, file, limits):
                needed.take(member.name, read_member(file, member, limits.image_bytes))
        else:
            raise TransferError("it is neither a zip nor a tar archive")


def take_from_remote(needed: Needed, file: RemoteFile, limits: Limits | None = None) -> None:
    """Fetch what is needed out of a zip on a server, and little else.

    Raises
    ------
    TransferError
        When that is no zip, is damaged, or cannot be fetched; what was found stays.
    """
    limits = limits or Limits()
    with _explained():
        if file.read_at(0, 4) not in (b"PK\3\4", b"PK\5\6") or not is_zip(file):
            raise TransferError("it is no zip archive, of which parts could be read")
        for group in _groups(_wanted(needed, file, limits)):
            start, end = group[0].at, max(_end(member) for member in group)
            file.prefetch(start, end - start)
            for member in group:
                needed.take(member.name, read_member(file, member, limits.image_bytes))


def _wanted(needed: Needed, file: Joined, limits: Limits) -> list[ZipMember]:
    """List the members that may be needed; refuses an archive that could not be imported."""
    guard = Guard(file.size, limits)
    return [
        member
        for member in read_directory(file, limits.members)
        if guard.check(member.name, member.is_folder, member.length)
        and not member.is_encrypted
        and needed.wants(member.name, member.length)
    ]


def _take_from_tar(needed: Needed, file: Joined, limits: Limits) -> None:
    file.seek(0)
    guard = Guard(file.size, limits)
    with open_tar(io.BufferedReader(file, 1 << 20)) as archive:
        for info in tar_members(archive, padding=limits.small):
            path = guard.check(info.name, info.isdir(), info.size)
            if path and needed.wants(path, info.size):
                needed.take(path, read_tar_member(archive, info))
            if not needed.left:
                return


def _groups(members: Iterable[ZipMember]) -> Iterator[list[ZipMember]]:
    """Put members that lie close together into one request."""
    group: list[ZipMember] = []
    for member in members:
        if group and (member.at - _end(group[-1]) > _GAP or _end(member) - group[0].at > _MOST):
            yield group
            group = []
        group.append(member)
    if group:
        yield group


def _end(member: ZipMember) -> int:
    return member.at + _BEFORE_DATA + len(member.raw) + member.packed


def _write(target: Target, data: bytes) -> None:
    """Write an image durably, with the time of change that the manifest knows."""
    with atomic_write(target.file) as file:
        file.write(data)
        file.flush()
        if os.utime in os.supports_fd:  # else verification reads it once more
            os.utime(file.fileno(), ns=(target.mtime_ns, target.mtime_ns))


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn all that a damaged or hostile archive raises into the reason why it gave nothing."""
    try:
        yield
    except (ArchiveError, NotImplementedError) as error:
        raise TransferError(str(error).rstrip(".")) from error
    except (
        DamagedZipError,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        UnicodeError,
        OSError,
    ) as error:
        raise TransferError(f"it is damaged or cannot be read ({error})") from error
