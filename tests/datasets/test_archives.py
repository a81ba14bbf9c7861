from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from vgbench.datasets.archives import Limits, is_archive, unpack_images
from vgbench.errors import ArchiveError

Jpeg = Callable[..., bytes]
NAME = "database/@1.00@2.00@.jpg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    return tmp_path / "inner"


def zip_of(path: Path, members: dict[str, bytes], **info: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            for key, value in info.items():
                setattr(member, key, value)
            archive.writestr(member, data)
    return path


def tar_of(path: Path, members: dict[str, bytes], **info: object) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for key, value in info.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(data) if member.isreg() else None)
    return path


def refused(archive: Path, folder: Path, complaint: str, limits: Limits | None = None) -> None:
    """The archive is refused, and nothing appears outside the folder."""
    outside = sorted(p for p in folder.parent.rglob("*") if folder not in p.parents)
    with pytest.raises(ArchiveError, match=complaint) as error:
        unpack_images(archive, folder, limits)
    assert archive.name in str(error.value)
    assert sorted(p for p in folder.parent.rglob("*") if folder not in p.parents) == outside


@pytest.mark.parametrize("pack", [zip_of, tar_of])
@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("/etc/@1@2@.jpg", "outside"),
        ("../@1@2@.jpg", "outside"),
        ("a/../../@1@2@.jpg", "outside"),
        ("C:/@1@2@.jpg", "outside"),
        ("a\\..\\@1@2@.jpg", "outside"),
        ("a//@1@2@.jpg", "not a usable name"),
        ("a/./@1@2@.jpg", "not a usable name"),
        ("a/\x07@1@2@.jpg", "not a usable name"),
        ("../notes.txt", "outside"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg, pack: Callable[..., Path], name: str,
    complaint: str,
) -> None:  # fmt: skip
    archive = pack(tmp_path / "bad.archive", {NAME: make_jpeg(), name: make_jpeg()})
    refused(archive, folder, complaint)


@pytest.mark.parametrize("pack", [zip_of, tar_of])
@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        ("Database/@1.00@2.00@.jpg", "differ only in spelling"),
        ("database/@1.00@2.00@.JPG", "differ only in spelling"),
        ("database/@1.00@2.00@.jpg/x.jpg", "is a file and a folder"),
        ("database", "is there twice"),
    ],
)
def test_names_that_clash_are_refused(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg, pack: Callable[..., Path], second: str,
    complaint: str,
) -> None:  # fmt: skip
    refused(pack(tmp_path / "bad.archive", {NAME: make_jpeg(), second: b"x"}), folder, complaint)


def test_accents_written_in_two_ways_clash(tmp_path: Path, folder: Path, make_jpeg: Jpeg) -> None:
    members = {"a/\u00e9.jpg": make_jpeg(), "a/e\u0301.jpg": make_jpeg()}
    refused(zip_of(tmp_path / "bad.zip", members), folder, "differ only in spelling")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(tmp_path: Path, folder: Path, make_jpeg: Jpeg) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(NAME, make_jpeg(1))
        archive.writestr(NAME, make_jpeg(2))
    refused(tmp_path / "bad.zip", folder, "is there twice")
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        for seed in (1, 2):
            info = tarfile.TarInfo(NAME)
            info.size = len(make_jpeg(seed))
            tar.addfile(info, io.BytesIO(make_jpeg(seed)))
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    refused(tmp_path / "bad.tar", fresh, "is there twice")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_in_a_zip_are_refused(tmp_path: Path, folder: Path, kind: int) -> None:
    attributes = (kind | 0o777) << 16
    archive = zip_of(tmp_path / "bad.zip", {NAME: b"/etc/passwd"}, external_attr=attributes,
                     create_system=3)  # fmt: skip
    refused(archive, folder, "is a link or a device")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, folder: Path, kind: bytes) -> None:
    archive = tar_of(tmp_path / "bad.tar", {NAME: b""}, type=kind, linkname="/etc/passwd")
    refused(archive, folder, "is a link, a device")


def test_a_link_then_a_file_through_it_is_refused(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg
) -> None:
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        link = tarfile.TarInfo("database")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        tar.addfile(link)
        file = tarfile.TarInfo(NAME)
        file.size = len(make_jpeg())
        tar.addfile(file, io.BytesIO(make_jpeg()))
    refused(tmp_path / "bad.tar", folder, "is a link")


def test_an_encrypted_member_is_refused(tmp_path: Path, folder: Path, make_jpeg: Jpeg) -> None:
    archive = zip_of(tmp_path / "bad.zip", {NAME: make_jpeg()})
    data = bytearray(archive.read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    archive.write_bytes(data)
    refused(archive, folder, "is encrypted")


def test_a_decompression_bomb_is_refused(tmp_path: Path, folder: Path) -> None:
    members = {f"database/@{index}@2@.jpg": b"\0" * 200_000 for index in range(10)}
    limits = Limits(small=1_000_000)
    refused(zip_of(tmp_path / "bad.zip", members), folder, "times its own size", limits)
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    refused(tmp_path / "bad.tar.gz", folder, "times its own size", limits)


def test_a_member_that_lies_about_its_size_is_refused(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg
) -> None:
    archive = zip_of(tmp_path / "bad.zip", {NAME: make_jpeg()})
    data = bytearray(archive.read_bytes())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", 50)
    archive.write_bytes(data)
    refused(archive, folder, "damaged or incomplete|not as long")


def test_overlapping_members_are_refused(tmp_path: Path, folder: Path, make_jpeg: Jpeg) -> None:
    archive = zip_of(tmp_path / "bad.zip", {f"database/@{i}@2@.jpg": make_jpeg() for i in range(9)})
    data = bytearray(archive.read_bytes())
    at = -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        data[at + 42 : at + 46] = struct.pack("<I", 0)
        data[at + 20 : at + 24] = struct.pack("<I", len(data))
    archive.write_bytes(data)
    refused(archive, folder, "overlap")


@pytest.mark.parametrize("pack", [zip_of, tar_of])
@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        (Limits(members=2), "members, more than 2|more than 2 members"),
        (Limits(bytes=1000), "unpacks to more than 1,000 bytes"),
        (Limits(image_bytes=500), "more than the 500 allowed for an image"),
    ],
)
def test_limits_hold(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg, pack: Callable[..., Path], limits: Limits,
    complaint: str,
) -> None:  # fmt: skip
    members = {f"database/@{index}@2@.jpg": make_jpeg(index) for index in range(3)}
    refused(pack(tmp_path / "bad.archive", members), folder, complaint, limits)


@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_only_images_are_written_and_broken_ones_are_told(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg, pack: Callable[..., Path]
) -> None:
    members = {
        NAME: make_jpeg(), "database/cut@1@2@.jpg": make_jpeg()[:100], "a/run.py": b"import os",
        "__MACOSX/database/._@1@2@.jpg": b"x", ".DS_Store": b"x", "a/.hidden.jpg": b"x",
        "a/Thumbs.db": b"x",
    }  # fmt: skip
    examined, broken = unpack_images(pack(tmp_path / "good.archive", members), folder)
    assert [str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()] == [NAME]
    assert list(examined) == [NAME]
    assert examined[NAME].mtime_ns == (folder / NAME).stat().st_mtime_ns
    assert [image.path for image in broken] == ["database/cut@1@2@.jpg"]
    assert (folder / NAME).read_bytes() == make_jpeg()
    assert (folder / NAME).stat().st_mode & 0o111 == 0


@pytest.mark.parametrize("where", ["middle", "checksum"])
def test_damage_in_a_gzipped_tar_is_found(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg, where: str
) -> None:
    """A changed byte seldom stops decompression: only the checksum at the very end tells."""
    plain = tar_of(tmp_path / "a.tar", {NAME: make_jpeg()}).read_bytes()
    packed = bytearray(gzip.compress(plain, compresslevel=0))
    packed[len(packed) // 2 if where == "middle" else -6] ^= 1
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed)
    refused(path, folder, "damaged")


def test_damage_in_a_bzip2_member_is_the_archives_and_not_the_disks(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr(NAME, make_jpeg())
    data = bytearray(path.read_bytes())
    data[300] ^= 255
    path.write_bytes(data)
    refused(path, folder, "damaged")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_would_fill_memory_is_refused_unread(
    tmp_path: Path, folder: Path, kind: bytes
) -> None:
    header = tarfile.TarInfo("names")
    header.type, header.size = kind, 1 << 28
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(1 << 8):
            file.write(bytes(1 << 20))
    assert is_archive(path)
    tracemalloc.start()
    refused(path, folder, "header has 268,435,456 bytes")
    assert tracemalloc.get_traced_memory()[1] < 1 << 26
    tracemalloc.stop()


def test_endless_padding_behind_the_last_member_is_refused(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg
) -> None:
    path = tmp_path / "a.tar.gz"
    plain = tar_of(tmp_path / "a.tar", {NAME: make_jpeg()}).read_bytes()
    path.write_bytes(gzip.compress(plain + bytes(1 << 21), compresslevel=1))
    refused(path, folder, "behind its end", Limits(small=1 << 20))


@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_anything_behind_the_end_is_refused(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg, pack: Callable[..., Path]
) -> None:
    archive = pack(tmp_path / "bad.archive", {NAME: make_jpeg()})
    archive.write_bytes(archive.read_bytes() + b"garbage" * 100)
    refused(archive, folder, "behind")


def test_a_comment_in_a_zip_is_no_garbage(tmp_path: Path, folder: Path, make_jpeg: Jpeg) -> None:
    archive = zip_of(tmp_path / "good.zip", {NAME: make_jpeg()})
    with zipfile.ZipFile(archive, "a") as more:
        more.comment = b"made by hand; " * 99
    examined, broken = unpack_images(archive, folder)
    assert list(examined) == [NAME] and not broken


def test_a_part_of_a_zip_says_how_to_join_it(tmp_path: Path, folder: Path, make_jpeg: Jpeg) -> None:
    archive = zip_of(tmp_path / "bad.zip", {NAME: make_jpeg()})
    data = bytearray(archive.read_bytes())
    data[data.rindex(b"PK\x05\x06") + 4] = 2
    archive.write_bytes(data)
    with pytest.raises(ArchiveError, match=r"the last of 3 parts.*bad\.z01 … there.*zip -s 0"):
        unpack_images(archive, folder)


def test_a_million_members_are_refused_before_they_are_read(tmp_path: Path, folder: Path) -> None:
    empty = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    listing = (empty + b"a") * 1_000_000
    zip64 = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 10**6, 10**6, len(listing), 0)
    pointer = struct.pack("<4sIQI", b"PK\6\7", 0, len(listing), 1)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    path = tmp_path / "bad.zip"
    path.write_bytes(listing + zip64 + pointer + end)
    tracemalloc.start()
    refused(path, folder, "1,000,000 members, more than 900,000")
    assert tracemalloc.get_traced_memory()[1] < 1 << 26
    tracemalloc.stop()


def test_ten_gigabytes_of_zeros_in_ten_megabytes_are_refused(tmp_path: Path, folder: Path) -> None:
    header = tarfile.TarInfo(NAME)
    header.size = 10 * 2**30
    zeros = gzip.compress(bytes(10 * 2**20), compresslevel=9)
    path = tmp_path / "bad.tar.gz"
    with path.open("wb") as file:  # gzip files one after the other are one
        file.write(gzip.compress(header.tobuf(tarfile.GNU_FORMAT)))
        file.write(zeros * 1024)
    assert path.stat().st_size < 12 * 2**20
    refused(path, folder, "more than the .* allowed for an image")
    assert not any(p.is_file() for p in folder.rglob("*"))


def tar_bytes(make_jpeg: Jpeg, count: int = 3) -> tuple[bytes, list[int]]:
    """A tar of images, and where each begins."""
    file = io.BytesIO()
    starts = []
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for index in range(count):
            starts.append(file.tell())
            info = tarfile.TarInfo(f"database/@{index}@2@.jpg")
            info.size = len(make_jpeg(index))
            tar.addfile(info, io.BytesIO(make_jpeg(index)))
        starts.append(file.tell())
    return file.getvalue(), starts


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("extra", [0, 1, 200, 511])
@pytest.mark.parametrize("members", [1, 2, 3])
def test_a_tar_cut_between_members_is_incomplete(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg, members: int, extra: int, packed: bool
) -> None:
    """Each of the members is whole: only that no zeros end the archive tells that some miss."""
    data, starts = tar_bytes(make_jpeg)
    data = data[: starts[members] + extra]
    path = tmp_path / ("cut.tar.gz" if packed else "cut.tar")
    path.write_bytes(gzip.compress(data) if packed else data)
    refused(path, folder, "incomplete: it is cut short behind a member")


def test_a_tar_that_ends_with_one_block_of_zeros_is_whole(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg
) -> None:
    data, starts = tar_bytes(make_jpeg)
    (tmp_path / "short.tar").write_bytes(data[: starts[-1] + 512])
    assert len(unpack_images(tmp_path / "short.tar", folder)[0]) == 3


def test_a_tar_with_a_header_of_garbage_and_no_more_is_damaged(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg
) -> None:
    data, starts = tar_bytes(make_jpeg)
    (tmp_path / "bad.tar").write_bytes(data[: starts[2]] + b"x" * 512)
    refused(tmp_path / "bad.tar", folder, "something behind its end, or a header is damaged")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_a_gzipped_tar_that_is_cut_is_incomplete(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg, share: float
) -> None:
    data = gzip.compress(tar_bytes(make_jpeg, 30)[0])
    (tmp_path / "cut.tar.gz").write_bytes(data[: int(len(data) * share)])
    refused(tmp_path / "cut.tar.gz", folder, "incomplete")


@pytest.mark.parametrize("pack", [zip_of, tar_of])
@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        (Limits(members=2), "members, more than 2|more than 2 members"),
        (Limits(bytes=1000), "unpacks to more than 1,000 bytes"),
    ],
)
def test_files_that_are_left_out_count_too(
    tmp_path: Path, folder: Path, pack: Callable[..., Path], limits: Limits, complaint: str
) -> None:
    members = {f"notes/{index}.txt": b"note " * 80 for index in range(3)}
    refused(pack(tmp_path / "bad.archive", members), folder, complaint, limits)


def test_a_bomb_beside_the_images_is_refused_before_it_is_passed_over(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg
) -> None:
    path = tmp_path / "bad.tar.gz"
    header = tarfile.TarInfo("descriptors.npy")
    header.size = 10 * 2**30
    with path.open("wb") as file:
        file.write(gzip.compress(header.tobuf(tarfile.GNU_FORMAT)))
        file.write(gzip.compress(bytes(10 * 2**20), compresslevel=9) * 1024)
    refused(path, folder, "times its own size")
    path = zip_of(tmp_path / "bad.zip", {NAME: make_jpeg(), "notes.txt": bytes(1_000_000)})
    refused(path, folder, "times its own size", Limits(small=500_000))


def test_a_tar_of_too_many_members_is_refused_when_it_is_reached(
    tmp_path: Path, folder: Path
) -> None:
    path = tmp_path / "bad.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for first in range(0, 10_000, 100):
            file.write(b"".join(
                tarfile.TarInfo(f"n{first + index}").tobuf() for index in range(100)
            ))  # fmt: skip
    refused(path, folder, "more than 5,000 members", Limits(members=5_000))


@pytest.mark.parametrize("damage", ["signature", "name", "crc", "method", "listing"])
def test_a_member_that_is_not_what_the_directory_says_is_damage(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg, damage: str
) -> None:
    archive = zip_of(tmp_path / "bad.zip", {NAME: make_jpeg()})
    data = bytearray(archive.read_bytes())
    listing = data.index(b"PK\x01\x02")
    at = {"signature": 0, "name": 31, "crc": listing + 16, "method": 8, "listing": listing}[damage]
    data[at] ^= 0x40
    archive.write_bytes(data)
    refused(archive, folder, "damaged or incomplete|neither a zip nor a tar")


def test_a_packing_that_is_not_read_here_says_what_to_do(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(NAME, make_jpeg())
    with pytest.raises(ArchiveError, match="method 14.*import the folder"):
        unpack_images(path, folder)


@pytest.mark.parametrize("force64", [False, True])
@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_zips_that_are_streamed_or_behind_something_else_are_read(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg, packing: int, force64: bool
) -> None:
    class Pipe(io.BytesIO):
        """Cannot be gone back in: sizes then follow the data."""

        def seekable(self) -> bool:
            return False

        def seek(self, *arguments: object) -> int:
            raise OSError("a pipe")

    file = Pipe()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for index in range(3):
            with archive.open(f"database/@{index}@é@.jpg", "w", force_zip64=force64) as member:
                member.write(make_jpeg(index))
        archive.writestr("database/", b"")
    for name, before in (("a.zip", b""), ("b.zip", b"#!/bin/sh\nexit\n" * 10)):
        (tmp_path / name).write_bytes(before + file.getvalue())
        (folder / name).mkdir()
        examined, broken = unpack_images(tmp_path / name, folder / name)
        assert sorted(examined) == [f"database/@{index}@é@.jpg" for index in range(3)]
        assert not broken
        assert (folder / name / "database/@1@é@.jpg").read_bytes() == make_jpeg(1)


@pytest.mark.parametrize("stated", ["wrapped", "fewer"])
def test_a_zip_is_listed_to_its_end_whatever_count_it_states(
    tmp_path: Path, folder: Path, make_jpeg: Jpeg, stated: str
) -> None:
    """Some programs write more members than the count has bits for, and never heard of Zip64."""
    members = {f"{index}.txt": b"" for index in range((1 << 16) + 2)} | {NAME: make_jpeg()}
    data = zip_of(tmp_path / "a.zip", members).read_bytes()
    record = data.rindex(b"PK\6\6")
    (listing, offset) = struct.unpack_from("<QQ", data, record + 40)
    count = 3 if stated == "wrapped" else 2
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, listing, offset, 0)
    (tmp_path / "a.zip").write_bytes(data[:record] + end)
    if stated == "wrapped":
        examined, broken = unpack_images(tmp_path / "a.zip", folder)
        assert list(examined) == [NAME] and not broken
    else:
        refused(tmp_path / "a.zip", folder, "has 65,539 members, and says 2")
