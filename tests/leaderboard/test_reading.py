from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from vgbench.leaderboard.board import table_path
from vgbench.leaderboard.columns import COLUMNS, PLAIN_COLUMNS, rows_to_arrow
from vgbench.leaderboard.ranking import RANKED_COLUMNS, rank_rows
from vgbench.leaderboard.reading import open_board
from vgbench.leaderboard.stored import INDEX
from vgbench.leaderboard.submission import Entry
from vgbench.leaderboard.table import read_board

MakeEntry = Callable[..., Entry]
Submit = Callable[..., Path]


@pytest.fixture
def two(submit: Submit, make_entry: MakeEntry) -> None:
    submit("a", make_entry(), make_entry(split="val"), notes="first")
    submit("b", make_entry(hits={1: 6, 5: 7, 10: 8, 20: 9}, conditions=None), notes="second")


def test_rows_have_the_columns_that_were_asked_for_and_become_whole(two: None, board: Path) -> None:
    opened = open_board(board, ["slug", "hits_1"])
    assert [set(row) for row in opened.rows] == [{"slug", "hits_1", INDEX}] * 3
    plain = [column.name for column in PLAIN_COLUMNS]
    expected = [{name: row[name] for name in plain} for row in read_board(board).rows]
    whole = opened.whole(opened.rows[::-1])
    assert [{name: row[name] for name in plain} for row in whole] == expected[::-1]
    assert all(row[c.name] is None for row in whole for c in COLUMNS if c.kind == "binary")
    assert opened.whole([]) == []


def test_many_rows_become_whole_too(
    two: None, board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_board(board, ["slug"])
    few = opened.whole(opened.rows[1:])
    monkeypatch.setattr("vgbench.leaderboard.stored._FEW", 1)
    assert opened.whole(opened.rows[1:]) == few


def test_the_ranked_columns_are_all_that_ranking_looks_at(two: None, board: Path) -> None:
    some, whole = (
        rank_rows(rows) for rows in (open_board(board, RANKED_COLUMNS).rows, read_board(board).rows)
    )
    assert [r.key for r in some] == [r.key for r in whole]
    for ranking, other in zip(some, whole, strict=True):
        assert [(p.rank, p.tied, p.row["slug"]) for p in ranking.places] == [
            (p.rank, p.tied, p.row["slug"]) for p in other.places
        ]


def test_a_board_whose_table_is_behind_is_made_new(two: None, board: Path) -> None:
    shutil.rmtree(board / "submissions" / "a")
    opened = open_board(board, ["slug"])
    assert [row["slug"] for row in opened.rows] == ["b"]
    assert opened.whole(opened.rows)[0]["notes"] == "second"
    assert [row["slug"] for row in read_board(board, heal=False).rows] == ["b"]
    assert not read_board(board).rebuilt


def test_rows_become_whole_from_the_table_that_they_were_read_from(
    two: None, board: Path, submit: Submit
) -> None:
    opened = open_board(board, ["slug"])
    submit("0 comes first")
    table_path(board).unlink()
    assert [row["notes"] for row in opened.whole(opened.rows)] == ["first", "second", "first"]


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_ranked_and_shown_quickly(two: None, board: Path) -> None:
    import resource

    held = read_board(board).rows
    rows = [
        held[i % 3] | {"slug": f"m{i}", "recall_1": i % 997 / 10, "tier": None}
        for i in range(100_000)
    ]
    large = board / "large"
    table_path(large).parent.mkdir(parents=True)
    pq.write_table(rows_to_arrow(rows), table_path(large))
    command = [sys.executable, "-m", "vgbench", "leaderboard", "--root", str(large)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "… and 66,567 more" in done.stdout
    assert sum("  unverified" in line for line in done.stdout.splitlines()) == 200
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5


def test_where_nothing_is_there_is_nothing_to_read(board: Path) -> None:
    opened = open_board(board, ["slug"])
    assert (opened.rows, opened.left_out, opened.whole([])) == ([], {}, [])
    assert not board.exists()
