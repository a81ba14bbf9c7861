from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from vgbench.leaderboard.columns import COLUMNS, PLAIN_COLUMNS, Row
from vgbench.leaderboard.exports import (
    FORMATS,
    csv_text,
    json_text,
    markdown_text,
    render,
    render_conditions,
)
from vgbench.leaderboard.ranking import Ranking, limited, rank_rows
from vgbench.leaderboard.table import read_board

Submit = Callable[..., Path]


@pytest.fixture
def rankings(submit: Submit, board: Path) -> list[Ranking]:
    submit("net", links=["https://example.org/a_(b)"], backbone="ResNet-18")
    submit("other")
    return rank_rows(read_board(board).rows)


def _poisoned(rankings: list[Ranking], nasty: str) -> list[Ranking]:
    """The rows as a stranger's Parquet file could hold them, never having been cleaned."""
    texts = [column.name for column in COLUMNS if column.kind == "string"]
    keys = ("dataset", "split", "ground_truth", "content", "status")
    rows: list[Row] = []
    for place in rankings[0].places:
        row: dict[str, Any] = place.row | {name: nasty for name in texts if name not in keys}
        rows.append(row | {"links": ["javascript:alert(1)", "https://ok.org/<b>"], "status": nasty})
    return rank_rows(rows)


def test_json_is_a_list_of_rows_with_the_tables_column_names(rankings: list[Ranking]) -> None:
    rows = json.loads(json_text(rankings))
    assert [row["slug"] for row in rows] == ["net", "other"]
    assert list(rows[0]) == [column.name for column in PLAIN_COLUMNS]
    assert rows[0]["conditions"]["day"]["hits"] == {"1": 4, "5": 4, "10": 4, "20": 4}
    assert rows[0]["seconds"] == {"extraction": 1.5, "search": 0.25}
    assert rows[0]["links"] == ["https://example.org/a_(b)"]
    assert rows[0]["submitted"].endswith("Z")
    assert rows[0]["hits_1"] == 5


def test_markdown_gives_the_ranks_that_the_data_allows_as_the_table_does(
    rankings: list[Ranking],
) -> None:
    rows = [place.row | {"rank_low": 1, "rank_high": 2, "tier": 1} for place in rankings[0].places]
    lines = markdown_text(rank_rows(rows)).splitlines()
    assert [line.split(" | ")[0] for line in lines if line.startswith("| 1")] == ["| 1–2", "| 1–2"]


def test_csv_has_a_header_and_the_same_columns(rankings: list[Ranking]) -> None:
    header, *rows = list(csv.reader(io.StringIO(csv_text(rankings))))
    assert header == [column.name for column in PLAIN_COLUMNS]
    first = dict(zip(header, rows[0], strict=True))
    assert len(rows) == 2
    assert (first["slug"], first["hits_1"], first["links"], first["device"]) == (
        "net", "5", "https://example.org/a_(b)", "cpu",
    )  # fmt: skip
    assert float(first["recall_1"]) == 100 * 5 / 12


def test_csv_holds_no_formula(rankings: list[Ranking]) -> None:
    for sign in "=+-@":
        rows = list(csv.reader(io.StringIO(csv_text(_poisoned(rankings, f"\t{sign}cmd|' /C'!A0")))))
        assert not [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r")]


def test_markdown_is_one_table_with_linked_names(rankings: list[Ranking]) -> None:
    text = markdown_text(rankings)
    assert text.startswith("### demo-city/test\n\n12 queries · 60 database images · ")
    assert "| 1= | [net](https://example.org/a_%28b%29) | 41.7 (19.3–68.0) |" in text
    assert "| 1= | other | 41.7" in text
    assert "Positions of the queries are public" in text


def test_hostile_text_is_neutral_in_markdown(rankings: list[Ranking], nasty: str) -> None:
    text = markdown_text(_poisoned(rankings, nasty), ["<b>left out</b>"])
    assert "<" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "](javascript" not in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 4
    assert {line.replace("\\|", "").count("|") for line in table} == {11}


def test_hostile_text_is_neutral_in_json_and_csv(rankings: list[Ranking], nasty: str) -> None:
    poisoned = _poisoned(rankings, nasty)
    for text in (json_text(poisoned), csv_text(poisoned)):
        assert "\x1b" not in text
        assert "\\u001b" not in text
        assert "\u202e" not in text
        assert "javascript:alert(1)" not in text
    assert json.loads(json_text(poisoned))[0]["conditions"] is None


def test_an_empty_board_renders_in_every_format() -> None:
    assert render([], "json") == "[]\n"
    assert render([], "csv").count("\r\n") == 1
    assert render([], "markdown").startswith("The board is empty")
    assert render([], "latex").startswith("% The board is empty")
    assert set(FORMATS) == {"markdown", "csv", "json", "latex"}
    assert render_conditions([], "json") == "[]\n"
    assert render_conditions([], "csv").startswith("slug,name,")


def test_conditions_are_a_row_each_with_an_interval_of_their_own(rankings: list[Ranking]) -> None:
    rows = json.loads(render_conditions(rankings, "json"))
    assert [(row["slug"], row["condition"], row["queries"]) for row in rows] == [
        ("net", "day", 4), ("net", "night", 8), ("other", "day", 4), ("other", "night", 8),
    ]  # fmt: skip
    night = binomtest(3, 8).proportion_ci(method="wilson")
    assert (rows[1]["hits_5"], rows[1]["recall_5"]) == (3, 37.5)
    assert rows[1]["low_5"] == pytest.approx(100 * night.low)
    table = list(csv.DictReader(io.StringIO(render_conditions(rankings, "csv"))))
    assert [row["condition"] for row in table] == ["day", "night"] * 2
    assert float(table[1]["high_5"]) == rows[1]["high_5"]


def test_hostile_conditions_are_neutral(rankings: list[Ranking], nasty: str) -> None:
    held = json.dumps({nasty: {"queries": 4, "hits": {"1": 2}}, "=1+1": {"queries": 1, "hits": {}}})
    rows = [place.row | {"conditions": held} for place in rankings[0].places]
    for form in ("csv", "json"):
        text = render_conditions(rank_rows(rows), form)
        assert "\x1b" not in text
        assert "\\u001b" not in text
        assert "\u202e" not in text
    cells = list(csv.DictReader(io.StringIO(render_conditions(rank_rows(rows), "csv"))))
    assert {row["condition"][:2] for row in cells} == {"'=", "<s"}


def test_a_cut_ranking_says_so_in_markdown(rankings: list[Ranking]) -> None:
    assert "… and 1 more." in markdown_text(limited(rankings, 1))
    assert "more." not in markdown_text(limited(rankings, 2))


def test_two_distances_of_one_method_can_be_told_apart(rankings: list[Ranking]) -> None:
    for form, cell in (("markdown", "| l2 |"), ("latex", " & l2 & ")):
        assert cell in render(rankings, form)
