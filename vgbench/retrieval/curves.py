"""Recall as a curve: against the threshold in metres, and against N, each with its interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgbench.errors import DatasetError, UsageError
from vgbench.retrieval.statistics import wilson_interval

THRESHOLDS = tuple(range(1, 101))
"""Metres."""

_QUERIES = 1 << 15  # worked on at once


@dataclass(frozen=True, eq=False)
class Curve:
    """Recall at several values of what varies.

    Attributes
    ----------
    x
        float64 (X,), ascending: metres, or values of N.
    hits
        int64 (X,), queries localized; never falling.
    queries
        All queries.
    """

    x: NDArray[np.float64]
    hits: NDArray[np.int64]
    queries: int
    confidence: float = 0.95

    @property
    def recall(self) -> NDArray[np.float64]:
        """float64 (X,), percent."""
        return 100 * self.hits / self.queries

    @property
    def interval(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Low and high of each recall's Wilson interval, float64 (X,), percent.

        Each holds by itself; that all of them hold at once is less certain.
        """
        low, high = wilson_interval(self.hits, self.queries, self.confidence)
        return 100 * low, 100 * high


def recall_by_n(first_hits: ArrayLike, top: int = 20, confidence: float = 0.95) -> Curve:
    """Recall@N for every N from 1 to `top`.

    Parameters
    ----------
    first_hits
        Integers (Q,): the 0-based rank of each query's first positive, −1 where there is none, as
        `vgbench.retrieval.first_hit` gives them.
    top
        The largest N; no more than there are predictions for each query.

    Raises
    ------
    UsageError
        When there is no query, or `top` is less than 1.

    Examples
    --------
    >>> recall_by_n([0, 2, -1, 0], top=3).recall.tolist()
    [50.0, 50.0, 75.0]
    """
    ranks = np.asarray(first_hits)
    if ranks.ndim != 1 or not len(ranks) or top < 1:
        raise UsageError(f"A curve needs queries and an N; found shape {ranks.shape}, N = {top}.")
    found = np.bincount(ranks[(ranks >= 0) & (ranks < top)], minlength=top)
    return Curve(np.arange(1.0, top + 1), np.cumsum(found), len(ranks), confidence)


def recall_by_threshold(
    rows: ArrayLike,
    database_positions: ArrayLike,
    query_positions: ArrayLike,
    n: int = 1,
    thresholds: Iterable[float] = THRESHOLDS,
    confidence: float = 0.95,
) -> Curve:
    """Recall@N at every threshold, by the rule of `vgbench.retrieval.find_positives`.

    Parameters
    ----------
    rows
        Integers (Q, K), database rows, nearest first; −1 stands for no prediction.
    database_positions, query_positions
        Easting and northing in metres, shapes (N, 2) and (Q, 2).
    n
        The N, no more than K.
    thresholds
        Metres, in any order.

    Raises
    ------
    UsageError
        When there are fewer than `n` predictions, or a threshold is negative or not finite.
    DatasetError
        When the shapes do not fit, or a row is not one of the database.

    Examples
    --------
    >>> curve = recall_by_threshold([[1, 0]], [[0, 0], [0, 40]], [[0, 0]], thresholds=[25, 40])
    >>> curve.x.tolist(), curve.recall.tolist()
    ([25.0, 40.0], [0.0, 100.0])
    """
    away = np.sort(_nearest_squared(rows, database_positions, query_positions, n))
    x = np.sort(np.asarray(list(thresholds), np.float64))
    if not len(x) or not np.isfinite(x).all() or x[0] < 0:
        raise UsageError("Thresholds are distances in metres, at least one of them.")
    return Curve(x, np.searchsorted(away, x * x, side="right"), len(away), confidence)


def _nearest_squared(
    rows: ArrayLike, database_positions: ArrayLike, query_positions: ArrayLike, n: int
) -> NDArray[np.float64]:
    """Squared metres to the nearest of each query's first `n` predictions; inf without any."""
    predicted = np.asarray(rows)
    database = np.asarray(database_positions, np.float64)
    queries = np.asarray(query_positions, np.float64)
    if predicted.ndim != 2 or len(predicted) != len(queries) or not len(queries):
        raise DatasetError(
            f"Predictions must be of shape (queries, K) with {len(queries):,} queries, at least "
            f"one; found {predicted.shape}."
        )
    if not 1 <= n <= predicted.shape[1]:
        raise UsageError(f"Recall@{n} needs as many predictions; there are {predicted.shape[1]}.")
    if predicted.min() < -1 or predicted.max() >= len(database):
        raise DatasetError(f"Predictions must be database rows from 0 to {len(database) - 1:,}.")
    nearest = np.empty(len(queries))
    for start in range(0, len(queries), _QUERIES):
        part = slice(start, start + _QUERIES)
        some = predicted[part, :n]
        east, north = np.moveaxis(database[some] - queries[part, None], 2, 0)
        squared = np.where(some >= 0, east * east + north * north, np.inf)
        nearest[part] = squared.min(axis=1)
    return nearest
