"""Curves against the definition, one threshold and one N at a time."""

from __future__ import annotations

import numpy as np
import pytest

from vgbench.errors import DatasetError, UsageError
from vgbench.retrieval.curves import THRESHOLDS, recall_by_n, recall_by_threshold
from vgbench.retrieval.recall import first_hit, hits
from vgbench.retrieval.statistics import wilson_interval


def scene(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    # Whole metres: many pairs lie exactly at a threshold.
    database, queries = (random.integers(0, 150, (count, 2)).astype(float) for count in (60, 90))
    rows = random.integers(-1, 60, (90, 20))
    return rows, database, queries


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [1, 5, 20])
def test_every_threshold_counts_what_an_evaluation_at_it_counts(seed: int, n: int) -> None:
    rows, database, queries = scene(seed)
    curve = recall_by_threshold(rows, database, queries, n)
    assert curve.x.tolist() == list(THRESHOLDS)
    for threshold, count in zip(THRESHOLDS, curve.hits.tolist(), strict=True):
        assert count == hits(first_hit(rows, database, queries, threshold), (n,))[n]
    assert (np.diff(curve.hits) >= 0).all() and curve.hits[-1] > curve.hits[0]


def test_every_n_counts_what_an_evaluation_at_it_counts() -> None:
    ranks = first_hit(*scene(0), 10.0)
    curve = recall_by_n(ranks)
    assert dict(zip(range(1, 21), curve.hits.tolist(), strict=True)) == hits(ranks, range(1, 21))


def test_intervals_are_wilsons_in_percent() -> None:
    curve = recall_by_n([0, 1, -1, 5, 0], top=6, confidence=0.9)
    low, high = curve.interval
    for index, count in enumerate(curve.hits.tolist()):
        expected = wilson_interval(count, 5, 0.9)
        assert (low[index] / 100, high[index] / 100) == pytest.approx(expected)
    assert (low <= curve.recall).all() and (curve.recall <= high).all()


def test_no_prediction_is_near_at_any_threshold() -> None:
    curve = recall_by_threshold([[-1], [0]], [[0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]])
    assert curve.recall.tolist() == [50.0] * 100


def test_nonsense_is_refused() -> None:
    rows, database, queries = scene(0)
    with pytest.raises(UsageError, match="Recall@21"):
        recall_by_threshold(rows, database, queries, 21)
    with pytest.raises(UsageError, match="Thresholds"):
        recall_by_threshold(rows, database, queries, thresholds=[-1.0])
    with pytest.raises(DatasetError, match="rows from 0 to 59"):
        recall_by_threshold(rows + 40, database, queries)
    with pytest.raises(DatasetError, match="shape"):
        recall_by_threshold(rows[:3], database, queries)
    with pytest.raises(UsageError, match="queries"):
        recall_by_n([])
