"""Recall@N from predictions: which queries have a positive among their N nearest, as integers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgbench.errors import DatasetError, UsageError
from vgbench.retrieval.positives import within

RECALL_VALUES = (1, 5, 10, 20)
"""The N of recall@N that the field reports."""

_QUERIES = 1 << 15  # worked on at once


def first_hit(
    rows: ArrayLike,
    database_positions: ArrayLike,
    query_positions: ArrayLike,
    threshold: float = 25.0,
) -> NDArray[np.int32]:
    """Find the rank of each query's first prediction within `threshold` metres, inclusive.

    Only the predicted images are measured, so nothing depends on how many positives there are. The
    rule is that of `vgbench.retrieval.find_positives`.

    Parameters
    ----------
    rows
        Integers (Q, K), database rows, nearest first; −1 stands for no prediction and is a miss.
    database_positions, query_positions
        Easting and northing in metres, shapes (N, 2) and (Q, 2).
    threshold
        In metres.

    Returns
    -------
    int32 (Q,)
        From 0; −1 where none of the K predictions is a positive.

    Raises
    ------
    DatasetError
        When the shapes do not fit, or a row is not one of the database.

    Examples
    --------
    >>> first_hit([[1, 0], [1, 1]], [[0, 0], [90, 0]], [[3, 4], [3, 4]]).tolist()
    [1, -1]
    """
    predicted = np.asarray(rows)
    database = np.asarray(database_positions, dtype=np.float64)
    queries = np.asarray(query_positions, dtype=np.float64)
    if predicted.ndim != 2 or len(predicted) != len(queries):
        raise DatasetError(
            f"Predictions must be of shape (queries, K) with {len(queries):,} queries; "
            f"found {predicted.shape}."
        )
    if predicted.size and (predicted.min() < -1 or predicted.max() >= len(database)):
        raise DatasetError(
            f"Predictions must be database rows from 0 to {len(database) - 1:,}; found "
            f"{predicted.min():,} to {predicted.max():,}."
        )
    ranks = np.full(len(predicted), -1, dtype=np.int32)
    if not predicted.size:
        return ranks
    for start in range(0, len(predicted), _QUERIES):
        part = slice(start, start + _QUERIES)
        some = predicted[part]
        hit = within(database[some] - queries[part, None], threshold) & (some >= 0)
        ranks[part] = np.where(hit.any(axis=1), hit.argmax(axis=1), -1)
    return ranks


def hits(first_hits: ArrayLike, ns: Iterable[int] = RECALL_VALUES) -> dict[int, int]:
    """Count the queries localized at each N: those whose first hit is among the N nearest.

    Recall@N is this count over *all* queries, those without any positive among them.

    Parameters
    ----------
    first_hits
        Integers (Q,) as `first_hit` returns them.
    ns
        Values of N, at least 1.

    Examples
    --------
    >>> hits([0, 4, -1, 5], ns=(1, 5, 10))
    {1: 1, 5: 2, 10: 3}
    """
    ranks = np.asarray(first_hits)
    wanted = list(ns)
    if any(n < 1 for n in wanted):
        raise UsageError(f"Recall@N needs an N of at least 1; found {min(wanted)}.")
    return {n: int(np.count_nonzero((ranks >= 0) & (ranks < n))) for n in wanted}
