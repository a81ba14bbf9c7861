from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from vgbench.leaderboard.columns import COLUMNS, Row
from vgbench.leaderboard.standing import is_current, settle
from vgbench.retrieval.standings import LARGEST_BOARD, pack_outcomes

QUERIES = 101


def _row(slug: str, revision: int = 1, **changes: Any) -> Row:
    return {column.name: None for column in COLUMNS} | {
        "slug": slug, "revision": revision, "dataset": "d", "split": "test", "status": "verified",
        "ground_truth": "a", "content": "b", "protocol": 1, "threshold": 25.0, "queries": QUERIES,
        "submission_digest": "c" * 64,
    } | changes  # fmt: skip


def _outcomes(hits: NDArray[np.bool_] | Sequence[bool]) -> dict[str, Any]:
    return {"outcomes_1": pack_outcomes(np.asarray(hits, np.bool_))}


def _first(count: int) -> dict[str, Any]:
    """The first `count` queries are localized."""
    return _outcomes(np.arange(QUERIES) < count)


def _by_slug(rows: Sequence[Row]) -> dict[str, Row]:
    return {row["slug"]: row for row in rows}


def _standing(rows: Sequence[Row], slug: str) -> tuple[Any, ...]:
    row = _by_slug(rows)[slug]
    return row["rank_low"], row["rank_high"], row["tier"]


def test_rows_come_in_the_order_dataset_split_slug() -> None:
    rows = [_row("b"), _row("a"), _row("z", dataset="c"), _row("a", split="s")]
    settled = settle(rows, {})
    assert [(row["dataset"], row["split"], row["slug"]) for row in settled] == [
        ("c", "test", "z"), ("d", "s", "a"), ("d", "test", "a"), ("d", "test", "b"),
    ]  # fmt: skip


def test_what_was_given_is_not_changed() -> None:
    rows = [_row("a"), _row("a-r2", 2)]
    before = [dict(row) for row in rows]
    settle(rows, {"a": "why"})
    assert rows == before


def test_all_but_the_latest_revision_are_superseded_by_it() -> None:
    rows = settle([_row("a"), _row("a-r10", 10), _row("a-r2", 2), _row("b")], {})
    assert {row["slug"]: row["superseded_by"] for row in rows} == {
        "a": "a-r10", "a-r2": "a-r10", "a-r10": None, "b": None,
    }  # fmt: skip
    assert [row["slug"] for row in rows if is_current(row)] == ["a-r10", "b"]


def test_a_revision_supersedes_on_its_own_datasets_only() -> None:
    rows = settle([_row("a"), _row("a", split="val"), _row("a-r2", 2)], {})
    assert [row["superseded_by"] for row in rows] == ["a-r2", None, None]


def test_a_name_that_looks_like_a_revision_is_none() -> None:
    rows = settle([_row("net"), _row("net-r2")], {})
    assert [row["superseded_by"] for row in rows] == [None, None]


def test_a_withdrawn_revision_supersedes_nothing() -> None:
    rows = _by_slug(settle([_row("a"), _row("a-r2", 2)], {"a-r2": "a bug"}))
    assert rows["a-r2"]["withdrawn"] == "a bug"
    assert rows["a"]["superseded_by"] is None
    assert is_current(rows["a"])
    assert not is_current(rows["a-r2"])
    both = _by_slug(settle([_row("a"), _row("a-r2", 2)], {"a": "older"}))
    assert both["a"]["superseded_by"] is None, "withdrawn is what it is"
    assert is_current(both["a-r2"])


def test_published_numbers_are_neither_withdrawn_nor_superseded() -> None:
    paper = _row("a", status="published", submission_digest=None, **_first(50))
    rows = settle([paper, _row("a-r2", 2, **_first(10))], {"a": "why"})
    assert is_current(rows[0])
    assert _standing(rows, "a") == (None, None, None)


def test_ranks_are_ranges_and_tiers_end_at_a_significant_difference() -> None:
    rows = settle(
        [_row("top", **_first(90)), _row("near", **_first(87)), _row("low", **_first(9))], {}
    )
    assert binomtest(3, 3).pvalue > 0.05 > 3 * binomtest(78, 78).pvalue
    assert _standing(rows, "top") == (1, 2, 1)
    assert _standing(rows, "near") == (1, 2, 1)
    assert _standing(rows, "low") == (3, 3, 2)


def test_what_is_not_ranked_takes_part_in_no_comparison() -> None:
    rows = settle(
        [
            _row("mine", **_first(10)),
            _row("withdrawn", **_first(99)),
            _row("old", **_first(99)),
            _row("old-r2", 2, **_first(12)),
            _row("paper", status="published", **_first(99)),
            _row("other-images", content="z", **_first(99)),
            _row("other-threshold", threshold=5.0, **_first(99)),
            _row("unknown-images", content=None, **_first(99)),
            _row("unknown-outcomes"),
        ],
        {"withdrawn": "a bug"},
    )
    assert _standing(rows, "mine") == _standing(rows, "old-r2") == (1, 2, 1)
    assert _standing(rows, "other-images") == _standing(rows, "other-threshold") == (1, 1, 1)
    for slug in ("withdrawn", "old", "paper", "unknown-images", "unknown-outcomes"):
        assert _standing(rows, slug) == (None, None, None), slug


def test_settled_rows_settle_to_the_same() -> None:
    random = np.random.default_rng(0)
    rows = [_row(f"n{i}", **_outcomes(random.random(QUERIES) < i / 12)) for i in range(12)]
    once = settle([*rows, _row("n3-r2", 2, **_first(40))], {"n5": "why"})
    assert settle(once[::-1], {"n5": "why"}) == once
    assert settle(once, {}) != once


def test_the_bits_that_fill_the_last_byte_are_no_queries() -> None:
    half = np.arange(QUERIES) % 2 == 0
    rows = [_row("a", **_outcomes(half)), _row("b", **_outcomes(half))]
    filled = bytearray(rows[1]["outcomes_1"])
    filled[-1] |= 0b1110_0000
    rows[1]["outcomes_1"] = bytes(filled)
    assert [row["rank_high"] for row in settle(rows, {})] == [2, 2]


def test_a_board_that_is_too_large_for_all_pairs_has_no_ranges() -> None:
    rows = [_row(f"n{i}", **_first(i % QUERIES)) for i in range(LARGEST_BOARD + 1)]
    assert {row["tier"] for row in settle(rows, {})} == {None}
    assert None not in {row["tier"] for row in settle(rows[1:], {})}
