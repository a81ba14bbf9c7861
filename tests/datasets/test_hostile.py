"""Archives that mean harm, or came to harm, through the import that users run."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vgbench.datasets import download_dataset, import_dataset, load_dataset
from vgbench.errors import ArchiveError

Members = list[tuple[Any, bytes]]


def name_of(index: int, role: str = "database") -> str:
    return f"town/test/{role}/@{550_000 + index}.00@4180000.00@10@S@@@@@@@@@@@.jpg"


@pytest.fixture
def good(make_jpeg: Callable[..., bytes]) -> Members:
    """What every archive below begins with: a whole dataset."""
    names = [*(name_of(index) for index in range(4)), name_of(0, "queries"), name_of(1, "queries")]
    return [(name, make_jpeg(seed)) for seed, name in enumerate(names)]


def zipped(members: Members) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def tarred(members: Members, compression: str = "gz") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{compression}") as archive:
        for name, data in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def special(kind: bytes, name: str = name_of(9), target: str = "/etc/passwd") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.devmajor, info.devminor = kind, target, 1, 5
    return info


def zip_link(target: bytes) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name_of(9))
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info, target


def bare(name: str) -> zipfile.ZipInfo:
    """A member's name as it is: ZipInfo would tidy it."""
    info = zipfile.ZipInfo("x")
    info.filename = name
    return info


def zeros_zip(good: Members) -> bytes:
    """Ten gigabytes of zeros, in images of a size that is allowed each."""
    file = io.BytesIO(zipped(good))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        first = 10
        archive.writestr(name_of(first), bytes(60 * 2**20))
        info = archive.getinfo(name_of(first))
    whole = file.getvalue()
    # The same packed bytes again and again, under other names: quick to make.
    start = info.header_offset
    packed = whole[start + 30 + len(info.filename) :][: info.compress_size]
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        listed = [(i.filename, i.CRC, i.compress_size, i.file_size, i.header_offset)
                  for i in archive.infolist()]  # fmt: skip
        body = bytearray(whole[: archive.start_dir])
    for index in range(first + 1, first + 180):
        listed.append((name_of(index), info.CRC, info.compress_size, info.file_size, len(body)))
        body += struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 33, info.CRC, info.compress_size,
                            info.file_size, len(name_of(index)), 0)  # fmt: skip
        body += name_of(index).encode() + packed
    assert sum(entry[3] for entry in listed) > 10 * 10**9
    return bytes(body) + directory(listed, len(body))


def directory(listed: list[tuple[str, int, int, int, int]], at: int, count: int | None = None
              ) -> bytes:  # fmt: skip
    """A zip's directory and its end, by APPNOTE 4.3.12 and 4.3.16."""
    listing = b"".join(
        struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 8 if size else 0, 0, 33, crc, packed, size,
                    len(name), 0, 0, 0, 0, 0, offset) + name.encode()
        for name, crc, packed, size, offset in listed
    )  # fmt: skip
    count = len(listed) if count is None else count
    zip64 = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(listing), at)
    pointer = struct.pack("<4sIQI", b"PK\6\7", 0, at + len(listing), 1)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    return listing + zip64 + pointer + end


def million(good: Members, count: int | None = None) -> bytes:
    """A zip of a million empty members, each with its own name and header."""
    body, listed = bytearray(), []
    for index in range(1_000_000):
        name = f"{index:07}.jpg"
        listed.append((name, 0, 0, 0, len(body)))
        body += struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0)
        body += name.encode()
    return bytes(body) + directory(listed, len(body), count)


def zeros_tar(good: Members) -> bytes:
    """Ten gigabytes of zeros in ten megabytes, as a file that is no image."""
    zeros = tarfile.TarInfo("zeros.bin")
    zeros.size = 10 * 2**30
    head = tarred(good, "")[:-10240].rstrip(b"\0")
    head += bytes(-len(head) % 512)
    megabytes = gzip.compress(bytes(10 * 2**20), compresslevel=9)
    return gzip.compress(head + zeros.tobuf(tarfile.GNU_FORMAT)) + megabytes * 1024


def encrypted(good: Members) -> bytes:
    """A zip in which one member's password bit is set, in both its headers."""
    data = bytearray(zipped(good))
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.rindex(signature) + at] |= 1
    return bytes(data)


JPEG = b"\xff\xd8\xff\xe0"
HOSTILE: dict[str, tuple[Callable[[Members], bytes], str]] = {
    "absolute path, zip": (lambda good: zipped([*good, (bare("/tmp/@1@2@.jpg"), JPEG)]), "outside"),
    "absolute path, tar": (lambda good: tarred([*good, ("/tmp/@1@2@.jpg", JPEG)]), "outside"),
    "drive letter": (lambda good: zipped([*good, (bare("C:\\@1@2@.jpg"), JPEG)]), "outside"),
    "parent, zip": (lambda good: zipped([*good, ("a/../../../@1@2@.jpg", JPEG)]), "outside"),
    "parent, tar": (lambda good: tarred([*good, ("../../@1@2@.jpg", JPEG)]), "outside"),
    "symlink, zip": (lambda good: zipped([*good, zip_link(b"/etc/passwd")]), "is a link"),
    "symlink, tar": (lambda good: tarred([*good, (special(tarfile.SYMTYPE), b"")]), "is a link"),
    "folder link": (
        lambda good: tarred([(special(tarfile.SYMTYPE, "town", "/tmp"), b""), *good]),
        "is a link",
    ),
    "hard link": (lambda good: tarred([*good, (special(tarfile.LNKTYPE), b"")]), "is a link"),
    "device": (lambda good: tarred([*good, (special(tarfile.CHRTYPE), b"")]), "a device"),
    "disk": (lambda good: tarred([*good, (special(tarfile.BLKTYPE), b"")]), "a device"),
    "pipe": (lambda good: tarred([*good, (special(tarfile.FIFOTYPE), b"")]), "a device|a pipe"),
    "duplicate names, zip": (lambda good: zipped([*good, good[0]]), "is there twice"),
    "duplicate names, tar": (lambda good: tarred([*good, good[0]]), "is there twice"),
    "case, zip": (lambda good: zipped([*good, (good[0][0].upper(), JPEG)]), "only in spelling"),
    "case, tar": (lambda good: tarred([*good, (good[0][0].upper(), JPEG)]), "only in spelling"),
    "zeros, zip": (zeros_zip, "times its own size"),
    "zeros, tar": (zeros_tar, "unpacks to|times its own size|allowed"),
    "encrypted": (encrypted, "is encrypted"),
    "truncated zip": (lambda good: zipped(good)[:-30], "its end is missing"),
    "truncated tar": (lambda good: tarred(good, "")[: 4 * 2048], "damaged or incomplete"),
    "truncated tar.gz": (lambda good: tarred(good)[:-9], "damaged or incomplete"),
    "trailing garbage, zip": (lambda good: zipped(good) + b"garbage" * 99, "behind|its end is"),
    "trailing garbage, tar": (lambda good: tarred(good, "") + b"garbage" * 99, "behind"),
    "trailing garbage, tar.gz": (lambda good: tarred(good) + b"garbage" * 99, "behind|damaged"),
}


def everything(folder: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(folder.rglob("*")):
        if path.name != ".locks" and path.parent.name != ".locks":
            yield str(path), path.lstat().st_mtime_ns if path.is_file() else 0


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", HOSTILE)
def test_it_is_refused_with_nothing_left_behind_and_what_was_there_stays(
    tmp_path: Path, good: Members, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("VGBENCH_DATA", str(tmp_path / "data"))
    make, complaint = HOSTILE[kind]
    fine, hostile = tmp_path / "fine.zip", tmp_path / "hostile.archive"
    fine.write_bytes(zipped(good))
    hostile.write_bytes(make(good))
    import_dataset("town", fine)
    before = list(everything(tmp_path))
    tracemalloc.start()
    try:
        for name, replace in (("town", True), ("other", False)):
            with pytest.raises(ArchiveError, match=complaint) as raised:
                import_dataset(name, hostile, replace=replace)
            assert hostile.name in str(raised.value)
        assert tracemalloc.get_traced_memory()[1] < 200e6
    finally:
        tracemalloc.stop()
    assert list(everything(tmp_path)) == before
    load_dataset("town").check_unchanged()


def test_the_archive_that_all_of_them_begin_with_is_a_good_one(
    tmp_path: Path, good: Members
) -> None:
    for name, data in (("a", zipped(good)), ("b", tarred(good)), ("c", tarred(good, ""))):
        (tmp_path / f"{name}.archive").write_bytes(data)
        import_dataset(name, tmp_path / f"{name}.archive")
        assert len(load_dataset(name)) == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "complaint"), [(None, "1,000,000 members"), (10, "more than 900,000 members")]
)
def test_a_million_members_are_refused_whatever_their_number_is_said_to_be(
    tmp_path: Path, good: Members, count: int | None, complaint: str
) -> None:
    archive = tmp_path / "million.zip"
    archive.write_bytes(million(good, count))
    with pytest.raises(ArchiveError, match=complaint):
        import_dataset("town", archive)
    assert os.listdir(os.environ["VGBENCH_DATA"]) == [".locks"]


def test_the_command_says_what_is_wrong_in_one_error(tmp_path: Path, good: Members) -> None:
    archive = tmp_path / "hostile.zip"
    archive.write_bytes(zipped([*good, zip_link(b"/etc/passwd")]))
    command = [sys.executable, "-m", "vgbench", "datasets", "import", "town", str(archive)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == "" and "Traceback" not in done.stderr
    assert "hostile.zip was not unpacked" in done.stderr and "is a link" in done.stderr


def test_a_hostile_archive_that_was_downloaded_goes_too(
    tmp_path: Path, good: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    import runpy

    monkeypatch.setenv("VGBENCH_DATA", str(tmp_path / "data"))
    with runpy.run_path(str(Path(__file__).with_name("misbehaving.py")))["Server"]() as server:
        url = server.put("town.zip", zipped([*good, ("../../@1@2@.jpg", JPEG)]))
        with pytest.raises(ArchiveError, match="outside"):
            download_dataset("town", from_url=url)
    assert list(everything(tmp_path / "data")) == []
