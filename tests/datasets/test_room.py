from __future__ import annotations

import os
import runpy
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgbench.datasets import download_datasets
from vgbench.datasets.patience import Policy
from vgbench.datasets.room import UNPACKED, Room, most_needed
from vgbench.errors import VgbenchError

Server = runpy.run_path(str(Path(__file__).with_name("misbehaving.py")))["Server"]


@pytest.fixture
def server() -> Iterator[Any]:
    with Server() as server:
        yield server


@pytest.fixture
def free(tmp_path: Path) -> int:
    """What the disk really has; sizes below are shares of it, far from the limit either way."""
    return shutil.disk_usage(tmp_path).free


def test_what_fits_alone_is_refused_beside_another_that_comes_too(
    tmp_path: Path, free: int
) -> None:
    room = Room(tmp_path, ["a", "b"], keep=False)
    size = int(0.35 * free)
    room.claim("a", tmp_path / "a.zip", size)
    with pytest.raises(VgbenchError, match="no room for b in .* beside a, which come") as raised:
        room.claim("b", tmp_path / "b.zip", size)
    assert f"{2 * size / 1e9:.2f} GB for the archives, the rest to unpack them" in str(raised.value)
    room.claim("a", tmp_path / "a.zip", size)  # the refused one takes nothing from it
    room.release("a")
    room.claim("b", tmp_path / "b.zip", size)


def test_one_that_does_not_fit_alone_is_refused_and_named(tmp_path: Path, free: int) -> None:
    room = Room(tmp_path, ["a"], keep=False)
    with pytest.raises(VgbenchError, match="no room for a in .*: .* for the archive, the rest to"):
        room.claim("a", tmp_path / "a.zip", int(0.6 * free))


def test_archives_that_stay_need_more(tmp_path: Path, free: int) -> None:
    sizes = {"a": int(0.35 * free), "b": int(0.1 * free)}
    going, staying = (Room(tmp_path, sizes, keep) for keep in (False, True))
    for name, size in sizes.items():
        going.claim(name, tmp_path / name, size)
    staying.claim("a", tmp_path / "a", sizes["a"])
    with pytest.raises(VgbenchError, match="beside a"):
        staying.claim("b", tmp_path / "b", sizes["b"])


@pytest.mark.parametrize("name", ["a.zip", "a.zip.part"])
def test_what_has_come_is_not_asked_for_again(tmp_path: Path, free: int, name: str) -> None:
    size = int(1.05 * free / (1 + UNPACKED))
    room = Room(tmp_path, ["a"], keep=False)
    with pytest.raises(VgbenchError):
        room.claim("a", tmp_path / "a.zip", size)
    with (tmp_path / name).open("wb") as file:
        file.truncate(size // 4)  # a hole: takes no room of its own
    room.claim("a", tmp_path / "a.zip", size)


@given(st.lists(st.integers(0, 10**12), max_size=6), st.booleans())
def test_the_worst_moment_is_found_by_going_through_all(archives: list[int], keep: bool) -> None:
    packed, disk, most = list(archives), sum(archives), sum(archives)
    for at, size in enumerate(archives):
        disk += round(UNPACKED * size)
        most = max(most, disk)
        if not keep:
            disk -= packed[at]
    assert most_needed(archives, keep) == most


def test_two_downloads_that_do_not_fit_together_are_told_so_and_one_goes_on(
    server: Any, free: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VGBENCH_DATA", str(tmp_path / "data"))
    size, claimed, refused = int(0.35 * free), threading.Event(), threading.Event()
    head = b"PK\3\4" + bytes(60_000)

    def serve(request: Any) -> None:
        first = request.path == "/a.archive"
        if not first:
            claimed.wait(20)
        request.head(200, {"Content-Type": "application/zip", "Content-Length": str(size)})
        request.body(head)
        if first:  # it is in the middle of its download while the other one asks for room
            part = tmp_path / "data" / ".downloads" / "a" / "a.archive.part"
            for _ in range(500):
                if part.exists() and part.stat().st_size:
                    break
                threading.Event().wait(0.02)
            claimed.set()
            refused.wait(1.0)

    server.always = serve
    policy = Policy(tries=0, connect=2.0, read=5.0, backoff=0.02, jitter=0.01, bytes=10**15)
    with pytest.raises(VgbenchError) as raised:
        download_datasets(["a", "b"], from_url=f"{server.url}/", policy=policy)
    told = str(raised.value)
    assert f"no room for b in {os.environ['VGBENCH_DATA']} beside a, which come too" in told
    assert "no room for a" not in told and f"after 60,004 of {size:,} bytes" in told
    assert not (tmp_path / "data" / ".downloads" / "b").exists()
