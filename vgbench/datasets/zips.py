"""The members of a zip file: its directory read as a whole, each member read on its own.

Unlike the standard library's reader this one reads members from several threads at once, and zips
in several parts. The layout is PKWARE's APPNOTE 6.3, sections 4.3 and 4.5.3.
"""

from __future__ import annotations

import bz2
import struct
import zlib
from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

from vgbench.datasets.parts import Joined
from vgbench.errors import ArchiveError

STORED, DEFLATED, BZIP2 = 0, 8, 12

_LONGEST_END = 22 + (1 << 16)  # with the longest comment
_LISTING = 400  # bytes that a member takes in the directory, with a long name
_ENTRY = struct.Struct("<4sBBHHHIIIIHHHHHII")
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_NAMES_DIFFER = "a name in its directory and before the member differ"


class DamagedZipError(Exception):
    """A zip that is not as zips are; the message says how."""


class ZipMember(NamedTuple):
    """A member as the directory lists it.

    `at` is where its own header begins, `mode` what Unix says of it (0 where made elsewhere),
    `packed` and `length` its bytes in the archive and unpacked, `raw` its name's bytes.
    """

    name: str
    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    length: int
    at: int
    mode: int

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.raw.endswith(b"/")

    @property
    def is_encrypted(self) -> bool:
        """Whether a password is needed."""
        return bool(self.flags & 1)


def read_directory(file: Joined, most: int) -> list[ZipMember]:
    """List a zip's members, in the order in which they lie.

    Parameters
    ----------
    most
        Members allowed; a directory of more is refused before it is read.

    Raises
    ------
    ArchiveError
        When there is too much in it, or members share bytes.
    DamagedZipError
        When it is not as zips are, or there is anything behind its end.
    """
    tail_at = max(0, file.size - _LONGEST_END - 76)
    tail = file.read_at(tail_at, file.size - tail_at)
    end = _end(tail)
    if end < 0:
        raise DamagedZipError("its end is missing, or there is something behind it")
    disk, listing_disk, _, count, listing, offset = struct.unpack_from("<HHHHII", tail, end + 4)
    end_at = tail_at + end
    wraps = 1 << 16  # some programs write more members than fit into the count, which begins anew
    if tail[max(0, end - 20) : end].startswith(b"PK\6\7"):  # Zip64: the true numbers are elsewhere
        disk_of_record, where, disks = struct.unpack_from("<IQI", tail, end - 16)
        disk = max(0, disks - 1)
        end_at = tail_at + end - 76
        record = file.read_at(max(0, end_at), 56)
        if not record.startswith(b"PK\6\6") and disk_of_record < len(file.starts):
            end_at = file.starts[disk_of_record] + where
            record = file.read_at(end_at, 56)
        if len(record) < 56 or not record.startswith(b"PK\6\6"):
            raise DamagedZipError("its Zip64 end is missing")
        listing_disk, _, count, listing, offset = struct.unpack_from("<IQQQQ", record, 20)
        wraps = 0
    if count > most:
        raise ArchiveError(f"it has {count:,} members, more than {most:,}")
    if listing > max(most, 1000) * _LISTING:
        raise ArchiveError(f"its table of members has {listing:,} bytes")
    if disk + 1 != len(file.starts) or listing_disk > disk:
        if len(file.starts) == 1:
            raise ArchiveError("it is one of several parts: join them first, zip -s 0 IN --out OUT")
        if disk:
            raise ArchiveError(f"it has {disk + 1:,} parts, and {len(file.starts):,} are here")
    if disk:
        starts, listing_at = file.starts, file.starts[listing_disk] + offset
    else:  # an archive behind something else, as those that unpack themselves, counts from there
        listing_at = end_at - listing
        starts = [listing_at - offset]
    if listing_at < 0 or starts[0] < 0 or listing_at + listing > end_at:
        raise DamagedZipError("its directory is not where it should be")
    found: list[ZipMember] = []
    for member in _entries(file.read_at(listing_at, listing), starts):
        found.append(member)
        if len(found) > most:
            raise ArchiveError(f"it has more than {most:,} members")
    if len(found) != count and not (wraps and len(found) % wraps == count % wraps):
        raise DamagedZipError(f"its directory has {len(found):,} members, and says {count:,}")
    found.sort(key=attrgetter("at"))
    _refuse_overlaps(found, listing_at)
    return found


def read_member(file: Joined, member: ZipMember, most: int) -> bytes:
    """Read and unpack one member, of `most` bytes or fewer; may be called from any thread.

    Raises
    ------
    DamagedZipError
        When it is not what the directory says.
    ArchiveError
        When it is longer than it says.
    NotImplementedError
        When it is packed in a way other than stored, deflate or bzip2.
    """
    if member.length > most or member.packed > member.length + member.length // 50 + 4096:
        raise DamagedZipError(f"{member.name!r} is not as long as it says")
    guess = len(member.raw) + 64  # what stands before the data; more if it is longer
    block = file.read_at(member.at, _LOCAL.size + guess + member.packed)
    if len(block) < _LOCAL.size:
        raise DamagedZipError("a member begins behind its end")
    signature, _, flags, method, *_, name_length, extra = _LOCAL.unpack_from(block)
    first = _LOCAL.size + name_length + extra
    if signature != b"PK\3\4":
        raise DamagedZipError(f"{member.name!r} does not begin where it should")
    if block[_LOCAL.size : _LOCAL.size + name_length] != member.raw:
        raise DamagedZipError(_NAMES_DIFFER)
    if flags & 1 or method != member.method:
        raise DamagedZipError(f"{member.name!r} is packed in another way than its directory says")
    if name_length + extra > guess:
        data = file.read_at(member.at + first, member.packed)
    else:
        data = block[first : first + member.packed]
    if len(data) < member.packed:
        raise DamagedZipError(f"{member.name!r} is cut short")
    unpacked = _unpack(data, member)
    if zlib.crc32(unpacked) != member.crc:
        raise DamagedZipError(f"bad CRC-32 for {member.name!r}")
    return unpacked


def _unpack(data: bytes, member: ZipMember) -> bytes:
    if member.method == STORED:
        unpacked, done = data, True
    elif member.method == DEFLATED:
        inflate = zlib.decompressobj(-15)
        unpacked = inflate.decompress(data, member.length + 1)
        done = inflate.eof
    elif member.method == BZIP2:
        expand = bz2.BZ2Decompressor()
        unpacked = expand.decompress(data, member.length + 1)
        done = expand.eof
    else:
        raise NotImplementedError(
            f"{member.name!r} is packed by method {member.method}, which is not read here; unpack "
            "it with the program that made it and import the folder"
        )
    if len(unpacked) != member.length:
        raise ArchiveError(f"{member.name!r} is not as long as it says")
    if not done and member.length:
        raise DamagedZipError(f"{member.name!r} is cut short")
    return unpacked


def is_zip(file: Joined) -> bool:
    """Whether a file ends as zips do, whatever may follow."""
    at = max(0, file.size - _LONGEST_END)
    return b"PK\5\6" in file.read_at(at, file.size - at)


def _end(tail: bytes) -> int:
    """Find the end of the directory: the one whose comment reaches to the end of the file."""
    at = len(tail)
    while (at := tail.rfind(b"PK\5\6", 0, at)) >= 0:
        if at + 22 + int.from_bytes(tail[at + 20 : at + 22], "little") == len(tail):
            return at
    return -1


def _entries(listing: bytes, starts: list[int]) -> Iterable[ZipMember]:
    at = 0
    while at < len(listing):
        if at + _ENTRY.size > len(listing):
            raise DamagedZipError("its directory is cut short")
        (signature, _, system, _, flags, method, _, crc, packed, length, name_length, extra_length,
         comment, disk, _, attributes, offset) = _ENTRY.unpack_from(listing, at)  # fmt: skip
        if signature != b"PK\1\2":
            raise DamagedZipError("its directory is damaged")
        at += _ENTRY.size
        raw = listing[at : at + name_length]
        at += name_length
        if extra_length and (0xFFFFFFFF in (packed, length, offset) or disk == 0xFFFF):
            packed, length, offset, disk = _wide(
                listing[at : at + extra_length], packed, length, offset, disk
            )
        at += extra_length + comment
        if disk >= len(starts):
            raise DamagedZipError(f"a member is said to begin in part {disk + 1:,}")
        name = raw.decode("utf-8" if flags & 0x800 else "cp437")
        mode = attributes >> 16 if system == 3 else 0  # 3 is Unix
        yield ZipMember(name, raw, flags, method, crc, packed, length, starts[disk] + offset, mode)


def _wide(
    extra: bytes, packed: int, length: int, offset: int, disk: int
) -> tuple[int, int, int, int]:
    """Take from Zip64's extra field those numbers that did not fit into their places."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        block = extra[at + 4 : at + 4 + size]
        at += 4 + size
        if kind != 1:
            continue
        values = [length, packed, offset, disk]
        inside = 0
        for index, (unknown, code) in enumerate(
            ((0xFFFFFFFF, "<Q"), (0xFFFFFFFF, "<Q"), (0xFFFFFFFF, "<Q"), (0xFFFF, "<I"))
        ):
            if values[index] == unknown:
                if inside + struct.calcsize(code) > len(block):
                    raise DamagedZipError("its Zip64 numbers are cut short")
                (values[index],) = struct.unpack_from(code, block, inside)
                inside += struct.calcsize(code)
        return values[1], values[0], values[2], values[3]
    return packed, length, offset, disk


def _refuse_overlaps(members: list[ZipMember], listing_at: int) -> None:
    """Members that share bytes unpack to far more than there is: that is how bombs are made."""
    ends = [member.at for member in members[1:]] + [listing_at]
    for member, end in zip(members, ends, strict=True):
        if member.at + _LOCAL.size + len(member.raw) + member.packed > end:
            raise ArchiveError("its members overlap, as those of a decompression bomb do")
