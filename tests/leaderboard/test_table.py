from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from vgbench.errors import BoardError
from vgbench.leaderboard.board import table_path
from vgbench.leaderboard.columns import COLUMNS, PLAIN_COLUMNS, table_schema
from vgbench.leaderboard.document import write_document
from vgbench.leaderboard.predictions import encode_predictions
from vgbench.leaderboard.submission import Card, Entry, write_submission
from vgbench.leaderboard.table import build, load_leaderboard, read_board

MakeEntry = Callable[..., Entry]
Submit = Callable[..., Path]


def test_a_row_holds_what_was_submitted(submit: Submit, board: Path, make_entry: MakeEntry) -> None:
    folder = submit("net", make_entry(), method="M", links=["https://a.org"], parameters=7)
    (row,) = read_board(board).rows
    assert set(row) == {column.name for column in COLUMNS}
    assert (row["slug"], row["name"], row["revision"], row["status"]) == (
        "net", "net", 1, "unverified",
    )  # fmt: skip
    assert (row["method"], row["links"], row["parameters"]) == ("M", ["https://a.org"], 7)
    assert [row[f"hits_{n}"] for n in (1, 5, 10, 20)] == [5, 7, 8, 9]
    assert row["recall_1"] == 100 * 5 / 12
    assert json.loads(row["conditions"])["night"] == {
        "queries": 8,
        "hits": {"1": 1, "5": 3, "10": 4, "20": 5},
    }
    assert json.loads(row["seconds"]) == {"extraction": 1.5, "search": 0.25}
    assert json.loads(row["versions"])["numpy"]
    submitted = json.loads((folder / "submission.json").read_text())["submitted"]
    assert row["submitted"].strftime("%Y-%m-%dT%H:%M:%SZ") == submitted


def test_intervals_are_wilsons(submit: Submit, board: Path) -> None:
    submit("net")
    (row,) = read_board(board).rows
    for n in (1, 5, 10, 20):
        expected = binomtest(row[f"hits_{n}"], 12).proportion_ci(method="wilson")
        assert row[f"low_{n}"] == pytest.approx(100 * expected.low, abs=1e-9)
        assert row[f"high_{n}"] == pytest.approx(100 * expected.high, abs=1e-9)


def test_the_file_has_the_documented_schema_and_its_version(submit: Submit, board: Path) -> None:
    submit("net")
    schema = pq.read_schema(table_path(board))
    assert schema.remove_metadata().equals(table_schema().remove_metadata())
    assert schema.metadata[b"vgbench.schema"] == b"2"
    assert schema.field("threshold").metadata[b"description"].startswith(b"metres")


def test_pandas_gets_a_row_per_submission_dataset_and_split(
    submit: Submit, board: Path, make_entry: MakeEntry
) -> None:
    submit("net", make_entry(), make_entry(1, split="val", conditions=None))
    submit("other")
    frame = load_leaderboard(board)
    assert list(frame.columns) == [column.name for column in PLAIN_COLUMNS]
    assert frame[["slug", "split"]].values.tolist() == [
        ["net", "test"], ["other", "test"], ["net", "val"],
    ]  # fmt: skip
    assert str(frame["hits_1"].dtype) == "int64"
    assert str(frame["recall_1"].dtype) == "float64"
    assert frame["submitted"].dt.tz is not None
    assert list(load_leaderboard(board / "nowhere").columns) == list(frame.columns)


def test_the_environment_names_the_board(
    submit: Submit, board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit("net")
    monkeypatch.setenv("VGBENCH_ROOT", str(board))
    assert len(load_leaderboard()) == 1


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(["a", "b", "c", "-a", "-b", "!a"]), min_size=1, max_size=7))
def test_the_table_kept_up_to_date_is_byte_for_byte_the_one_built_anew(
    tmp_path_factory: pytest.TempPathFactory, make_entry: MakeEntry, steps: list[str]
) -> None:
    root = tmp_path_factory.mktemp("board")
    for number, step in enumerate(steps):
        folder = root / "submissions" / step[-1]
        if step[0] == "-":
            shutil.rmtree(folder, ignore_errors=True)
        elif step[0] == "!":
            if folder.exists():
                (folder / "submission.json").write_text(f"broken {number}")
        else:
            write_submission(Card(step), [make_entry(number), make_entry(split="val")], root)
    read_board(root)
    kept = table_path(root).read_bytes() if table_path(root).exists() else None
    if kept is not None:
        build(root)
        assert table_path(root).read_bytes() == kept
        assert not read_board(root).rebuilt


def test_one_new_entry_does_not_read_the_others_again(
    submit: Submit, board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit("a")

    def forbidden(path: Path) -> None:
        raise AssertionError(f"read {path} again")

    monkeypatch.setattr("vgbench.leaderboard.submission.read_predictions", forbidden)
    submit("b")
    assert [row["slug"] for row in read_board(board).rows] == ["a", "b"]


def test_a_table_from_before_a_pull_is_noticed_and_made_new(
    submit: Submit, board: Path, tmp_path: Path
) -> None:
    submit("a")
    old = table_path(board).read_bytes()
    submit("b")
    table_path(board).write_bytes(old)
    unhealed = read_board(board, heal=False)
    assert unhealed.rebuilt
    assert [row["slug"] for row in unhealed.rows] == ["a", "b"]
    assert table_path(board).read_bytes() == old
    assert read_board(board).rebuilt
    assert not read_board(board).rebuilt
    shutil.rmtree(board / "submissions" / "a")
    assert [row["slug"] for row in read_board(board).rows] == ["b"]


@pytest.mark.parametrize("content", [b"", b"<<<<<<< HEAD\n", b"PAR1" * 9, None])
def test_a_damaged_or_missing_table_is_made_again(
    submit: Submit, board: Path, content: bytes | None
) -> None:
    submit("a")
    whole = table_path(board).read_bytes()
    table_path(board).unlink()
    if content is not None:
        table_path(board).write_bytes(content)
    assert len(read_board(board).rows) == 1
    assert table_path(board).read_bytes() == whole


def test_a_board_that_cannot_be_healed_is_read_all_the_same(submit: Submit, board: Path) -> None:
    submit("a")
    shutil.rmtree(board / "leaderboard")
    (board / "leaderboard").write_text("a file")
    table = read_board(board)
    assert table.rebuilt
    assert len(table.rows) == 1


def test_reading_an_empty_board_writes_nothing(board: Path) -> None:
    assert read_board(board).rows == []
    (board / "submissions").mkdir(parents=True)
    assert read_board(board).rows == []
    assert [path.name for path in board.iterdir()] == ["submissions"]


def test_a_broken_submission_is_left_out_with_its_reason_and_blocks_nobody(
    submit: Submit, board: Path
) -> None:
    submit("a")
    (submit("b") / "submission.json").write_text('{"schema": 9}')
    (submit("c") / "demo-city-test.parquet").write_bytes(b"PAR1")
    table = build(board)
    assert [row["slug"] for row in table.rows] == ["a"]
    assert "newer vgbench (schema 9" in table.left_out["b"].problem
    assert "demo-city-test.parquet is not a readable" in table.left_out["c"].problem
    again = read_board(board)
    assert not again.rebuilt
    assert again.left_out == table.left_out
    submit("d")
    assert read_board(board).left_out == table.left_out
    assert [row["slug"] for row in read_board(board).rows] == ["a", "d"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r'"submitted": "[^"]*"', '"submitted": "2026-02-30T00:00:00Z"'),
        (r'"submitted": "[^"]*"', '"submitted": "0000-01-01T00:00:00Z"'),
        (r'"protocol": 1', '"protocol": 2147483648'),
    ],
)
def test_a_value_that_no_column_holds_leaves_out_that_submission_alone(
    submit: Submit, board: Path, old: str, new: str
) -> None:
    submit("a")
    document = submit("b") / "submission.json"
    changed, count = re.subn(old, new, document.read_text())
    assert count == 1
    document.write_text(changed)
    table = read_board(board)
    assert [row["slug"] for row in table.rows] == ["a"]
    assert list(table.left_out) == ["b"]
    submit("c")


def test_a_pipe_in_the_place_of_a_submission_stops_nobody(submit: Submit, board: Path) -> None:
    submit("a")
    document = submit("b") / "submission.json"
    document.unlink()
    os.mkfifo(document)
    assert list(read_board(board).left_out) == ["b"]


def test_a_huge_document_is_not_read_into_memory(submit: Submit, board: Path) -> None:
    document = submit("a") / "submission.json"
    with document.open("r+b") as file:
        file.truncate(1 << 30)
    tracemalloc.start()
    assert list(read_board(board).left_out) == ["a"]
    assert tracemalloc.get_traced_memory()[1] < 1 << 26
    tracemalloc.stop()


def _with_version(path: Path, version: str, drop: tuple[str, ...] = ()) -> None:
    table = pq.ParquetFile(path).read()
    table = table.drop_columns(list(drop)).replace_schema_metadata(
        {**table.schema.metadata, b"vgbench.schema": version}
    )
    pq.write_table(table, path)


def test_a_newer_table_is_refused_and_not_overwritten(
    submit: Submit, board: Path, make_entry: MakeEntry
) -> None:
    submit("a")
    _with_version(table_path(board), "3")
    newer = table_path(board).read_bytes()
    for action in (
        lambda: read_board(board),
        lambda: build(board),
        lambda: write_submission(Card("b"), [make_entry()], board),
    ):
        with pytest.raises(BoardError, match=r"newer vgbench \(schema 3; this one reads up to 2\)"):
            action()
    assert table_path(board).read_bytes() == newer
    assert [path.name for path in (board / "submissions").iterdir()] == ["a"]


def test_an_older_table_is_read_by_itself_and_made_new_beside_submissions(
    submit: Submit, board: Path
) -> None:
    submit("a")
    _with_version(table_path(board), "0", drop=("device", "notes"))
    aside = board.with_name("aside")
    (aside / "leaderboard").mkdir(parents=True)
    shutil.copy(table_path(board), table_path(aside))
    (row,) = read_board(aside).rows
    assert (row["slug"], row["device"]) == ("a", None)
    assert not (aside / "submissions").exists()
    table = read_board(board)
    assert table.rebuilt
    assert table.rows[0]["device"] == "cpu"


def test_published_numbers_are_rows_without_intervals(submit: Submit, board: Path) -> None:
    published = Entry(
        "sf-xs", "test", None, None, 1, 25.0, None, 1000, None, None, 512,
        status="published", recalls={1: 70.9, 5: 80.0},
    )  # fmt: skip
    submit("paper", published)
    (row,) = read_board(board).rows
    assert (row["recall_1"], row["recall_10"], row["low_1"], row["hits_1"]) == (
        70.9, None, None, None,
    )  # fmt: skip


def test_reading_the_board_imports_neither_pandas_nor_torch_nor_rich(
    submit: Submit, board: Path
) -> None:
    submit("a")
    code = """
import sys
from pathlib import Path
from vgbench.leaderboard.ranking import rank_rows
from vgbench.leaderboard.table import read_board
from vgbench.leaderboard.views import show
from vgbench.leaderboard.exports import render
rankings = rank_rows(read_board(Path(sys.argv[1])).rows)
show(rankings)
for form in ("markdown", "csv", "json"):
    render(rankings, form)
heavy = {"torch", "pandas", "scipy", "faiss", "rich", "filelock"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code, str(board)], check=True, stdout=subprocess.DEVNULL)


def _big_board(root: Path, entry: Entry, entries: int) -> None:
    entry = replace(entry, status="verified")
    content = encode_predictions(entry.query_paths, entry.rows, entry.distances)
    for number in range(entries):
        folder = root / "submissions" / f"method-{number}"
        folder.mkdir(parents=True)
        (folder / "submission.json").write_bytes(
            write_document(
                folder.name, 1, Card(f"Method {number}"), [entry], "2026-01-01T00:00:00Z", {}
            )
        )
        (folder / "demo-city-test.parquet").write_bytes(content)


@pytest.mark.slow
def test_a_thousand_entries_are_built_updated_and_shown_quickly(
    tmp_path: Path, make_entry: MakeEntry
) -> None:
    _big_board(tmp_path, make_entry(queries=1000, database=27_191, conditions=None), 1000)
    started = time.process_time()
    build(tmp_path)
    assert time.process_time() - started < 15
    started = time.process_time()
    write_submission(Card("one more"), [make_entry()], tmp_path)
    assert time.process_time() - started < 1
    code = """
import sys, time
from pathlib import Path
from vgbench.leaderboard.ranking import rank_rows
from vgbench.leaderboard.table import read_board
from vgbench.leaderboard.views import show
table = read_board(Path(sys.argv[1]))
assert not table.rebuilt and len(table.rows) == 1001
show(rank_rows(table.rows))
print(time.process_time(), file=sys.stderr)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert float(done.stderr) < 0.5
