"""What a report says, held against slow definitions."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgbench.datasets import load_dataset
from vgbench.entering import submit
from vgbench.errors import DatasetNotFound, SubmissionError, UsageError
from vgbench.evaluation import Result, score
from vgbench.leaderboard.report.content import listed_queries, recall_table
from vgbench.leaderboard.report.reading import Evaluation, is_submission, read_evaluation
from vgbench.retrieval.statistics import wilson_interval


def noisy(
    seed: int = 0, metres: float = 20.0, split: str = "test", data_root: Path | None = None
) -> Result:
    """Descriptors of demo-city that are positions with noise."""
    dataset = load_dataset("demo-city", split, data_root)
    where = np.concatenate([dataset.database_positions, dataset.query_positions])
    noise = np.random.default_rng(seed).normal(scale=metres, size=where.shape)
    return score((where - where.mean(axis=0) + noise).astype(np.float32), dataset)


@pytest.fixture(scope="module")
def evaluation(unpacked: Path) -> Evaluation:
    return read_evaluation(noisy(data_root=unpacked))


def slow_key(evaluation: Evaluation, query: int) -> tuple[float, float, int]:
    """The order in its own words, computed one query and one prediction at a time."""
    where = evaluation.query_positions[query]
    away = [math.dist(where, evaluation.database_positions[row]) for row in evaluation.rows[query]]
    right = [rank for rank, metres in enumerate(away, 1) if metres <= evaluation.threshold]
    return (-min(right, default=math.inf), -away[0], query)


def test_the_worst_queries_come_first(evaluation: Evaluation) -> None:
    listed = listed_queries(evaluation, None, 5)
    slow = sorted(range(240), key=lambda query: slow_key(evaluation, query))
    assert [query.index for query in listed] == slow
    some = listed_queries(evaluation, 17, 5)
    assert [query.index for query in some] == slow[:17]


def test_ranks_metres_and_frames_are_those_of_the_slow_definition(evaluation: Evaluation) -> None:
    for query in listed_queries(evaluation, None, 3):
        where = evaluation.query_positions[query.index]
        assert [found.row for found in query.predictions] == evaluation.rows[
            query.index, :3
        ].tolist()
        for found in query.predictions:
            metres = math.dist(where, evaluation.database_positions[found.row])
            assert found.metres == pytest.approx(metres, rel=1e-12)
            assert found.right == (metres <= 25)
        away = np.array([math.dist(where, other) for other in evaluation.database_positions])
        assert query.positives == (away <= 25).sum()
        rank = -slow_key(evaluation, query.index)[0]
        assert query.rank == (None if rank == math.inf else rank)
        if query.missed:
            assert query.missed.row in np.flatnonzero(away == away.min())
            assert not any(found.right for found in query.predictions)
        else:
            assert query.positives == 0 or any(found.right for found in query.predictions)


def test_an_image_at_exactly_the_threshold_is_framed_as_right() -> None:
    made = Evaluation(
        "x", "x", "somewhere", "test", 25.0, "l2",
        query_paths=["queries/a.jpg"],
        database_paths=["database/a.jpg", "database/b.jpg"],
        query_positions=np.array([[0.0, 0.0]]),
        database_positions=np.array([[15.0, 20.0], [15.0, 20.000001]]),
        conditions=None,
        rows=np.array([[1, 0]], np.int32),
        distances=np.array([[0.5, 0.6]], np.float32),
        first_hits=np.array([1], np.int32),
    )  # fmt: skip
    (query,) = listed_queries(made, None, 2)
    assert [found.right for found in query.predictions] == [False, True]
    assert query.rank == 2 and query.missed is None
    (query,) = listed_queries(made, None, 1)
    assert query.missed is not None and query.missed.row == 0 and query.missed.metres == 25.0


def test_recalls_by_condition_are_counted_over_their_own_queries(evaluation: Evaluation) -> None:
    table = recall_table(evaluation)
    assert [line.label for line in table] == ["all", "day", "dusk", "night"]
    assert sum(line.queries for line in table[1:]) == table[0].queries == 240
    labels = np.asarray(load_dataset("demo-city").query_conditions)
    for line in table:
        chosen = (labels == line.label) | (line.label == "all")
        ranks = evaluation.first_hits[chosen]
        for n, count, cell in zip((1, 5, 10, 20), line.hits, line.cells, strict=True):
            assert count == sum(0 <= rank < n for rank in ranks)
            low, high = wilson_interval(count, int(chosen.sum()))
            assert cell == pytest.approx((100 * count / chosen.sum(), 100 * low, 100 * high))


def test_a_submission_gives_what_its_result_gives() -> None:
    result = noisy(3)
    entered = submit(result, "Method <A>")
    for given in (entered.slug, str(entered.folder), entered.folder):
        found = read_evaluation(given)
        assert found.slug == "method-a" and found.name == "Method <A>"
        assert np.array_equal(found.rows, result.predictions.rows)
        assert np.array_equal(found.first_hits, result.first_hits)
        assert found.images is not None and not found.other_images
        assert list(found.database_paths) == list(result.dataset.database_paths)
    assert is_submission("method-a") and is_submission(str(entered.folder))
    assert not is_submission("method-b") and not is_submission(str(entered.folder.parent))


def test_without_pictures_nothing_is_unpacked(tmp_path: Path) -> None:
    submit(noisy(3), "Method A")
    elsewhere = tmp_path / "data"
    found = read_evaluation("method-a", data_root=elsewhere, pictures=False)
    assert found.images is None and not elsewhere.exists()


def test_an_entry_with_several_results_needs_a_choice() -> None:
    submit([noisy(0), noisy(0, split="val")], "both")
    with pytest.raises(UsageError, match="demo-city/test, demo-city/val"):
        read_evaluation("both")
    assert read_evaluation("both", "demo-city/val").split == "val"
    assert read_evaluation("both", "demo-city").split == "test"
    with pytest.raises(UsageError, match="no result on sf-xs"):
        read_evaluation("both", "sf-xs")


def test_an_unknown_name_is_refused_with_the_nearest_ones() -> None:
    submit(noisy(), "method-one")
    with pytest.raises(UsageError, match="Did you mean method-one"):
        read_evaluation("method-on")


def test_a_folder_of_ones_own_is_named_by_its_path(city: Path, good_descriptors: Any) -> None:
    entered = submit(score(good_descriptors, load_dataset(city)), "mine")
    with pytest.raises(DatasetNotFound, match="-d FOLDER"):
        read_evaluation(entered.slug)
    found = read_evaluation(entered.slug, str(city))
    assert found.images is not None and len(found.rows) == 7


def test_hits_that_the_predictions_do_not_give_are_refused(
    city: Path, good_descriptors: Any
) -> None:
    result = score(good_descriptors, load_dataset(city))
    liar = replace(result, first_hits=np.array([0, 0, 0, 0, 0, -1, -1], np.int32))
    entered = submit(liar, "liar")
    with pytest.raises(SubmissionError, match="other hits than its predictions give"):
        read_evaluation(entered.slug, str(city))
