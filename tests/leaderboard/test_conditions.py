from __future__ import annotations

import json
from typing import Any

import pytest
from scipy.stats import binomtest

from vgbench.leaderboard.columns import COLUMNS, Row
from vgbench.leaderboard.conditions import (
    CONDITION_COLUMNS,
    condition_columns,
    condition_rows,
    has_conditions,
    parts_of,
)
from vgbench.leaderboard.layout import Shown, total_width
from vgbench.leaderboard.ranking import rank_rows


def _row(conditions: dict[str, Any] | str | None, **changes: Any) -> Row:
    row: Row = {column.name: None for column in COLUMNS} | {
        "slug": "net", "name": "net", "revision": 1, "dataset": "d", "split": "test",
        "status": "verified", "protocol": 1, "threshold": 25.0, "content": "b", "queries": 12,
        "hits_1": 6, "recall_1": 50.0, "low_1": 25.4, "high_1": 74.6,
    }  # fmt: skip
    held = conditions if isinstance(conditions, str | None) else json.dumps(conditions)
    return row | {"conditions": held} | changes


def _part(queries: int, hits: int) -> dict[str, Any]:
    return {"queries": queries, "hits": {"1": hits}}


def _headings(columns: list[Shown]) -> list[str]:
    return [column.heading.strip() for column in columns]


def test_rows_hold_counts_recalls_and_intervals_of_each_condition() -> None:
    rankings = rank_rows(
        [_row({"night": _part(8, 3), "day": _part(4, 4)}, conditions_derived=True)]
    )
    day, night = condition_rows(rankings)
    assert set(day) == set(CONDITION_COLUMNS)
    assert (day["condition"], night["condition"], night["queries"]) == ("day", "night", 8)
    assert (night["hits_1"], night["recall_1"], night["derived"]) == (3, 37.5, True)
    interval = binomtest(3, 8).proportion_ci(method="wilson")
    assert (night["low_1"], night["high_1"]) == pytest.approx(
        (100 * interval.low, 100 * interval.high)
    )
    assert night["recall_5"] is night["hits_5"] is night["low_5"] is None


@pytest.mark.parametrize(
    "stated",
    [
        None, "", "no JSON", "[1, 2]", "3", "[" * 100_000, {"day": 3}, {"day": {"queries": 0}},
        {"day": {"queries": 4}}, {"day": {"queries": True, "hits": {"1": 1}}},
        {"day": {"queries": 4.5, "hits": {"1": 1}}}, {"day": {"queries": -4, "hits": {}}},
    ],
)  # fmt: skip
def test_what_is_no_breakdown_is_passed_over(stated: Any) -> None:
    row = _row(stated)
    assert parts_of(row) == {}
    (ranking,) = rank_rows([row])
    assert not has_conditions(ranking)
    assert condition_rows([ranking]) == []


def test_impossible_counts_are_passed_over_alone() -> None:
    stated = {"day": {"queries": 4, "hits": {"1": 5, "5": -1, "10": "4", "20": 4}}}
    assert parts_of(_row(stated))["day"].hits == {20: 4}


def test_names_of_conditions_are_cleaned() -> None:
    assert list(parts_of(_row({"\x1b[31mnight\n": _part(4, 1)}))) == ["[31mnight"]


def test_columns_are_all_queries_and_then_the_conditions_by_name() -> None:
    rows = [_row({"night": _part(8, 3), "day": _part(4, 4)}), _row({"dusk": _part(2, 1)})]
    columns = condition_columns(rows, 1, None)
    assert _headings(columns) == ["R@1", "day", "dusk", "night"]
    texts = [cell.lines[0].text.strip() for column in columns for cell in column.cells]
    assert texts[0].startswith("50.0 [")
    assert texts[2].startswith("100.0 [")
    assert texts[3] == "–", "a row that lacks the condition"


def test_intervals_move_under_the_recalls_and_small_conditions_are_left_out() -> None:
    parts = {name: _part(size, 1) for name, size in (("a", 5), ("b", 50), ("c", 500), ("d", 7))}
    wide = condition_columns([_row(parts)], 1, None)
    for room in range(total_width(wide), 8, -1):
        columns = condition_columns([_row(parts)], 1, room)
        assert total_width(columns) <= max(room, total_width(columns[:1]))
        shown = _headings(columns)
        assert shown[0] == "R@1"
        kept = [name for name in shown[1:] if name != "…"]
        assert kept == sorted(kept)
        # The larger ones are the last to go.
        assert set(kept) == set(
            sorted(parts, key=lambda name: -parts[name]["queries"])[: len(kept)]
        )
        assert ("…" in shown) == (0 < len(kept) < len(parts))
    two_lines = condition_columns([_row(parts)], 1, total_width(wide) - 1)
    assert _headings(two_lines) == _headings(wide)
    assert len(two_lines[0].cells[0].lines) == 2
