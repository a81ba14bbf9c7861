"""Sixty-four people who submit in the same second, each by a command of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from vgbench.datasets import load_dataset
from vgbench.durable import TEMPORARY_PREFIX
from vgbench.leaderboard.board import board_lock, submissions_folder, table_path

READER = """
import json, sys, time
from pathlib import Path
import pyarrow.parquet as pq

table, stop = Path(sys.argv[1]), Path(sys.argv[2])
seen = []
print("ready", flush=True)
while True:
    last = stop.exists()
    try:
        with table.open("rb") as file:
            rows = len(pq.ParquetFile(file, pre_buffer=False).read(use_threads=False))
    except FileNotFoundError:
        assert not seen, "the table was there and is gone"
    else:
        assert not seen or rows >= seen[-1], (rows, seen)
        if not seen or rows > seen[-1]:
            seen.append(rows)
    if last:
        break
    time.sleep(0.001)
print(json.dumps(seen))
"""
"""Reads the table again and again, knowing nothing of vgbench.

It opens the file once for each reading: given a name, pyarrow opens it twice, for the footer and
for the rows, and may find two tables, each of them whole. It reads without pyarrow's threads, which
may abort a process that ends just after it read from an open file ("terminate called without an
active exception").
"""


def command(*arguments: object) -> list[str]:
    """The command line of vgbench, as a process of its own."""
    return [sys.executable, "-m", "vgbench", *map(str, arguments)]


def run(*arguments: object) -> str:
    """Run a command to its end, which is a good one; returns what it printed."""
    done = subprocess.run(command(*arguments), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def all_at_once(folder: Path, root: Path, count: int) -> list[str]:
    """Submit `count` times at once; every process waits at the board's door before it opens.

    Four of each name, so that they compete for revisions too. Returns the slugs they were told.
    """
    load_dataset("demo-city", "val")  # unpacked once, which is not what is tested
    np.save(folder / "alone.npy", np.random.default_rng(count).random((252, 8), np.float32))
    started = time.monotonic()
    run("submit", folder / "alone.npy", "-d", "demo-city/val", "--root", folder / "another board")
    alone = time.monotonic() - started
    processes = []
    with board_lock(root):
        for index in range(count):
            file = folder / f"{index}.npy"
            np.save(file, np.random.default_rng(index).random((252, 8), np.float32))
            with (
                (folder / f"{index}.out").open("w") as out,
                (folder / f"{index}.err").open("w") as err,
            ):
                processes.append(
                    subprocess.Popen(
                        command(
                            "submit", file, "-d", "demo-city/val", "--name", f"net {index // 4}",
                            "--root", root, "--json",
                        ),
                        stdout=out,
                        stderr=err,
                    )
                )  # fmt: skip
        # All of them have come to the door by then; one that is late finds it open.
        time.sleep(1 + alone * count / (os.cpu_count() or 1))
        assert all(process.poll() is None for process in processes), "one did not wait its turn"
    for index, process in enumerate(processes):
        assert process.wait(timeout=200) == 0, (folder / f"{index}.err").read_text()
    documents = [json.loads((folder / f"{i}.out").read_text("utf-8")) for i in range(count)]
    assert {document["status"] for document in documents} == {"verified"}
    return [document["submission"] for document in documents]


def watched(tmp_path: Path, count: int) -> list[int]:
    """Submit at once while a reader reads; returns the numbers of rows that it saw, in order."""
    root = tmp_path / "board"
    table = table_path(root)
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(table), str(tmp_path / "stop")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None and reader.stdout.readline() == "ready\n"
    try:
        slugs = all_at_once(tmp_path, root, count)
    finally:
        (tmp_path / "stop").touch()
        printed, _ = reader.communicate(timeout=60)
    assert reader.returncode == 0
    seen: list[int] = json.loads(printed)
    assert seen[-1] == count

    names = {f"net-{index // 4}" for index in range(count)}
    revisions = ["", "-r2", "-r3", "-r4"]
    assert sorted(slugs) == sorted(name + end for name in names for end in revisions)
    assert sorted(os.listdir(submissions_folder(root))) == sorted(slugs)
    assert [path.name for path in root.rglob(f"{TEMPORARY_PREFIX}*")] == []
    rows = json.loads(run("leaderboard", "--all", "--json", "--root", root))
    assert sorted(row["slug"] for row in rows) == sorted(slugs)
    written = table.read_bytes()
    run("leaderboard", "--root", root, "build")
    assert table.read_bytes() == written, "the table is not what a fresh build gives"
    report = json.loads(run("verify", "--root", root, "--json"))
    assert report["ok"] and len(report["entries"]) == count
    return seen


def test_four_commands_at_once_enter_four_submissions_under_a_readers_eyes(tmp_path: Path) -> None:
    watched(tmp_path, 4)


@pytest.mark.slow
def test_sixty_four_commands_at_once_enter_sixty_four_submissions_under_a_readers_eyes(
    tmp_path: Path,
) -> None:
    seen = watched(tmp_path, 64)
    assert len(seen) > 10, "the reader was not there while they wrote"
