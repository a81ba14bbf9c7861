"""Writes are all or nothing."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vgbench.durable import TEMPORARY_PREFIX, atomic_folder, atomic_write
from vgbench.errors import VgbenchError


def test_a_written_file_has_its_content_and_ordinary_permissions(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "new" / "a.bin") as file:
        file.write(b"whole")
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"whole"
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "new" / "a.bin").stat().st_mode & 0o777 == 0o666 & ~mask


def test_an_error_in_the_block_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_write(target) as file:
        file.write(b"half of the new")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "entry") as folder:
        (folder / "half").write_text("x")
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    with atomic_folder(tmp_path / "entry") as folder:
        (folder / "whole").write_text("x")
    assert os.listdir(tmp_path / "entry") == ["whole"]


def test_a_folder_never_takes_the_place_of_another(tmp_path: Path) -> None:
    (tmp_path / "entry").mkdir()
    with pytest.raises(VgbenchError, match="entry"), atomic_folder(tmp_path / "entry") as folder:
        (folder / "a").write_text("x")
    assert os.listdir(tmp_path / "entry") == []


def test_a_file_in_the_way_of_a_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "board").write_text("not a folder")
    with (
        pytest.raises(VgbenchError, match=r"Cannot write .*a\.bin.*Nothing was changed"),
        atomic_write(tmp_path / "board" / "a.bin"),
    ):
        pass


def test_a_full_disk_is_explained_and_leaves_the_old_file(tmp_path: Path) -> None:
    """A file-size limit stands in for the disk: the write fails midway for real."""
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    code = (
        "import sys; from vgbench.durable import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file: file.write(b'x' * 100_000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, target], preexec_fn=limit, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "Cannot write" in done.stderr
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_kill_midway_leaves_the_old_file_readable(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"\0" * 1_000_000)
    code = (
        "import sys; from vgbench.durable import atomic_write\n"
        "for i in range(1, 10**9):\n"
        "    with atomic_write(sys.argv[1]) as file:\n"
        "        file.write(bytes([i % 256]) * 1_000_000)\n"
        "    print(i, flush=True)"
    )
    for moment in range(8):
        writer = subprocess.Popen([sys.executable, "-c", code, target], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()  # it has begun
        time.sleep(0.003 * moment)
        writer.kill()
        writer.wait()
        writer.stdout.close()
        content = target.read_bytes()
        assert len(content) == 1_000_000
        assert content == content[:1] * 1_000_000, "a mixture of two writes"
    left = [name for name in os.listdir(tmp_path) if name != "a.bin"]
    assert all(name.startswith(TEMPORARY_PREFIX) for name in left)
