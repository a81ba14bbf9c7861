"""Exact search in float64 through the whole database, for queries whose neighbours nearly tie.

Slower than a float32 engine and certain: a matrix product in float64, whose error is bounded, says
which rows could still be among the nearest, and only those get an exact score. Memory is bounded
by the block, and the time holds for databases full of copies too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgbench.retrieval.scoring import (
    ROUNDING_64,
    Rows,
    Scoring,
    Vectors,
    chunks,
    in_threads,
)

_PAIRS = 1 << 22  # query × database pairs looked at together: 32 MB of float64
_BLOCK_BYTES = 1 << 26  # of float64 vectors of a block
_QUERIES = 1024


def search_exhaustively(
    scoring: Scoring, database: Rows, queries: Rows, k: int, centre: Vectors
) -> tuple[Vectors, NDArray[np.int64]]:
    """The k database rows with the lowest scores, ties by row number, for each query.

    Parameters
    ----------
    scoring
        What the score is.
    database, queries
        Rows as given, shapes (N, D) and (Q, D), with finite values.
    k
        At most N.
    centre
        Float64 vector (D′,), subtracted from both sides before the matrix product: distances do
        not change and the product cancels less.

    Returns
    -------
    scores : float64 (Q, k), ascending
    rows : int64 (Q, k)
    """
    parts = [
        _search_some(scoring, database, queries[start : start + _QUERIES], k, centre)
        for start in range(0, len(queries), _QUERIES)
    ]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _search_some(
    scoring: Scoring, database: Rows, queries: Rows, k: int, centre: Vectors
) -> tuple[Vectors, NDArray[np.int64]]:
    wanted = scoring.query_vectors(queries)
    count, dimension = wanted.shape
    best = np.full((count, k), np.inf)
    best_rows = np.full((count, k), len(database), dtype=np.int64)
    size = max(1, min(_PAIRS // count, _BLOCK_BYTES // (8 * dimension)))
    for start in range(0, len(database), size):
        given = database[start : start + size]
        block = scoring.database_vectors(given)
        lowest, highest = _score_bounds(scoring, block, wanted, centre)
        limit = best[:, -1]
        if len(given) >= k:
            limit = np.minimum(limit, np.partition(highest, k - 1, axis=1)[:, k - 1])
        near = ~(lowest > limit[:, None])
        if len(given) > k and np.count_nonzero(near) > 4 * k * count:
            near[:, _late_copies(given, k)] = False
        of_query, of_block = np.nonzero(near)
        scores = _exact(scoring, block, of_block, wanted, of_query)
        best, best_rows = _merge(best, best_rows, of_query, scores, of_block + start)
    return best, best_rows


def _score_bounds(
    scoring: Scoring, block: Vectors, queries: Vectors, centre: Vectors
) -> tuple[Vectors, Vectors]:
    """Matrices (Q, n) between which the exact scores lie, from one float64 matrix product.

    An inner product of D terms summed in any order is within D·u/(1 − D·u)·‖q‖‖d‖ of the true one,
    u = 2⁻⁵³ (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1). Centring,
    norms and the exact score's own few roundings are inside the 32 terms more.
    """
    terms = block.shape[1] + 32
    relative = terms * ROUNDING_64 / (1 - terms * ROUNDING_64)
    if scoring.inner:
        middle = -(queries @ block.T)
        slack = np.outer(
            np.sqrt(np.einsum("ij,ij->i", queries, queries)),
            np.sqrt(np.einsum("ij,ij->i", block, block)) * (2 * relative),
        )
        return middle - slack, middle + slack
    left, right = queries - centre, block - centre
    left_norms = np.einsum("ij,ij->i", left, left)[:, None]
    right_norms = np.einsum("ij,ij->i", right, right)[None, :]
    middle = left @ right.T
    middle *= -2
    # (‖q‖ + ‖d‖)² ≤ 2‖q‖² + 2‖d‖² keeps the bound a sum of two vectors.
    lowest = middle + left_norms * (1 - 4 * relative)
    lowest += right_norms * (1 - 4 * relative)
    middle += left_norms * (1 + 4 * relative)
    middle += right_norms * (1 + 4 * relative)
    return lowest, middle


def _late_copies(given: Rows, k: int) -> NDArray[np.bool_]:
    """Which rows repeat, byte for byte, at least k rows before them.

    Such a row ties with all of those and loses to each by its number: it cannot be among the k
    nearest of any query.
    """
    given = np.ascontiguousarray(given)
    whole: NDArray[Any] = given.view(np.dtype((np.void, given.itemsize * given.shape[1]))).ravel()
    _, group = np.unique(whole, return_inverse=True)
    order = np.argsort(group, kind="stable")
    first = np.searchsorted(group[order], np.arange(group.max() + 1))
    late = np.empty(len(given), dtype=np.bool_)
    late[order] = np.arange(len(given)) - first[group[order]] >= k
    return late


def _exact(
    scoring: Scoring,
    block: Vectors,
    of_block: NDArray[np.intp],
    queries: Vectors,
    of_query: NDArray[np.intp],
) -> Vectors:
    scores = np.empty(len(of_block))

    def fill(part: slice) -> None:
        scores[part] = scoring.scores(block[of_block[part]], queries[of_query[part]])

    in_threads(fill, chunks(len(of_block), block.shape[1]))
    return scores


def _merge(
    best: Vectors,
    best_rows: NDArray[np.int64],
    of_query: NDArray[np.intp],
    scores: Vectors,
    rows: NDArray[np.intp],
) -> tuple[Vectors, NDArray[np.int64]]:
    """The k best of each query out of those held and those found."""
    count, k = best.shape
    all_queries = np.concatenate([np.repeat(np.arange(count), k), of_query])
    all_scores = np.concatenate([best.ravel(), scores])
    all_rows = np.concatenate([best_rows.ravel(), rows])
    order = np.lexsort((all_rows, all_scores, all_queries))
    first = np.searchsorted(all_queries[order], np.arange(count))
    taken = order[first[:, None] + np.arange(k)]
    return all_scores[taken], all_rows[taken]
