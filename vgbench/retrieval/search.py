"""Exact nearest-neighbour search whose predictions are a function of the descriptors alone.

FAISS finds, in float32, somewhat more candidates than are wanted; the candidates are ranked by
scores in float64 (`vgbench.retrieval.scoring`), ties by database row. Where float32 could have
missed a row, which a bound on its rounding errors tells for each query, that query is searched
again in float64 (`vgbench.retrieval.exhaustive`). So neither the engine, nor its blocks, threads
and machine show in the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vgbench.errors import DescriptorError, UsageError
from vgbench.retrieval.exhaustive import search_exhaustively
from vgbench.retrieval.scoring import (
    DISTANCES,
    ROUNDING_64,
    Rows,
    Scoring,
    Vectors,
    chunks,
    in_threads,
    scoring_for,
)

__all__ = ["DISTANCES", "Predictions", "search"]

BLOCK = 65_536
"""Database rows given to the engine at once."""

_MARGIN = 12  # candidates beyond those wanted: enough to tell them apart on ordinary descriptors
_SAMPLE = 1024  # database rows that the centre and the scale are taken from
_COPY_BYTES = 1 << 27  # of float32 that a block may take where the rows cannot be used in place
_SMALL = 1 << 28  # multiplications below which float64 is done before FAISS is imported
_ROUNDING_32 = 2.0**-24
_SQUARES_FIT = 2.0**120  # of float32, whose largest value is just below 2**128
_VANISHED = 2.0**-126  # the smallest normal float32: what a processor may flush to zero


@dataclass(frozen=True)
class Predictions:
    """The nearest database images of each query.

    Attributes
    ----------
    rows
        int32 (Q, K), database rows, nearest first, ties by row.
    distances
        float32 (Q, K): Euclidean distance for `l2`, 1 − cosine similarity for `cosine`, negative
        inner product for `ip`. Never decreasing along a row.
    """

    rows: NDArray[np.int32]
    distances: NDArray[np.float32]


def search(
    database: Rows, queries: Rows, k: int = 20, distance: str = "l2", block: int = BLOCK
) -> Predictions:
    """Find the k nearest database rows of each query, exactly and reproducibly.

    Parameters
    ----------
    database, queries
        Arrays of shapes (N, D) and (Q, D), float16, float32 or float64, in any memory order; a
        memory map is read block by block.
    k
        How many rows to find; K = min(k, N) are returned.
    distance
        `"l2"`, `"cosine"` or `"ip"` (inner product). An all-zero row is at cosine distance 1 from
        everything.
    block
        The most database rows to work on at once. Does not change the result.

    Raises
    ------
    DescriptorError
        When an array is empty, not two-dimensional, not of a float type or not finite, or the two
        differ in dimension.
    UsageError
        When `k`, `block` or `distance` makes no sense.

    Examples
    --------
    >>> database = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]], dtype=np.float32)
    >>> found = search(database, np.zeros((1, 2), dtype=np.float32), k=3)
    >>> found.rows.tolist(), found.distances.tolist()
    ([[0, 2, 1]], [[0.0, 0.0, 5.0]])
    """
    _check(database, queries, k, distance, block)
    k = min(k, len(database))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        scoring = scoring_for(distance, database, queries)
        approximation = _approximate(scoring, database, queries)
        work = len(database) * len(queries) * database.shape[1]
        if work <= _SMALL or 4 * (k + _MARGIN) >= len(database):
            _refuse_not_finite(database, "database")
            _refuse_not_finite(queries, "query")
            scores, rows = search_exhaustively(scoring, database, queries, k, approximation.centre)
        else:
            scores, rows = _search_by_engine(approximation, database, queries, k, block)
        return Predictions(rows.astype(np.int32), scoring.distances(scores))


@dataclass(frozen=True)
class _Approximation:
    """How vectors become the float32 that the engine works on.

    A fixed vector is subtracted from the database rows (and, for distances, from the queries),
    which changes no distance, and all inner products of one query by the same amount; then both
    are multiplied by powers of two. Both serve precision alone: without the first, descriptors
    with a large common offset would lose in float32 what tells them apart.
    """

    scoring: Scoring
    centre: Vectors
    centred: bool
    database_exponent: int
    query_exponent: int

    def database(self, rows: Rows) -> NDArray[np.float32]:
        """Float32 (n, D′) of database rows."""
        if not self.centred and not self.database_exponent and self.scoring.is_plain(rows):
            return np.asarray(rows)
        made = np.empty((len(rows), len(self.centre)), dtype=np.float32)

        def fill(part: slice) -> None:
            vectors = self.scoring.database_vectors(rows[part])
            made[part] = self._scaled(vectors, self.centred, self.database_exponent)

        in_threads(fill, chunks(len(rows), len(self.centre)))
        return made

    def queries(self, rows: Rows) -> NDArray[np.float32]:
        """Float32 (n, D′) of query rows."""
        made = np.empty((len(rows), len(self.centre)), dtype=np.float32)
        for part in chunks(len(rows), len(self.centre)):
            vectors = self.scoring.query_vectors(rows[part])
            centred = self.centred and not self.scoring.inner
            made[part] = self._scaled(vectors, centred, self.query_exponent)
        return made

    def _scaled(self, vectors: Vectors, centred: bool, exponent: int) -> Vectors:
        if centred:
            vectors -= self.centre
        return np.ldexp(vectors, exponent, out=vectors) if exponent else vectors


def _approximate(scoring: Scoring, database: Rows, queries: Rows) -> _Approximation:
    sample = scoring.database_vectors(_spread(database))
    centre = sample.mean(axis=0)
    plain = np.square(sample).sum(axis=1)
    sample -= centre
    central = np.square(sample).sum(axis=1)
    # A centre that would halve no norm is not worth a copy of the database.
    centred = bool(central.mean() < plain.mean() / 4)
    wanted = scoring.query_vectors(_spread(queries))
    if centred and not scoring.inner:
        wanted -= centre
    sizes = central if centred else plain
    query_sizes = np.square(wanted).sum(axis=1)
    if scoring.inner:
        exponents = _exponent(sizes), _exponent(query_sizes)
    else:
        exponents = (_exponent(np.concatenate([sizes, query_sizes])),) * 2
    return _Approximation(scoring, centre, centred, *exponents)


def _spread(rows: Rows) -> Rows:
    """At most `_SAMPLE` rows, evenly spread."""
    return rows[:: -(-len(rows) // _SAMPLE)]


def _exponent(squared_norms: Vectors) -> int:
    """The power of two that brings norms near 1; 0 where they are near enough."""
    exponent = int(np.frexp(np.sqrt(squared_norms.max()))[1])
    return 0 if abs(exponent) <= 20 else -exponent


def _search_by_engine(
    approximation: _Approximation, database: Rows, queries: Rows, k: int, block: int
) -> tuple[Vectors, NDArray[np.int64]]:
    scoring = approximation.scoring
    coarse = approximation.queries(queries)
    query_norms = _norms(coarse)
    if not np.isfinite(query_norms).all():
        _refuse_not_finite(queries, "query")
    rows, last, largest_norm = _candidates(approximation, database, coarse, k + _MARGIN, block)
    scores, rows = _rank(scoring, database, queries, rows, k)
    allowed = _certain_below(approximation, queries, last, scores[:, -1], query_norms, largest_norm)
    unsure = np.flatnonzero(~(scores[:, -1] < allowed))
    if len(unsure):
        scores[unsure], rows[unsure] = search_exhaustively(
            scoring, database, queries[unsure], k, approximation.centre
        )
    return scores, rows


def _candidates(
    approximation: _Approximation,
    database: Rows,
    coarse: NDArray[np.float32],
    count: int,
    block: int,
) -> tuple[NDArray[np.int64], Vectors, float]:
    """Rows int64 (Q, count) of the lowest float32 scores, −1 where the engine found none.

    Also the score that every row left out has at least, float64 (Q,), and the largest norm of a
    float32 database vector.
    """
    import faiss

    inner = approximation.scoring.inner
    metric = faiss.METRIC_INNER_PRODUCT if inner else faiss.METRIC_L2
    rows = np.empty((len(coarse), 0), dtype=np.int64)
    scores = np.empty((len(coarse), 0), dtype=np.float32)
    largest_norm = 0.0
    for start, given in _blocks(approximation, database, block):
        made = approximation.database(given)
        norm = float(_norms(made).max())
        if not np.isfinite(norm):  # not a number, or too large for float32
            _refuse_not_finite(given, "database", start)
            norm = np.inf
        largest_norm = max(largest_norm, norm)
        found_scores, found = faiss.knn(coarse, made, min(count, len(made)), metric=metric)
        if inner:
            found_scores = -found_scores
        found_scores = np.where(found < 0, np.inf, found_scores)
        rows = np.concatenate([rows, np.where(found < 0, -1, found + start)], axis=1)
        scores = np.concatenate([scores, found_scores], axis=1)
        if rows.shape[1] > count:
            kept = np.argpartition(scores, count - 1, axis=1)[:, :count]
            rows = np.take_along_axis(rows, kept, axis=1)
            scores = np.take_along_axis(scores, kept, axis=1)
    return rows, scores.max(axis=1).astype(np.float64), largest_norm


def _blocks(
    approximation: _Approximation, database: Rows, block: int
) -> Iterator[tuple[int, Rows]]:
    if not approximation.scoring.is_plain(database) or approximation.centred:
        block = min(block, max(1, _COPY_BYTES // (4 * len(approximation.centre))))
    for start in range(0, len(database), block):
        yield start, database[start : start + block]


def _rank(
    scoring: Scoring, database: Rows, queries: Rows, candidates: NDArray[np.int64], k: int
) -> tuple[Vectors, NDArray[np.int64]]:
    """The k best of the candidates by exact score, ties by row."""
    candidates = np.sort(candidates, axis=1)  # so that a stable sort leaves ties in row order
    count, width = candidates.shape
    scores = np.empty((count, width))

    def fill(part: slice) -> None:
        vectors = scoring.database_vectors(database[candidates[part].ravel()])
        wanted = scoring.query_vectors(queries[part])
        pairs = vectors.reshape(len(wanted), width, -1)
        scores[part] = scoring.scores(pairs, wanted[:, None])

    in_threads(fill, chunks(count, width * database.shape[1]))
    scores[candidates < 0] = np.inf
    order = np.argsort(scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(candidates, order, axis=1)


def _certain_below(
    approximation: _Approximation,
    queries: Rows,
    last: Vectors,
    kth: Vectors,
    query_norms: Vectors,
    largest_norm: float,
) -> Vectors:
    """Float64 (Q,): a row whose exact score is below this was certainly among the candidates.

    With u = 2⁻²⁴ and vectors of D terms, an inner product in float32, summed in any order and with
    or without fused operations, is within D·u/(1 − D·u)·‖q‖‖d‖ of the true one (Higham, "Accuracy
    and Stability of Numerical Algorithms", section 3.1). A squared distance is made of three of
    them, which gives (‖q‖ + ‖d‖)² in place of ‖q‖‖d‖. Rounding the vectors to float32 and adding
    up the three are inside the 16 terms more.
    """
    dimension = len(approximation.centre)
    terms = dimension + 16
    if terms * _ROUNDING_32 >= 0.5:
        return np.full(len(kth), -np.inf)
    relative = 1.01 * terms * _ROUNDING_32 / (1 - terms * _ROUNDING_32)
    exponent = approximation.database_exponent + approximation.query_exponent
    kth = np.ldexp(kth, exponent)
    if not approximation.scoring.inner:
        # A row farther from the origin than the query's k-th neighbour can be is farther from the
        # query too: the bound need not hold for it, and an outlier does not spoil it for the rest.
        reach = query_norms + np.sqrt(kth) * (1 + 1e-6)
        sizes = query_norms + np.minimum(largest_norm, reach)
        error = relative * sizes**2 + dimension * _VANISHED * 16 * (1 + sizes)
        allowed = np.where(sizes**2 < _SQUARES_FIT, last - error, -np.inf)
        return np.ldexp(allowed, -exponent)
    sizes = query_norms * largest_norm
    error = relative * sizes + dimension * _VANISHED * 16 * (1 + query_norms + largest_norm)
    allowed = np.where(sizes < _SQUARES_FIT, last - error, -np.inf)
    return np.ldexp(allowed, -exponent) - _shift(approximation, queries, allowed)


def _shift(approximation: _Approximation, queries: Rows, allowed: Vectors) -> Vectors:
    """What centring the database added to all inner-product scores of a query, at the least.

    q·(d − m) = q·d − q·m. The norms of q and m bound the rounding errors of q·m and, with
    |q·d| ≤ |q·m| + |score|, of the exact score.
    """
    if not approximation.centred:
        return np.zeros(len(queries))
    shift = np.empty(len(queries))
    centre = approximation.centre
    length = np.sqrt(np.square(centre).sum())
    relative = 8 * (len(centre) + 32) * ROUNDING_64
    for part in chunks(len(queries), len(centre)):
        wanted = approximation.scoring.query_vectors(queries[part])
        norms = np.sqrt(np.square(wanted).sum(axis=1))
        shift[part] = wanted @ centre + relative * norms * length
    return shift


def _norms(vectors: NDArray[np.float32]) -> Vectors:
    """Lengths of float32 vectors, float64 (n,), a little rounded up."""
    squares = np.einsum("ij,ij->i", vectors, vectors).astype(np.float64)
    norms: Vectors = np.sqrt(squares) * (1 + vectors.shape[1] * _ROUNDING_32)
    return norms


def _check(database: Rows, queries: Rows, k: int, distance: str, block: int) -> None:
    if distance not in DISTANCES:
        raise UsageError(f"Unknown distance {distance!r}: choose one of {', '.join(DISTANCES)}.")
    if k < 1 or block < 1:
        raise UsageError(f"k and block must be at least 1; found k = {k}, block = {block}.")
    for rows, role in ((database, "database"), (queries, "query")):
        if rows.ndim != 2 or rows.size == 0:
            raise DescriptorError(
                f"The {role} descriptors must be of shape (images, dimension), neither of them 0; "
                f"found shape {rows.shape}."
            )
        if rows.dtype.kind != "f" or rows.dtype.itemsize > 8:
            raise DescriptorError(
                f"The {role} descriptors must be float16, float32 or float64; found {rows.dtype}."
            )
    if database.shape[1] != queries.shape[1]:
        raise DescriptorError(
            f"Database and query descriptors must have the same dimension; found "
            f"{database.shape[1]:,} and {queries.shape[1]:,}."
        )


def _refuse_not_finite(rows: Rows, role: str, start: int = 0) -> None:
    for part in chunks(len(rows), rows.shape[1]):
        finite = np.isfinite(rows[part]).all(axis=1)
        if not finite.all():
            row = start + part.start + int(np.argmin(finite))
            raise DescriptorError(f"The {role} descriptors have NaN or Inf, first in row {row:,}.")
