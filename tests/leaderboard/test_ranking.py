from __future__ import annotations

from datetime import datetime, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgbench.errors import UsageError
from vgbench.leaderboard.columns import COLUMNS, Row
from vgbench.leaderboard.ranking import (
    SORT_KEYS,
    limited,
    narrowed,
    rank_rows,
    row_key,
    sort_key,
)


def make_row(
    slug: str, recalls: tuple[float | None, ...] = (50, 60, 70, 80), **changes: Any
) -> Row:
    row: Row = {column.name: None for column in COLUMNS}
    row |= {
        "slug": slug, "name": slug, "revision": 1, "status": "verified", "dataset": "demo-city",
        "split": "test", "ground_truth": "a" * 64, "content": "b" * 64, "protocol": 1,
        "threshold": 25.0, "queries": 240, "database": 600, "queries_without_positives": 0,
        "distance": "l2", "dimension": 512,
        "submitted": datetime(2026, 1, 1, tzinfo=timezone.utc),
    }  # fmt: skip
    row |= dict(zip(("recall_1", "recall_5", "recall_10", "recall_20"), recalls, strict=True))
    return row | changes


def _labels(rows: list[Row], **options: Any) -> list[tuple[str, str]]:
    (ranking,) = rank_rows(rows, **options)
    return [(place.label, place.row["slug"]) for place in ranking.places]


def test_rank_is_by_recall_at_1_then_5_10_and_20() -> None:
    rows = [
        make_row("d", (40, 99, 99, 99)),
        make_row("c", (50, 60, 70, 79)),
        make_row("b", (50, 60, 70, 80)),
        make_row("a", (50, 61, 61, 61)),
    ]
    assert _labels(rows) == [("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")]


def test_equal_rows_share_a_rank_and_the_next_is_counted_on() -> None:
    rows = [make_row("x", (60, 60, 60, 60)), make_row("z", (10, 10, 10, 10))]
    rows += [make_row(slug) for slug in "cab"]
    assert _labels(rows) == [("1", "x"), ("2=", "a"), ("2=", "b"), ("2=", "c"), ("5", "z")]


@given(
    st.lists(
        st.tuples(
            st.tuples(*[st.sampled_from([None, 0.0, 40.0, 50.0])] * 4),
            st.sampled_from([{}, {}, {"withdrawn": "a bug"}, {"superseded_by": "later"}]),
        ),
        max_size=12,
    ),
    st.sampled_from([1, 5, 10, 20]),
)
def test_a_rank_counts_the_current_rows_that_are_better(
    given_rows: list[tuple[tuple[float | None, ...], dict[str, str]]], n: int
) -> None:
    rows = [
        make_row(f"s{i:02d}", recalls, **changes) for i, (recalls, changes) in enumerate(given_rows)
    ]

    def score(row: Row) -> list[float]:
        order = [n, *(other for other in (1, 5, 10, 20) if other != n)]
        return [-1 if row[f"recall_{k}"] is None else row[f"recall_{k}"] for k in order]

    counted = [row for row in rows if row["withdrawn"] is row["superseded_by"] is None]
    for ranking in rank_rows(rows, sort=f"R@{n}"):
        shown = [place.row for place in ranking.places]
        assert len(shown) == len(rows)
        for before, after in pairwise(shown):
            assert (score(after), before["slug"]) <= (score(before), after["slug"])
        for place in ranking.places:
            if place.row in counted:
                better = sum(score(row) > score(place.row) for row in counted)
                assert place.rank == 1 + better
                assert place.tied == (sum(score(row) == score(place.row) for row in counted) > 1)
            else:
                assert (place.rank, place.tied) == (None, False)


def test_sorting_by_another_recall_ranks_by_it() -> None:
    rows = [make_row("a", (50, 60, 70, 80)), make_row("b", (40, 65, 70, 80))]
    assert _labels(rows, sort="R@5") == [("1", "b"), ("2", "a")]


def test_sorting_by_something_else_keeps_the_ranks_and_puts_unknowns_last() -> None:
    rows = [
        make_row("a", (50, 60, 70, 80), dimension=None),
        make_row("b", (40, 60, 70, 80), dimension=4096),
        make_row("c", (30, 60, 70, 80), dimension=64),
    ]
    assert _labels(rows, sort="dimension") == [("3", "c"), ("2", "b"), ("1", "a")]
    rows[0]["submitted"] = datetime(2025, 1, 1, tzinfo=timezone.utc)
    rows[2]["submitted"] = datetime(2027, 1, 1, tzinfo=timezone.utc)
    assert _labels(rows, sort="submitted") == [("3", "c"), ("2", "b"), ("1", "a")]
    assert _labels(rows, sort="name") == [("1", "a"), ("2", "b"), ("3", "c")]


@pytest.mark.parametrize("key", SORT_KEYS)
def test_every_key_sorts(key: str) -> None:
    assert len(rank_rows([make_row("a"), make_row("b")], sort=key)[0].places) == 2


@pytest.mark.parametrize("text", ["R@5", "r5", "recall@5", "Recall_5", "recall-5", "5"])
def test_a_recall_may_be_written_in_the_fields_ways(text: str) -> None:
    assert sort_key(text) == "recall_5"


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="choose one of R@1, R@5"):
        rank_rows([make_row("a")], sort="beauty")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"content": "c" * 64}, "other images under the same names (cccccccc…, not bbbbbbbb…)"),
        ({"ground_truth": "c" * 64}, "other ground truth (cccccccc…, not aaaaaaaa…)"),
        ({"threshold": 10.0}, "threshold 10 m, not 25 m"),
        ({"protocol": 2}, "protocol 2, not 1"),
    ],
)
def test_what_differs_stands_apart_and_says_why(changes: dict[str, Any], reason: str) -> None:
    best = make_row("x", (99, 99, 99, 99), **changes)
    main, apart = rank_rows([best, make_row("a"), make_row("b", (1, 2, 3, 4))])
    assert [place.row["slug"] for place in main.places] == ["a", "b"]
    assert main.apart is None
    assert [place.label for place in apart.places] == ["1"]
    assert apart.apart == reason


def test_pinned_ground_truth_is_the_main_ranking_even_when_it_has_fewer_rows() -> None:
    others = [make_row(s, ground_truth="c" * 64, status="unverified") for s in "xyz"]
    main, apart = rank_rows([*others, make_row("a")])
    assert main.places[0].row["slug"] == "a"
    assert len(apart.places) == 3


def test_rows_of_unknown_images_are_shown_without_ranks() -> None:
    main, unknown = rank_rows([make_row("a", content=None), make_row("b")])
    assert main.places[0].row["slug"] == "b"
    assert unknown.places[0].label == "–"
    assert unknown.apart is not None
    assert "unknown which images" in unknown.apart
    (alone,) = rank_rows([make_row("a", content=None)])
    assert alone.places[0].rank is None


def test_published_numbers_come_last_and_have_no_ranks() -> None:
    published = [
        make_row("p", (99, 99, 99, 99), status="published", content=None, ground_truth=None),
        make_row("q", (99.5, None, None, None), status="published", content=None),
    ]
    rankings = rank_rows([*published, make_row("a")])
    assert [ranking.published for ranking in rankings] == [False, True, True]
    assert [ranking.places[0].label for ranking in rankings] == ["1", "–", "–"]


def test_a_dataset_or_one_of_its_splits_can_be_chosen() -> None:
    rows = [make_row("a"), make_row("a", split="val"), make_row("a", dataset="tokyo-xs")]
    titles = ["demo-city/test", "demo-city/val", "tokyo-xs/test"]
    assert [ranking.title for ranking in rank_rows(rows)] == titles
    assert [ranking.title for ranking in rank_rows(rows, "demo-city")] == titles[:2]
    assert [ranking.title for ranking in rank_rows(rows, "demo-city/val")] == titles[1:2]
    with pytest.raises(UsageError, match="It has demo-city/test, demo-city/val, tokyo-xs/test"):
        rank_rows(rows, "sf-xs")
    with pytest.raises(UsageError, match="It is empty"):
        rank_rows([], "sf-xs")


def test_the_smallest_step_is_one_query() -> None:
    (ranking,) = rank_rows([make_row("a", queries=250)])
    assert ranking.smallest_step == 0.4


def test_narrowed_rankings_keep_the_ranks_among_all() -> None:
    rows = [make_row("a", (60, 60, 60, 60)), make_row("b"), make_row("c", (40, 60, 70, 80))]
    (ranking,) = narrowed(rank_rows(rows), lambda row: row["slug"] != "b")
    assert [place.label for place in ranking.places] == ["1", "3"]
    assert narrowed(rank_rows(rows), lambda row: False) == []


def test_limited_rankings_know_how_many_more_there_are() -> None:
    rows = [make_row(slug) for slug in "abcde"] + [make_row("f", split="val")]
    assert [(len(r.places), r.more) for r in limited(rank_rows(rows), 2)] == [(2, 3), (1, 0)]
    assert [(len(r.places), r.more) for r in limited(rank_rows(rows), None)] == [(5, 0), (1, 0)]
    twice = limited(limited(rank_rows(rows), 3), 1)
    assert [(len(r.places), r.more) for r in twice] == [(1, 4), (1, 0)]


@pytest.mark.parametrize("changes", [{"withdrawn": "a mistake"}, {"superseded_by": "a-r2"}])
def test_entries_that_do_not_count_take_no_rank(changes: dict[str, str]) -> None:
    gone = make_row("a", (50, 60, 70, 80), **changes)
    assert _labels([gone, make_row("b"), make_row("c", (40, 60, 70, 80))]) == [
        ("–", "a"), ("1", "b"), ("2", "c"),
    ]  # fmt: skip


def test_a_standing_is_the_range_of_ranks_that_is_known() -> None:
    rows = [make_row("a", rank_low=1, rank_high=3), make_row("b", rank_low=2, rank_high=2)]
    (ranking,) = rank_rows([*rows, make_row("c")])
    assert [place.standing for place in ranking.places] == ["1–3", "2", None]


ROWS = st.builds(
    make_row,
    st.text("abc", min_size=1, max_size=3),
    st.tuples(*[st.sampled_from([None, 0.0, 40.0, 50.0])] * 4),
    content=st.sampled_from(["b" * 64, "c" * 64, None]),
    status=st.sampled_from(["verified", "published", "unverified"]),
    threshold=st.sampled_from([10.0, 25.0]),
)


@given(st.lists(ROWS, max_size=12), st.sampled_from(SORT_KEYS), st.randoms())
def test_every_row_stands_once_and_only_with_those_it_may_be_compared_with(
    rows: list[Row], sort: str, random: Any
) -> None:
    rankings = rank_rows(rows, sort=sort)
    shown = [place.row for ranking in rankings for place in ranking.places]
    assert sorted(map(id, shown)) == sorted(map(id, rows))
    for ranking in rankings:
        assert {row_key(place.row) for place in ranking.places} == {ranking.key}
        ranks = [place.rank for place in ranking.places if place.rank is not None]
        assert len(ranks) in (0, len(ranking.places))
        for place in ranking.places:
            assert place.tied == (ranks.count(place.rank) > 1 if place.rank else False)
    shuffled = list(rows)
    random.shuffle(shuffled)
    again = rank_rows(shuffled, sort=sort)
    assert [[(p.label, p.row["slug"]) for p in r.places] for r in again] == [
        [(p.label, p.row["slug"]) for p in r.places] for r in rankings
    ]
