from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vgbench.datasets.records import forget_unwritten, unwritten_path, write_record
from vgbench.errors import VgbenchError

KILLED = """
import os, signal, sys
from pathlib import Path
from vgbench.datasets import records
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
records.write_record(Path(sys.argv[1]), {"schema": 1, "turn": 2})
"""


def test_a_killed_writer_leaves_the_old_record_and_the_next_one_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "town.lock.json"
    write_record(path, {"schema": 1, "turn": 1})
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)])
    assert killed.returncode == -9 and unwritten_path(path).exists()
    assert json.loads(path.read_bytes()) == {"schema": 1, "turn": 1}
    write_record(path, {"schema": 1, "name": "Łódź"})
    assert json.loads(path.read_bytes()) == {"schema": 1, "name": "Łódź"}
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_left_can_be_taken_away_and_need_not_be_there(tmp_path: Path) -> None:
    path = tmp_path / "town.lock.json"
    unwritten_path(path).write_text("{")
    for _ in range(2):
        forget_unwritten(path)
        assert list(tmp_path.iterdir()) == []


def test_a_record_that_cannot_be_written_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(VgbenchError, match=r"Cannot write .*town\.lock\.json"):
        write_record(tmp_path / "none" / "town.lock.json", {})
