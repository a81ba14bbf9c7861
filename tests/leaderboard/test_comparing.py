"""Comparisons: counts and p-values against slow definitions, and what may not be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgbench.datasets import load_dataset, load_registry
from vgbench.datasets.ground_truth import load_ground_truth
from vgbench.errors import SubmissionError, UsageError
from vgbench.evaluation import Result, score
from vgbench.leaderboard.comparing import compare
from vgbench.leaderboard.comparison import Compared, Comparison
from vgbench.leaderboard.comparison_text import text
from vgbench.leaderboard.document import write_document
from vgbench.leaderboard.entry import Card, Entry
from vgbench.leaderboard.predictions import encode_predictions
from vgbench.leaderboard.submission import write_submission
from vgbench.retrieval.places import group_places
from vgbench.retrieval.positives import count_without_positives
from vgbench.retrieval.recall import first_hit, hits

TRUTHS = {split: load_ground_truth("demo-city", split) for split in ("val", "test")}


def honest(split: str = "val", seed: int = 0, far: float = 30.0, night: float = 0.0) -> Entry:
    """An entry that guesses `far` metres beside each query, and `night` more at night."""
    truth = TRUTHS[split]
    labels = np.array(truth.query_conditions)
    away = far + np.where(labels == "night", night, 0.0)[:, None]
    noise = np.random.default_rng(seed).normal(size=truth.query_positions.shape) * away
    offsets = (truth.query_positions + noise)[:, None] - truth.database_positions
    rows = np.argsort((offsets**2).sum(axis=2), axis=1)[:, :20].astype(np.int32)
    ranks = first_hit(rows, truth.database_positions, truth.query_positions)
    return Entry(
        dataset="demo-city",
        split=split,
        ground_truth=truth.ground_truth,
        content=load_registry()["demo-city"].splits[split].content,
        protocol=1,
        threshold=25.0,
        database=len(truth.database_paths),
        queries=len(rows),
        queries_without_positives=count_without_positives(
            truth.database_positions, truth.query_positions
        ),
        distance="l2",
        dimension=8,
        hits=hits(ranks),
        query_paths=list(truth.query_paths),
        rows=rows,
        distances=np.sort(np.random.default_rng(seed).random(rows.shape).astype(np.float32)),
        first_hit=ranks,
        status="verified",
    )


@pytest.fixture
def enter(board: Path) -> Callable[..., Path]:
    def make(name: str, *entries: Entry) -> Path:
        return write_submission(Card(name), entries, board, versions={"vgbench": "0.1.0"})

    return make


def both(enter: Callable[..., Path], board: Path, **options: Any) -> Comparison:
    """`b` guesses worse than `a` at night, and as well otherwise, on two splits."""
    enter("a", honest("val", 0), honest("test", 0))
    enter("b", honest("val", 1, night=50.0), honest("test", 1, night=50.0))
    return compare("a", "b", board, **options)


def test_counts_and_p_values_are_those_of_the_slow_definition(
    enter: Callable[..., Path], board: Path
) -> None:
    from scipy.stats import binomtest
    from statsmodels.stats.multitest import multipletests

    found = both(enter, board)
    assert sorted((result.key.split, result.n) for result in found.results) == [
        (split, n) for split in ("test", "val") for n in (1, 5, 10, 20)
    ]
    raw, raw_parts = [], []
    for result in found.results:
        split, n = result.key.split, result.n
        truth = TRUTHS[split]
        of_a, of_b = (honest(split, 0), honest(split, 1, night=50.0))
        outcomes = []
        for query in range(len(truth.query_paths)):
            hit = []
            for entry in (of_a, of_b):
                near = [
                    np.hypot(*(truth.database_positions[row] - truth.query_positions[query])) <= 25
                    for row in entry.rows[query, :n]
                ]
                hit.append(any(near))
            outcomes.append(tuple(hit))
        for test, chosen in [
            (result.test, range(len(outcomes))),
            *(
                (test, [i for i, x in enumerate(truth.query_conditions or []) if x == label])
                for label, test in result.conditions.items()
            ),
        ]:
            kinds = [outcomes[query] for query in chosen]
            expected = [
                kinds.count(kind)
                for kind in ((True, False), (False, True), (True, True), (False, False))
            ]
            assert list(test.counts) == expected
            trials = expected[0] + expected[1]
            p = binomtest(expected[0], trials).pvalue if trials else 1.0
            assert test.p_value == pytest.approx(p)
            (raw if test is result.test else raw_parts).append(p)
        assert set(result.conditions) == {"day", "dusk", "night"}
    adjusted = multipletests(raw, method="holm")[1]
    assert [result.test.p_adjusted for result in found.results] == pytest.approx(list(adjusted))
    parts = [test.p_adjusted for result in found.results for test in result.conditions.values()]
    assert parts == pytest.approx(list(multipletests(raw_parts, method="holm")[1]))


def test_places_hold_every_discordant_query_and_the_largest_difference_first(
    enter: Callable[..., Path], board: Path
) -> None:
    for result in both(enter, board).results:
        labels = group_places(TRUTHS[result.key.split].query_positions)
        assert sum(place.only_a for place in result.places) == result.test.counts.only_a
        assert sum(place.only_b for place in result.places) == result.test.counts.only_b
        nets = [abs(place.only_a - place.only_b) for place in result.places]
        assert nets == sorted(nets, reverse=True)
        for place in result.places:
            assert place.queries == len(place.rows)
            assert len(set(labels[list(place.rows)].tolist())) == 1


def test_swapping_the_two_swaps_everything_that_is_said(
    enter: Callable[..., Path], board: Path
) -> None:
    one = both(enter, board)
    other = compare("b", "a", board)
    for left, right in zip(one.results, other.results, strict=True):
        assert left.test.counts.only_a == right.test.counts.only_b
        assert left.test.p_adjusted == right.test.p_adjusted
        assert left.test.difference == -right.test.difference
    assert one.verdict.split(";")[0] == other.verdict.split(";")[0]


def test_the_verdict_names_the_winner_and_the_condition_and_says_where_nothing_is_shown(
    enter: Callable[..., Path], board: Path
) -> None:
    found = both(enter, board, datasets=["demo-city/test"])
    assert found.verdict.startswith("a is better at R@")
    assert "on demo-city" in found.verdict and "at night" in found.verdict
    assert "b is better" not in found.verdict


def test_equal_methods_are_not_told_apart(enter: Callable[..., Path], board: Path) -> None:
    enter("a", honest("test", 0))
    enter("same", honest("test", 0))
    enter("another", honest("test", 5))
    assert compare("a", "same", board).verdict == "a and same localize the very same queries."
    assert compare("a", "another", board).verdict.startswith(
        "The data cannot tell a and another apart"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"threshold": 30.0}, "thresholds are 25 m and 30 m"),
        ({"protocol": 2}, "protocols 1 and 2"),
        ({"ground_truth": "d" * 64}, "ground truths differ"),
        ({"content": "d" * 64}, "other images under the same names"),
        ({"content": None}, "unknown which images"),
    ],
)
def test_what_differs_in_more_than_the_method_is_refused_and_why(
    enter: Callable[..., Path], board: Path, change: dict[str, Any], reason: str
) -> None:
    enter("a", honest("val", 0))
    entry = honest("val", 1)
    if "threshold" in change:
        truth = TRUTHS["val"]
        ranks = first_hit(entry.rows, truth.database_positions, truth.query_positions, 30.0)
        without = count_without_positives(truth.database_positions, truth.query_positions, 30.0)
        change = {
            **change, "hits": hits(ranks), "first_hit": ranks,
            "queries_without_positives": without,
        }  # fmt: skip
    enter("b", replace(entry, status="unverified", **change))
    with pytest.raises(UsageError, match=reason):
        compare("a", "b", board)


def test_a_dataset_that_cannot_be_compared_is_skipped_where_another_can(
    enter: Callable[..., Path], board: Path
) -> None:
    enter("a", honest("val", 0), honest("test", 0))
    enter("b", honest("val", 1), replace(honest("test", 1), content="d" * 64))
    found = compare("a", "b", board)
    assert {result.key.split for result in found.results} == {"val"}
    assert [skipped.dataset for skipped in found.skipped] == ["demo-city/test"]
    with pytest.raises(UsageError, match="cannot be compared"):
        compare("a", "b", board, datasets=["demo-city/test"])


def test_unknown_entries_are_refused_with_the_nearest_names(
    enter: Callable[..., Path], board: Path, tmp_path: Path
) -> None:
    enter("cosplace-resnet50", honest())
    enter("eigenplaces", honest(seed=1))
    with pytest.raises(UsageError, match="Did you mean cosplace-resnet50"):
        compare("cosplace-resnet-50", "eigenplaces", board)
    with pytest.raises(UsageError, match="It has cosplace-resnet50, eigenplaces"):
        compare("zzz", "eigenplaces", board)
    with pytest.raises(UsageError, match="no submission"):
        compare(str(tmp_path), "eigenplaces", board)
    with pytest.raises(UsageError, match="none at all"):
        compare("a", "b", tmp_path / "nothing")
    with pytest.raises(UsageError, match="with itself"):
        compare("eigenplaces", "eigenplaces", board)
    with pytest.raises(UsageError, match="do not both have 'sf-xs'"):
        compare("cosplace-resnet50", "eigenplaces", board, datasets=["sf-xs"])
    with pytest.raises(UsageError, match="N = 1, 5, 10, 20 only"):
        compare("cosplace-resnet50", "eigenplaces", board, ns=[1, 7])


def test_what_happens_at_one_place_alone_is_no_difference_between_methods(
    enter: Callable[..., Path], board: Path
) -> None:
    entry = honest("test", 0, far=0.0)
    truth = TRUTHS["test"]
    places = group_places(truth.query_positions)
    largest = places == np.bincount(places).argmax()
    rows = entry.rows.copy()
    for query in np.flatnonzero(largest):
        offsets = truth.database_positions - truth.query_positions[query]
        rows[query] = np.argsort(-np.hypot(*offsets.T))[:20]
    ranks = first_hit(rows, truth.database_positions, truth.query_positions)
    enter("a", entry)
    enter("b", replace(entry, rows=rows, first_hit=ranks, hits=hits(ranks)))
    found = compare("a", "b", board, ns=[1])
    (result,) = found.results
    assert result.test.counts.only_a >= 6 and result.test.counts.only_b == 0
    assert result.test.p_adjusted < 0.05 and result.test.p_by_place == 1.0
    assert result.test.better is None
    assert found.verdict.startswith("The data cannot tell a and b apart")
    assert result.difference_interval[1] >= 0


def test_differences_and_means_have_intervals_by_place(
    enter: Callable[..., Path], board: Path
) -> None:
    found = both(enter, board)
    for result in found.results:
        low, high = result.difference_interval
        assert low <= result.test.difference <= high
        assert result.place_count < result.test.counts.queries
    assert [mean.n for mean in found.means] == [1, 5, 10, 20]
    for mean in found.means:
        of_n = [result for result in found.results if result.n == mean.n]
        expected = np.mean([result.test.difference for result in of_n])
        assert mean.difference[0] == pytest.approx(expected)
        assert mean.difference[1] < mean.difference[0] < mean.difference[2]
        assert set(mean.datasets) == {"demo-city/val", "demo-city/test"}
    assert "Mean of 2 datasets" in text(found)
    assert compare("a", "b", board, datasets=["demo-city/val"]).means == ()


def test_fewer_tests_are_corrected_for_when_fewer_are_asked_for(
    enter: Callable[..., Path], board: Path
) -> None:
    found = both(enter, board, datasets=["demo-city/test"], ns=[1])
    (only,) = found.results
    assert only.n == 1 and only.test.p_adjusted == only.test.p_value


def test_folders_and_results_are_compared_as_entries_are(
    enter: Callable[..., Path], board: Path
) -> None:
    dataset = load_dataset("demo-city", "val")
    where = np.concatenate([dataset.database_positions, dataset.query_positions])
    results: list[Result] = []
    for seed in (0, 1):
        noise = np.random.default_rng(seed).normal(scale=20, size=where.shape)
        results.append(score((where - where.mean(axis=0) + noise).astype(np.float32), dataset))
    found = compare(*results)
    assert found.a.label == "A" and found.b.label == "B"
    for compared in found.results:
        assert compared.test.counts.hits == tuple(result.hits[compared.n] for result in results)
    folder = enter("mine", honest("val", 3))
    mixed = compare(folder, results[1], board)
    by_text = compare(str(folder), results[1])
    assert mixed.to_json()["results"] == by_text.to_json()["results"]
    assert mixed.a.label == "mine"


def test_hits_that_the_predictions_do_not_give_are_refused(
    enter: Callable[..., Path], board: Path
) -> None:
    enter("a", honest("val", 0))
    entry = honest("val", 1)
    lie = replace(entry, hits={**entry.hits, 20: entry.hits[20] - 1}, first_hit=None)
    folder = board / "submissions" / "liar"
    folder.mkdir()
    written = write_document("liar", 1, Card("liar"), [lie], "2026-01-31T12:00:00Z", {})
    (folder / "submission.json").write_bytes(written)
    (folder / "demo-city-val.parquet").write_bytes(
        encode_predictions(lie.query_paths, lie.rows, lie.distances, None)
    )
    with pytest.raises(SubmissionError, match="not what its predictions give"):
        compare("a", "liar", board)


def test_without_a_ground_truth_the_stored_first_hits_are_taken(
    enter: Callable[..., Path], board: Path
) -> None:
    elsewhere = {"dataset": "my-city", "status": "unverified"}
    enter("a", replace(honest("val", 0), **elsewhere))
    enter("b", replace(honest("val", 1), **elsewhere))
    found = compare("a", "b", board)
    enter("c", honest("val", 0))
    enter("d", honest("val", 1))
    known = compare("c", "d", board)
    for left, right in zip(found.results, known.results, strict=True):
        assert left.test == right.test
        assert left.places == right.places  # positions are in the queries' names
        assert not left.conditions
    enter("bare", replace(honest("val", 2), **elsewhere, first_hit=None))
    with pytest.raises(UsageError, match="bare keeps no ranks of first hits"):
        compare("a", "bare", board)


def test_published_numbers_say_nothing_of_single_queries(
    enter: Callable[..., Path], board: Path
) -> None:
    enter("a", honest("val", 0))
    empty = honest("val", 1)
    published = replace(
        empty, status="published", hits={}, recalls={1: 50.0}, query_paths=(), first_hit=None,
        rows=np.empty((0, 0), np.int32), distances=np.empty((0, 0), np.float32),
    )  # fmt: skip
    enter("printed", published)
    with pytest.raises(UsageError, match="published number only"):
        compare("a", "printed", board)


def test_the_frame_and_the_document_say_the_same(enter: Callable[..., Path], board: Path) -> None:
    found = both(enter, board)
    document, frame = found.to_json(), found.to_frame()
    assert list(document) == ["a", "b", "results", "means", "skipped", "verdict"]
    whole = frame[frame.condition == "all"]
    assert len(whole) == len(document["results"]) and len(frame) == 4 * len(whole)
    for row, result in zip(whole.to_dict("records"), document["results"], strict=True):
        for name in ("n", "queries", "only_a", "only_b", "both", "neither", "p_value"):
            assert row[name] == result[name]
        assert [row["low_a"], row["high_a"]] == result["interval_a"]


def test_hostile_names_are_one_line_of_visible_characters(
    enter: Callable[..., Path], board: Path, nasty: str
) -> None:
    enter("a", honest("val", 0))
    folder = enter(nasty, honest("val", 1))
    shown = text(compare("a", folder, board))
    assert "\x1b" not in shown and "\u202e" not in shown
    assert max(map(len, shown.splitlines())) <= 79


@pytest.mark.slow
def test_of_two_equally_good_methods_the_verdict_finds_a_winner_in_at_most_5_of_100(
    board: Path,
) -> None:
    """Two methods of equal recall under each condition, the Ns nested as they are in truth."""
    from vgbench.leaderboard.comparing import _adjusted, _test
    from vgbench.leaderboard.ranking import Key
    from vgbench.leaderboard.verdicts import claims

    random = np.random.default_rng(7)
    labels = np.array(["day", "dusk", "night"] * 105)
    key = Key("x", "test", "a" * 64, "b" * 64, 25.0, 1)
    own, runs, wrong = np.arange(len(labels)), 4000, 0
    for _ in range(runs):
        hard = random.normal(size=len(labels)) * 8  # what both find hard
        a, b = (np.floor(np.exp((hard + random.normal(size=len(labels)) * 4) / 4)) for _ in "ab")
        results = [
            Compared(
                key,
                n,
                _test(a < n, b < n, own),
                {x: _test((a < n)[labels == x], (b < n)[labels == x], own[labels == x])
                 for x in ("day", "dusk", "night")},
            )
            for n in (1, 5, 10, 20)
        ]  # fmt: skip
        wrong += bool(claims(_adjusted(results)))
    assert 0 < wrong <= 0.05 * runs, wrong / runs
