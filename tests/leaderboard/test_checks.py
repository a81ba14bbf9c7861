from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vgbench.leaderboard.checks import card_problems, entries_problems, entry_problems
from vgbench.leaderboard.entry import Card, Entry

MakeEntry = Callable[..., Entry]


def test_a_good_entry_has_no_problems(make_entry: MakeEntry) -> None:
    assert entries_problems([make_entry(), make_entry(split="val")]) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "../x"}, "dataset '../x' should be"),
        ({"dataset": "a b"}, "should be ASCII letters"),
        ({"split": ""}, "split '' should be"),
        ({"status": "great"}, "status is 'great'"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"threshold": 0.0}, "threshold is 0"),
        ({"protocol": 0}, "protocol is 0"),
        ({"ground_truth": "A" * 64}, "ground_truth is not 64"),
        ({"ground_truth": None}, "ground_truth is missing"),
        ({"content": "b" * 63}, "content is not 64"),
        ({"descriptors_digest": "x"}, "descriptors_digest is not 64"),
        ({"distance": "l1"}, "distance is 'l1'"),
        ({"distance": None}, "distance is missing"),
        ({"dimension": 0}, "dimension is 0"),
        ({"dimension": None}, "dimension is missing"),
        ({"queries_without_positives": 13}, "not between 0 and 12"),
        ({"queries_without_positives": None}, "queries_without_positives is None"),
        ({"hits": {}}, "hits are missing"),
        ({"hits": {1: 5, 5: 4}}, "hits fall from 5 at 1 to 4 at 5"),
        ({"hits": {1: 12}}, "hits at 1 are 12, not between 0 and the 11"),
        ({"hits": {1: -1}}, "hits at 1 are -1"),
        ({"hits": {1: 5, 50: 9}, "conditions": None}, "hits at 50 are given, and only 20"),
        ({"recalls": {1: 50.0}}, "recalls as printed belong to published"),
        ({"seconds": {"search": -1.0}}, "seconds of 'search' is -1.0"),
        ({"seconds": {str(i): 1.0 for i in range(60)}}, "60 steps"),
        ({"image_size": "x" * 201}, "image_size has 201"),
        ({"queries": 0}, "0 queries"),
        ({"queries": 11}, "11 queries, but 12 query names"),
        ({"database": 10}, "20 predictions per query from 10 database images"),
        ({"conditions": {"": {"queries": 4, "hits": {1: 0}}}}, "1 to 80 visible"),
        ({"conditions": {"a": {"queries": 0, "hits": {1: 0}}}}, "has 0 queries"),
        ({"conditions": {"a": {"queries": 13, "hits": {1: 5}}}}, "13 queries, the split only 12"),
        ({"conditions": {"a": {"queries": 3, "hits": {1: 4}}}}, "hits of 'a' at 1 are 4"),
        (
            {"conditions": {"a": {"queries": 12, "hits": {1: 4, 5: 7, 10: 8, 20: 9}}}},
            "hits at 1 are 5, and 4 over the conditions",
        ),
        ({"conditions": {"a": {"queries": 7, "hits": {1: 6}}}}, "5, and 6 over the conditions"),
        (
            {"conditions": {x: {"queries": 1, "hits": {1: 0}} for x in ("a", "a\u200b")}},
            "same name",
        ),
    ],
)
def test_each_contradiction_is_found_and_named(
    make_entry: MakeEntry, changes: dict[str, Any], message: str
) -> None:
    problems = entry_problems(replace(make_entry(), **changes))
    assert any(message in problem for problem in problems), problems


def _changed(make_entry: MakeEntry, change: Callable[[Any, Any], None]) -> list[str]:
    entry = make_entry()
    rows, distances = entry.rows.copy(), entry.distances.copy()
    change(rows, distances)
    return entry_problems(replace(entry, rows=rows, distances=distances))


def test_a_row_outside_the_database_is_named_by_its_query(make_entry: MakeEntry) -> None:
    for value in (-1, 60):
        problems = _changed(make_entry, lambda rows, _, v=value: rows.__setitem__((3, 2), v))
        assert any("1 query with rows outside" in p and "@0003@" in p for p in problems)


def test_a_database_image_predicted_twice_is_found(make_entry: MakeEntry) -> None:
    problems = _changed(make_entry, lambda rows, _: rows.__setitem__((3, 2), rows[3, 9]))
    assert any("more than once" in problem for problem in problems)


def test_distances_that_fall_or_are_not_finite_are_found(make_entry: MakeEntry) -> None:
    problems = _changed(make_entry, lambda _, d: d.__setitem__((2, 5), 0.0))
    assert len(problems) == 1
    assert "distances fall" in problems[0]
    problems = _changed(make_entry, lambda _, d: d.__setitem__((2, 19), np.inf))
    assert len(problems) == 1
    assert "not finite" in problems[0]


def test_equal_distances_are_in_order(make_entry: MakeEntry) -> None:
    assert _changed(make_entry, lambda _, d: d.__setitem__(slice(None), 1.0)) == []


def test_only_ten_of_many_bad_queries_are_listed(make_entry: MakeEntry) -> None:
    entry = make_entry(queries=100, conditions=None)
    problems = entry_problems(replace(entry, rows=entry.rows - 100))
    text = "\n".join(problems)
    assert "100 queries with rows outside the database" in text
    assert "90 more queries" in text
    assert len(text) < 2000


@pytest.mark.parametrize("path", ["/etc/passwd", "../a.jpg", "queries/../../a", "", "a\nb"])
def test_query_names_that_could_lead_elsewhere_are_refused(
    make_entry: MakeEntry, path: str
) -> None:
    paths = [path, *make_entry().query_paths[1:]]
    assert any("relative paths" in p for p in entry_problems(make_entry(query_paths=paths)))


def test_queries_in_another_order_than_the_datasets_are_refused(make_entry: MakeEntry) -> None:
    paths = list(make_entry().query_paths)
    for wrong in (paths[::-1], [paths[0], *paths[:-1]]):
        assert any("order" in p for p in entry_problems(make_entry(query_paths=wrong)))


def test_arrays_of_another_type_or_shape_are_refused(make_entry: MakeEntry) -> None:
    entry = make_entry()
    for changes in (
        {"rows": entry.rows.astype(np.int64)},
        {"rows": entry.rows.ravel()},
        {"distances": entry.distances.astype(np.float64)},
    ):
        assert any("int32 rows" in p for p in entry_problems(replace(entry, **changes)))
    assert entry_problems(replace(entry, distances=entry.distances[:, :5]))


def test_two_results_on_one_split_and_none_at_all_are_refused(make_entry: MakeEntry) -> None:
    assert any("several results" in p for p in entries_problems([make_entry(), make_entry(1)]))
    assert entries_problems([]) == ["there are no results"]


def test_published_results_have_recalls_and_nothing_to_recompute(make_entry: MakeEntry) -> None:
    published = Entry(
        "sf-xs", "test", None, None, 1, 25.0, None, None, None, None, 512,
        status="published", recalls={1: 70.9, 5: 80.0},
    )  # fmt: skip
    assert entry_problems(published) == []
    assert entry_problems(replace(published, recalls={}))
    assert entry_problems(replace(published, recalls={1: 101.0}))
    assert entry_problems(make_entry(status="published", recalls={1: 5.0}))


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (Card(""), "the name is empty"),
        (Card("\u200b \x00"), "the name is empty"),
        (Card("x" * 201), "201 characters"),
        (Card("x", notes="x" * 2001), "notes has 2,001"),
        (Card("x", links=["javascript:alert(1)"]), "not a plain http or https"),
        (Card("x", links=["https://a.org"] * 21), "21 links"),
        (Card("x", parameters=-1), "parameters is -1"),
        (Card("x", weights_digest="abc"), "weights_digest"),
    ],
)
def test_each_problem_of_a_card_is_named(card: Card, message: str) -> None:
    assert any(message in problem for problem in card_problems(card))
