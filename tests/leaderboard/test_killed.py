"""`kill -9` at random moments of the commands that write a board: nothing torn, nothing lost."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from vgbench.datasets import load_dataset
from vgbench.durable import TEMPORARY_PREFIX
from vgbench.leaderboard.board import submissions_folder, table_path
from vgbench.leaderboard.submission import read_all
from vgbench.leaderboard.table import read_board


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start a command as the leader of a process group, as a shell does."""
    return subprocess.Popen(
        [sys.executable, "-m", "vgbench", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def unfinished(root: Path) -> list[Path]:
    """Everything on the board that bears the name of something being written."""
    return [
        path
        for folder in (submissions_folder(root), table_path(root).parent)
        if folder.is_dir()
        for path in folder.glob(f"{TEMPORARY_PREFIX}*")
    ]


class Rounds:
    """A board on which `submit` and `leaderboard build` run side by side and are both killed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "board"
        self.entries: dict[str, str] = {}
        self.said, self.killed, self.silent = 0, 0, 0
        load_dataset("demo-city", "val")  # unpacked once, which is not what is tested
        started = time.monotonic()
        self.finish(self.submit(0), self.build())
        self.life = time.monotonic() - started

    def submit(self, seed: int) -> subprocess.Popen[str]:
        file = self.folder / "descriptors.npy"
        np.save(file, np.random.default_rng(seed).random((252, 8), np.float32))
        return start(
            "submit", file, "-d", "demo-city/val", "--name", f"net {seed % 5}", "--root", self.root,
            "--json",
        )  # fmt: skip

    def build(self) -> subprocess.Popen[str]:
        return start("leaderboard", "--root", self.root, "build", "--json")

    def finish(self, *processes: subprocess.Popen[str]) -> None:
        for process in processes:
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, out + err

    def kill(self, seed: int) -> None:
        """One round: two commands, each killed at a moment of its own."""
        moments = random.Random(seed)
        left = set(unfinished(self.root))
        if moments.random() < 0.3:  # as in a fresh clone: the table is there to be built
            table_path(self.root).unlink(missing_ok=True)
        both = [self.submit(seed), self.build()]
        started = time.monotonic()
        if seed % 2:  # anywhere in its life
            delays = [moments.uniform(0, 1.1 * self.life) for _ in both]
        else:  # when the first file is being written, and soon after
            while set(unfinished(self.root)) <= left and both[0].poll() is None:
                time.sleep(0.0002)
            written = time.monotonic() - started
            delays = [written + moments.uniform(0, 0.02) for _ in both]
        for delay, process in sorted(zip(delays, both, strict=True), key=lambda pair: pair[0]):
            time.sleep(max(0.0, started + delay - time.monotonic()))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        for process in both:
            out, err = process.communicate(timeout=60)
            assert process.returncode in (0, -signal.SIGKILL), out + err
            self.killed += process.returncode == -signal.SIGKILL
            if process is both[0]:
                self.check(out, finished=process.returncode == 0)

    def check(self, said: str, finished: bool = False) -> None:
        """What stands on the board after a round, and that what was said of it is true."""
        found, problems = read_all(self.root)
        assert problems == {}, "half an entry"
        digests = {
            one.slug: hashlib.sha256((one.folder / "submission.json").read_bytes()).hexdigest()
            for one in found
        }
        assert self.entries.items() <= digests.items(), "an entry is lost, or another than it was"
        new = digests.keys() - self.entries.keys()
        try:
            slug = json.loads(said)["submission"]
        except ValueError:
            assert not finished, said
            self.silent += len(new)  # whole, and killed before it could say so
        else:
            self.said += 1
            assert {slug} == new, "said to be entered, and is not"
        self.entries = digests
        if table_path(self.root).exists():
            with table_path(self.root).open("rb") as file:
                pq.read_table(file)
        table = read_board(self.root, heal=False)
        assert table.left_out == {}
        assert sorted(row["slug"] for row in table.rows) == sorted(digests)


def killed_at_random(folder: Path, rounds: int) -> Rounds:
    found = Rounds(folder)
    found.check('{"submission": "net-0"}')
    seed = 0
    while found.killed < rounds:
        seed += 1
        assert seed < 2 * rounds, "too few were killed: most had ended before"
        found.kill(seed)
        if seed % 10 == 0:  # the next command works, whatever the killed ones left
            found.finish(found.build())
    # One that is let live sweeps up after all the others.
    found.finish(found.submit(0))
    assert unfinished(found.root) == []
    assert not read_board(found.root).rebuilt
    written = table_path(found.root).read_bytes()
    found.finish(found.build())
    assert table_path(found.root).read_bytes() == written
    done = start("verify", "--root", found.root, "--json")
    report = json.loads(done.communicate(timeout=120)[0])
    assert report["ok"] and len(report["entries"]) == len(found.entries) + 1
    return found


def test_commands_that_are_killed_leave_a_board_on_which_the_next_one_works(
    tmp_path: Path,
) -> None:
    assert killed_at_random(tmp_path, 4).killed >= 4


@pytest.mark.slow
def test_two_hundred_kills_during_submit_and_build_tear_nothing_and_lose_nothing(
    tmp_path: Path,
) -> None:
    found = killed_at_random(tmp_path, 200)
    assert found.killed >= 200
    assert found.said and found.silent, "both should occur: entered and said, entered and killed"
    assert len(found.entries) < found.killed / 2, "both should occur: entered, and not entered"
