"""Real processes that submit at once, are killed, or find the disk full."""

from __future__ import annotations

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vgbench.durable import TEMPORARY_PREFIX
from vgbench.errors import BoardError
from vgbench.leaderboard.board import board_lock, check_writable, table_path
from vgbench.leaderboard.submission import Card, Entry, read_all, write_submission
from vgbench.leaderboard.table import build, read_board

MakeEntry = Callable[..., Entry]

SUBMITTER = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
import filelock, pyarrow.parquet
import vgbench.durable, vgbench.leaderboard.table, vgbench.retrieval.statistics
from vgbench.leaderboard.submission import Card, Entry, write_submission

root, names, start, fatal = Path(sys.argv[1]), sys.argv[2], sys.argv[3], 0
rows = np.argsort(np.random.default_rng(0).random((40, 300)), axis=1)[:, :20].astype(np.int32)
entry = Entry("demo-city", "test", "a" * 64, "b" * 64, 1, 25.0, 300, 40, 0, "l2", 512,
              hits={1: 5, 5: 7, 10: 8, 20: 9},
              query_paths=[f"queries/{index:04d}.jpg" for index in range(40)], rows=rows,
              distances=np.sort(np.random.default_rng(1).random((40, 20)).astype(np.float32)))

steps = 0
def fatal_at_a_step(function):
    def counted(*arguments, **options):
        global steps
        steps += 1
        if steps == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return counted
for name in ("fsync", "rename", "replace", "mkdir", "chmod", "unlink"):
    setattr(os, name, fatal_at_a_step(getattr(os, name)))

def submit(names):
    for name in names.split(","):
        write_submission(Card(name), [entry], root)

if names:  # a child per name, all waiting for the start
    children = []
    for name in names.split(","):
        children.append(os.fork())
        if not children[-1]:
            while not Path(start).exists():
                time.sleep(0.0005)
            submit(name)
            os._exit(0)
    time.sleep(0.05)
    Path(start).touch()
    sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
else:  # a child per line: everything is imported already, so its whole life is the submission
    for line in sys.stdin:
        names, fatal = line.split("\t")
        child = os.fork()
        if not child:
            fatal = int(fatal)
            submit(names)
            os._exit(0)
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)
"""


def _submitter(
    root: Path, names: str, start: Path | str = "", **options: Any
) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SUBMITTER, str(root), names, str(start)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


class Nursery:
    """A process with everything imported, which forks one that submits, and another, …"""

    def __init__(self, root: Path) -> None:
        self.process = _submitter(root, "", stdin=subprocess.PIPE)

    def start(self, names: str, fatal: int = 0) -> int:
        """Start a submitter, which kills itself before its `fatal`-th change; returns its id."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{names}\t{fatal}\n")
        self.process.stdin.flush()
        return int(self._line())

    def end(self) -> int:
        """Wait for its end; returns the signal that ended it, or 0."""
        status = int(self._line())
        assert os.WIFSIGNALED(status) or status == 0
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    started = Nursery(tmp_path / "board")
    yield started
    assert started.process.stdin is not None
    started.process.stdin.close()
    started.process.wait(timeout=60)
    assert started.process.stdout is not None
    started.process.stdout.close()


def _assert_whole(root: Path, live: bool = False) -> int:
    """No half entry anywhere, as a reader sees the board; returns how many entries there are.

    With `live` writers, more may have appeared by the time that the table is read.
    """
    found, problems = read_all(root)
    assert problems == {}
    table = read_board(root, heal=False)
    assert table.left_out == {}
    slugs, shown = {one.slug for one in found}, {row["slug"] for row in table.rows}
    assert slugs <= shown if live else slugs == shown
    assert len(shown) == len(table.rows)
    return len(found)


def _together(root: Path, start: Path, names: list[str]) -> None:
    process = _submitter(root, ",".join(names), start)
    process.communicate(timeout=300)
    assert process.returncode == 0


def test_two_processes_that_submit_at_once_both_appear(tmp_path: Path) -> None:
    _together(tmp_path / "board", tmp_path / "start", ["one", "other"])
    assert _assert_whole(tmp_path / "board") == 2
    assert not read_board(tmp_path / "board").rebuilt


def test_two_processes_with_the_same_name_become_two_revisions(tmp_path: Path) -> None:
    _together(tmp_path / "board", tmp_path / "start", ["net", "net"])
    rows = read_board(tmp_path / "board").rows
    assert sorted((row["slug"], row["revision"]) for row in rows) == [("net", 1), ("net-r2", 2)]


def test_sixteen_processes_at_once_all_appear(tmp_path: Path) -> None:
    names = [f"net {index % 8}" for index in range(16)]
    _together(tmp_path / "board", tmp_path / "start", names)
    assert _assert_whole(tmp_path / "board") == 16
    written = table_path(tmp_path / "board").read_bytes()
    build(tmp_path / "board")
    assert table_path(tmp_path / "board").read_bytes() == written


@pytest.mark.slow
def test_sixty_four_processes_at_once_all_appear(tmp_path: Path) -> None:
    _together(tmp_path / "board", tmp_path / "start", [f"net {i % 9}" for i in range(64)])
    assert _assert_whole(tmp_path / "board") == 64


def test_a_kill_at_any_step_leaves_nothing_or_the_whole_entry(
    tmp_path: Path, make_entry: MakeEntry, nursery: Nursery
) -> None:
    root = tmp_path / "board"
    write_submission(Card("before"), [make_entry()], root)
    outcomes = set()
    for step in range(1, 60):
        before = _assert_whole(root)
        nursery.start("net", fatal=step)
        ended_by = nursery.end()
        outcomes.add(_assert_whole(root) - before)
        if not ended_by:
            break
        assert ended_by == signal.SIGKILL
    assert step > 12, "the steps were not counted"
    assert outcomes == {0, 1}, "both should occur: nothing, and the whole entry"
    # The survivor swept up after all the others, and the table is what a fresh build gives.
    assert [path.name for path in root.rglob(f"{TEMPORARY_PREFIX}*")] == []
    written = table_path(root).read_bytes()
    build(root)
    assert table_path(root).read_bytes() == written


def _kill_at_random(nursery: Nursery, root: Path, rounds: int) -> None:
    moments = random.Random(rounds)
    names = ",".join(["net"] * 1000)
    for _ in range(rounds):
        child = nursery.start(names)
        until = time.monotonic() + moments.uniform(0.0, 0.2)
        while time.monotonic() < until:
            _assert_whole(root, live=True)
        os.kill(child, signal.SIGKILL)
        assert nursery.end() == signal.SIGKILL
        _assert_whole(root)
    nursery.start("last")
    assert nursery.end() == 0
    assert _assert_whole(root) >= 1
    assert not list(root.rglob(f"{TEMPORARY_PREFIX}*"))
    assert not read_board(root).rebuilt


def test_readers_beside_writers_that_are_killed_never_see_half_an_entry(
    tmp_path: Path, nursery: Nursery
) -> None:
    _kill_at_random(nursery, tmp_path / "board", rounds=15)


@pytest.mark.slow
def test_a_hundred_kills_at_random_moments_leave_the_board_whole(
    tmp_path: Path, nursery: Nursery
) -> None:
    _kill_at_random(nursery, tmp_path / "board", rounds=100)


def test_what_a_killed_writer_left_is_invisible_and_then_removed(
    tmp_path: Path, make_entry: MakeEntry
) -> None:
    root = tmp_path / "board"
    write_submission(Card("net"), [make_entry()], root)
    half = root / "submissions" / f"{TEMPORARY_PREFIX}half"
    half.mkdir()
    (half / "submission.json").write_text("{")
    (root / "leaderboard" / f"{TEMPORARY_PREFIX}x.parquet").write_bytes(b"PAR1")
    page = root / "leaderboard" / f"{TEMPORARY_PREFIX}x.html"
    page.write_bytes(b"<p>")
    assert _assert_whole(root) == 1
    write_submission(Card("net"), [make_entry()], root)
    assert not half.exists()
    # A page may be another process's, which writes it without the lock.
    assert list(root.rglob(f"{TEMPORARY_PREFIX}*")) == [page]


def test_waiting_for_the_lock_ends_in_an_error_that_says_so(tmp_path: Path) -> None:
    with (
        board_lock(tmp_path),
        pytest.raises(BoardError, match="Another process has held the board"),
        board_lock(tmp_path, seconds=0.05),
    ):
        pass


# --- boards that cannot be written ------------------------------------------------------------


def _snapshot(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_disk_that_fills_up_at_any_step_changes_nothing(
    tmp_path: Path, make_entry: MakeEntry, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    root = tmp_path / "board"
    write_submission(Card("net"), [make_entry()], root)
    before = _snapshot(root)
    sync, calls = os.fsync, 0

    def fails_at(step: int) -> Callable[[int], None]:
        def failing(descriptor: int) -> None:
            nonlocal calls
            calls += 1
            if calls == step and not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))
            sync(descriptor)

        return failing

    failures = 0
    for step in range(1, 5):
        calls = 0
        monkeypatch.setattr(os, "fsync", fails_at(step))
        try:
            write_submission(Card("other"), [make_entry(1)], root)
        except BoardError as error:
            failures += 1
            assert ("disk is full" in str(error)) == (number != errno.EIO)
            assert _snapshot(root) == before
        else:
            break
    assert failures >= 3, "the table and both files of the entry are synced before anything appears"


@pytest.mark.parametrize("limit", [100, 1_500, 6_000])
def test_files_that_may_not_grow_leave_the_board_as_it_was(
    tmp_path: Path, make_entry: MakeEntry, limit: int
) -> None:
    resource = pytest.importorskip("resource")
    root = tmp_path / "board"
    write_submission(Card("net"), [make_entry()], root)
    before = _snapshot(root)
    process = _submitter(
        root,
        "other",
        tmp_path / "start",
        stderr=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    _, message = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "BoardError: Cannot write" in message
    assert _snapshot(root) == before


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that other users may enter, as pytest's own may not be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_a_read_only_board_is_an_error_and_stays_as_it_was(
    readable: Path, make_entry: MakeEntry
) -> None:
    root = readable / "board"
    write_submission(Card("net"), [make_entry()], root)
    before = _snapshot(root)
    for path in (root, *root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    superuser = os.geteuid() == 0  # whom permissions do not bind
    try:
        if superuser:
            os.setegid(65534)
            os.seteuid(65534)
        with pytest.raises(BoardError, match=r"Cannot write the board.*read-only"):
            write_submission(Card("other"), [make_entry(1)], root)
        with pytest.raises(BoardError, match="read-only"):
            check_writable(root)
        assert [row["slug"] for row in read_board(root).rows] == ["net"]
    finally:
        if superuser:
            os.seteuid(0)
            os.setegid(0)
        for path in (root, *root.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert _snapshot(root) == before


@pytest.mark.parametrize("obstacle", ["", "submissions", "leaderboard", "leaderboard/board"])
def test_a_file_in_the_way_of_a_folder_is_an_error_and_nothing_is_written(
    tmp_path: Path, make_entry: MakeEntry, obstacle: str
) -> None:
    root = tmp_path / "board"
    if obstacle == "leaderboard/board":  # a folder in the way of the table
        table_path(root).mkdir(parents=True)
    else:
        (root / obstacle).parent.mkdir(exist_ok=True)
        (root / obstacle).write_text("in the way")
    with pytest.raises(BoardError, match="Cannot write"):
        write_submission(Card("net"), [make_entry()], root)
    submissions = root / "submissions"
    assert not submissions.is_dir() or not list(submissions.iterdir())
    with pytest.raises(BoardError):
        check_writable(root)


def test_a_board_can_be_tried_before_hours_of_work(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "board")
    assert sorted(path.name for path in (tmp_path / "a" / "board").iterdir()) == [
        ".vgbench.lock",
        "leaderboard",
        "submissions",
    ]
    assert not list(tmp_path.rglob(f"{TEMPORARY_PREFIX}*"))
