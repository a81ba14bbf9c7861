"""Tables of other versions of the schema, as they lie on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vgbench
from vgbench.errors import BoardError
from vgbench.leaderboard.asking import Question, ask
from vgbench.leaderboard.board import table_path
from vgbench.leaderboard.columns import COLUMNS, PLAIN_COLUMNS
from vgbench.leaderboard.stored import read_stored
from vgbench.leaderboard.table import load_leaderboard, read_board
from vgbench.leaderboard.views import plain_text

Submit = Callable[..., Path]

VERSION_1 = pa.schema(
    [
        *((name, pa.string()) for name in ("slug", "name")),
        ("revision", pa.int32()),
        *((name, pa.string()) for name in (
            "method", "status", "dataset", "split", "ground_truth", "content",
        )),
        ("protocol", pa.int32()),
        ("threshold", pa.float64()),
        *((name, pa.int64()) for name in ("database", "queries", "queries_without_positives")),
        ("distance", pa.string()),
        ("dimension", pa.int64()),
        *((name, pa.string()) for name in ("image_size", "resize", "backbone", "architecture")),
        ("parameters", pa.int64()),
        *((name, pa.string()) for name in ("training_data", "licence", "authors")),
        ("links", pa.list_(pa.field("element", pa.string(), nullable=False))),
        *((f"hits_{n}", pa.int64()) for n in (1, 5, 10, 20)),
        *((f"recall_{n}", pa.float64()) for n in (1, 5, 10, 20)),
        *((f"{end}_{n}", pa.float64()) for n in (1, 5, 10, 20) for end in ("low", "high")),
        ("conditions", pa.string()),
        ("conditions_derived", pa.bool_()),
        ("top", pa.int64()),
        *((name, pa.string()) for name in ("seconds", "device", "versions", "notes")),
        ("submitted", pa.timestamp("ms", tz="UTC")),
        ("submission_digest", pa.string()),
    ]
)  # fmt: skip
"""The table's columns before outcomes, rank intervals and published sources were added."""


def write_version_1(board: Path, *rows: dict[str, Any]) -> None:
    """Write rows as the first version of the schema held them, by pyarrow alone."""
    full = [dict.fromkeys(VERSION_1.names) | row for row in rows]
    metadata = {b"vgbench.schema": b"1", b"vgbench.left_out": b"{}"}
    table = pa.Table.from_pylist(full, VERSION_1).replace_schema_metadata(metadata)
    table_path(board).parent.mkdir(parents=True)
    pq.write_table(table, table_path(board), compression="zstd")


def _row(slug: str, hits: int) -> dict[str, Any]:
    return {
        "slug": slug, "name": slug, "revision": 1, "status": "verified", "dataset": "tokyo-xs",
        "split": "test", "ground_truth": "a" * 64, "content": "b" * 64, "protocol": 1,
        "threshold": 25.0, "database": 12_771, "queries": 315, "links": ["https://a.org"],
        "hits_1": hits, "recall_1": hits / 3.15, "low_1": 10.0, "high_1": 20.0,
        "submitted": 1_767_225_600_000,
        "conditions": json.dumps({"night": {"queries": 105, "hits": {"1": 3}}}),
    }  # fmt: skip


def test_a_table_of_version_1_that_was_passed_on_alone_is_read_shown_and_loaded(
    board: Path,
) -> None:
    write_version_1(board, _row("worse", 50), _row("better", 60))
    kept = table_path(board).read_bytes()
    table = read_board(board)
    assert [row["slug"] for row in table.rows] == ["worse", "better"]
    assert set(table.rows[0]) == {column.name for column in COLUMNS}
    added = set(table.rows[0]) - set(VERSION_1.names)
    assert {"outcomes_1", "rank_low", "tier", "source", "withdrawn", "superseded_by"} <= added
    assert {table.rows[0][name] for name in added} == {None}
    assert table.rows[0]["submitted"].year == 2026
    text = plain_text(ask(board, Question()).rankings)
    assert text.index("better") < text.index("worse")
    assert "19.0 [10.0–20.0]" in text
    frame = load_leaderboard(board)
    assert list(frame.columns) == [column.name for column in PLAIN_COLUMNS]
    assert frame["hits_1"].tolist() == [50, 60]
    assert table_path(board).read_bytes() == kept, "what was only read is as it was"


def test_a_table_of_version_1_beside_submissions_is_made_anew(submit: Submit, board: Path) -> None:
    submit("net")
    new = table_path(board).read_bytes()
    shutil.rmtree(table_path(board).parent)
    write_version_1(board, _row("net", 50))
    stored = read_stored(table_path(board))
    assert stored is not None
    assert not stored.current
    table = read_board(board)
    assert table.rebuilt
    assert [row["hits_1"] for row in table.rows] == [5]
    assert table_path(board).read_bytes() == new


@pytest.mark.parametrize("version", [3, 10, 999])
def test_a_newer_table_is_refused_with_its_version(
    submit: Submit, board: Path, version: int
) -> None:
    submit("net")
    table = pq.ParquetFile(table_path(board)).read()
    metadata = {**table.schema.metadata, b"vgbench.schema": str(version)}
    pq.write_table(
        table.append_column("novelty", pa.nulls(1)).replace_schema_metadata(metadata),
        table_path(board),
    )
    kept = table_path(board).read_bytes()
    for read in (
        lambda: read_board(board),
        lambda: ask(board, Question()),
        lambda: vgbench.load_leaderboard(board),
    ):
        with pytest.raises(BoardError, match=rf"schema {version}; this one reads up to 2"):
            read()
    assert table_path(board).read_bytes() == kept


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("queries", pa.array(["many"])),
        ("slug", pa.array([b"\xff\xfe"], pa.binary())),
        ("links", pa.array([3])),
    ],
)
def test_a_table_whose_columns_hold_something_else_is_made_again(
    submit: Submit, board: Path, name: str, column: pa.Array
) -> None:
    submit("net")
    whole = table_path(board).read_bytes()
    table = pq.ParquetFile(table_path(board)).read()
    index = table.column_names.index(name)
    pq.write_table(table.set_column(index, name, column), table_path(board))
    assert read_stored(table_path(board)) is None
    assert [row["slug"] for row in read_board(board).rows] == ["net"]
    assert table_path(board).read_bytes() == whole


def test_a_time_out_of_every_calendar_is_unknown(board: Path) -> None:
    write_version_1(board, _row("net", 50) | {"submitted": 10**17})
    assert read_board(board).rows[0]["submitted"] is None


@pytest.fixture
def table(submit: Submit, board: Path) -> Path:
    submit("net", links=["https://a.org"], parameters=7)
    submit("other")
    return table_path(board)


def test_the_table_opens_in_pandas_with_typed_columns(table: Path) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.read_parquet(table)
    assert len(frame) == 2
    assert frame["hits_1"].dtype == "int64"
    assert frame["recall_1"].dtype == frame["threshold"].dtype == "float64"
    assert frame["conditions_derived"].dtype == bool
    assert frame["submitted"].dtype.kind == "M"
    assert frame["submitted"].dt.tz is not None
    assert list(frame["links"][0]) == ["https://a.org"]
    assert isinstance(frame["slug"][0], str)


def test_the_table_opens_in_polars_with_typed_columns(table: Path) -> None:
    pl = pytest.importorskip("polars")
    frame = pl.read_parquet(table)
    assert frame.height == 2
    types = dict(zip(frame.columns, frame.dtypes, strict=True))
    assert types["slug"] == types["remark"] == pl.String
    assert types["hits_1"] == pl.Int64
    assert types["revision"] == types["tier"] == pl.Int32
    assert types["recall_1"] == pl.Float64
    assert types["conditions_derived"] == pl.Boolean
    assert types["links"] == pl.List(pl.String)
    assert types["outcomes_1"] == pl.Binary
    assert types["submitted"] == pl.Datetime("ms", "UTC")
    best = frame.filter(pl.col("parameters") == 7)
    assert best["recall_1"].to_list() == [100 * 5 / 12]


def test_the_table_opens_in_duckdb_with_typed_columns(table: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    described = duckdb.sql(f"DESCRIBE SELECT * FROM '{table}'").fetchall()
    types = {name: kind for name, kind, *_ in described}
    assert types["slug"] == types["source"] == "VARCHAR"
    assert types["hits_1"] == "BIGINT"
    assert types["rank_low"] == "INTEGER"
    assert types["low_1"] == "DOUBLE"
    assert types["conditions_derived"] == "BOOLEAN"
    assert types["links"] == "VARCHAR[]"
    assert types["outcomes_1"] == "BLOB"
    assert types["submitted"] == "TIMESTAMP WITH TIME ZONE"
    found = duckdb.sql(
        f"SELECT slug, hits_1, links[1] FROM '{table}' WHERE parameters = 7"
    ).fetchall()
    assert found == [("net", 5, "https://a.org")]
    night = duckdb.sql(
        f"SELECT sum((conditions ->> '$.night.hits.\"1\"')::INT) FROM '{table}'"
    ).fetchall()
    assert night == [(2,)]
