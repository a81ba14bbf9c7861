"""Which database images were taken within a distance of a query: the ground truth of a split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgbench.errors import DatasetError, UsageError

Positions = NDArray[np.float64]

_TABLE = 1 << 22  # entries of the table of occupied cells, one byte each
_PAIRS = 1 << 21  # query–database pairs measured at once
_MIXER = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ / golden ratio, odd: multiplying by it spreads numbers


@dataclass(frozen=True)
class Positives:
    """The positives of each query, in compressed sparse rows.

    Attributes
    ----------
    indptr
        int64 (Q + 1,): the positives of query i are `rows[indptr[i]:indptr[i + 1]]`.
    rows
        int32 (P,), database rows, ascending for each query.
    """

    indptr: NDArray[np.int64]
    rows: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __getitem__(self, query: int) -> NDArray[np.int32]:
        """Database rows of the positives of one query."""
        query = range(len(self))[query]
        return self.rows[self.indptr[query] : self.indptr[query + 1]]

    @property
    def counts(self) -> NDArray[np.int64]:
        """int64 (Q,): how many positives each query has."""
        return np.diff(self.indptr)


def find_positives(
    database_positions: ArrayLike, query_positions: ArrayLike, threshold: float = 25.0
) -> Positives:
    """Find the database images within `threshold` metres of each query, inclusive.

    A pair is positive when `dx * dx + dy * dy <= threshold * threshold` in float64, which is the
    rule of scikit-learn's `radius_neighbors` and so of the field's evaluation scripts.

    Parameters
    ----------
    database_positions, query_positions
        Easting and northing in metres, shapes (N, 2) and (Q, 2).
    threshold
        In metres.

    Raises
    ------
    DatasetError
        When a position is not finite, or an array has another shape.
    UsageError
        When the threshold is negative or not finite.

    Examples
    --------
    >>> found = find_positives([[0, 0], [0, 25], [0, 25.1]], [[0, 0], [500, 0]])
    >>> found[0].tolist(), found.counts.tolist()
    ([0, 1], [2, 0])
    """
    database = _checked(database_positions, "database")
    queries = _checked(query_positions, "query")
    _check_threshold(threshold)
    counts = np.zeros(len(queries), dtype=np.int64)
    found = [np.empty(0, dtype=np.int32)]
    for query, row in _pairs_within(database, queries, threshold):
        counts += np.bincount(query, minlength=len(queries))
        found.append(row)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Positives(indptr, np.concatenate(found))


def count_without_positives(
    database_positions: ArrayLike, query_positions: ArrayLike, threshold: float = 25.0
) -> int:
    """Count the queries that no prediction could localize; the rule is `find_positives`'s.

    >>> count_without_positives([[0, 0]], [[0, 25], [0, 25.1]])
    1
    """
    database = _checked(database_positions, "database")
    queries = _checked(query_positions, "query")
    _check_threshold(threshold)
    without = np.ones(len(queries), dtype=np.bool_)
    for query, _ in _pairs_within(database, queries, threshold):
        without[query] = False
    return int(np.count_nonzero(without))


def within(offsets: Positions, threshold: float) -> NDArray[np.bool_]:
    """The rule itself, on offsets (…, 2) in metres between two positions.

    >>> within(np.array([[15.0, 20.0], [15.0, 20.1]]), 25.0).tolist()
    [True, False]
    """
    east, north = offsets[..., 0], offsets[..., 1]
    result: NDArray[np.bool_] = east * east + north * north <= threshold * threshold
    return result


def _pairs_within(
    database: Positions, queries: Positions, threshold: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32]]]:
    """Pairs (query, database row) within the threshold: queries ascending, then rows.

    The plane is cut into square cells a little wider than the threshold, so that a query's
    positives lie in the 3 × 3 cells around it. Database rows are sorted by cell, row of cells after
    row of cells, and three ranges of that order hold each query's candidates.
    """
    if not len(database) or not len(queries):
        return
    cells, query_cells = _cells(database, queries, threshold)
    # Three cells in line and nothing but them: leave the ends of each line of cells empty.
    width = np.int64(max(cells[:, 0].max(), query_cells[:, 0].max()) + 2)
    kept = np.flatnonzero(_perhaps_near(cells, query_cells))
    keys = cells[kept, 1] * width + cells[kept, 0]
    order = np.argsort(keys, kind="stable")
    keys, kept = keys[order], kept[order].astype(np.int32)
    middle = query_cells[:, 1] * width + query_cells[:, 0]
    lines = middle[:, None] + np.array([-1, 0, 1]) * width
    starts = np.searchsorted(keys, lines - 1, side="left")
    sizes = np.searchsorted(keys, lines + 1, side="right") - starts
    for part in _parts(sizes.sum(axis=1), _PAIRS):
        some = sizes[part].ravel()
        ends = np.cumsum(some)
        within_range = np.arange(some.sum()) - np.repeat(ends - some, some)
        row = kept[np.repeat(starts[part].ravel(), some) + within_range]
        query = np.repeat(np.arange(part.start, part.stop), sizes[part].sum(axis=1))
        near = within(database[row] - queries[query], threshold)
        query, row = query[near], row[near]
        order = np.lexsort((row, query))
        yield query[order], row[order]


def _cells(
    database: Positions, queries: Positions, threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cell (column, line) of each position, from 1 up."""
    low = np.minimum(database.min(axis=0), queries.min(axis=0))
    high = np.maximum(database.max(axis=0), queries.max(axis=0))
    # The 0.1 % outweighs rounding in the division, and a million cells a side are enough.
    size = max(threshold * 1.001, float((high - low).max()) / 1e6) or 1.0
    return (
        np.floor((database - low) / size).astype(np.int64) + 1,
        np.floor((queries - low) / size).astype(np.int64) + 1,
    )


def _perhaps_near(cells: NDArray[np.int64], query_cells: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which database cells may touch a query's; sorting the rest of a large map would be waste.

    Looks up a table of hashed cells: true for every near cell, and for a few others by accident.
    """
    table = np.zeros(_TABLE, dtype=np.bool_)
    for east in (-1, 0, 1):
        for north in (-1, 0, 1):
            table[_hash(query_cells[:, 0] + east, query_cells[:, 1] + north)] = True
    return table[_hash(cells[:, 0], cells[:, 1])]


def _hash(column: NDArray[np.int64], line: NDArray[np.int64]) -> NDArray[np.int64]:
    mixed = (column + (line << 21)).astype(np.uint64) * _MIXER
    return (mixed >> np.uint64(64 - 22)).astype(np.int64)


def _parts(sizes: NDArray[np.int64], most: int) -> Iterator[slice]:
    """Consecutive slices of items whose sizes add up to about `most`, one item at least."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield slice(start, stop)
        start = stop


def _checked(positions: ArrayLike, role: str) -> Positions:
    found = np.asarray(positions, dtype=np.float64)
    if found.ndim != 2 or found.shape[1] != 2:
        if found.size == 0:
            return np.empty((0, 2))
        raise DatasetError(f"The {role} positions must be of shape (images, 2), not {found.shape}.")
    finite = np.isfinite(found).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise DatasetError(
            f"The {role} positions must be finite; row {row:,} is {found[row].tolist()}."
        )
    return found


def _check_threshold(threshold: float) -> None:
    if not 0 <= threshold < np.inf:
        raise UsageError(f"The threshold must be a distance in metres; found {threshold}.")
