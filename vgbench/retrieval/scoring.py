"""What "nearer" means, to the last bit: scores in float64 that no machine computes differently.

Every step is an elementwise IEEE 754 operation (conversion, difference, product, sum, quotient,
square root) in an order that depends on the dimension alone. So a score is the same whatever the
SIMD width, BLAS, number of threads or position in memory, and two rows with equal bytes have equal
scores. Ties are then real ties, and are broken by the row's number.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]
Vectors = NDArray[np.float64]

DISTANCES = ("l2", "cosine", "ip")
"""The distances there are: Euclidean, 1 − cosine similarity, and negative inner product."""

ROUNDING_64 = 2.0**-53
"""Unit roundoff of float64."""

_SAFE_EXPONENT = 300  # values within 2**±300 neither overflow nor vanish when squared and summed
_CHUNK = 1 << 18  # elements worked on at once: 2 MB of float64, which stays in a core's cache

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Scoring:
    """How rows as given become float64 vectors, and pairs of those a score (smaller is nearer).

    The score is the squared Euclidean distance of the vectors for `l2` and `cosine` (whose vectors
    have unit length, so half of it is 1 − cosine, without the cancellation that subtracting the
    cosine from one would bring), and the negative inner product for `ip`.

    Attributes
    ----------
    distance
        One of `DISTANCES`.
    dimension
        D, the number of columns of the rows as given.
    exponent
        The vectors are the rows times 2**exponent: 0, except for float64 values so large or small
        that their squares would overflow or vanish.
    """

    distance: str
    dimension: int
    exponent: int = 0

    @property
    def inner(self) -> bool:
        """Whether the score is an inner product and not a squared Euclidean distance."""
        return self.distance == "ip"

    def is_plain(self, rows: Rows) -> bool:
        """Whether the rows as given are the vectors already, ready for a float32 engine."""
        return (
            self.distance != "cosine"
            and self.exponent == 0
            and rows.dtype == np.float32
            and rows.dtype.isnative
            and rows.flags.c_contiguous
        )

    def database_vectors(self, rows: Rows) -> Vectors:
        """Float64 vectors (n, D′) of database rows (n, D); always a copy."""
        return self._vectors(rows, zero_column=0)

    def query_vectors(self, rows: Rows) -> Vectors:
        """Float64 vectors (n, D′) of query rows (n, D); always a copy."""
        return self._vectors(rows, zero_column=1)

    def _vectors(self, rows: Rows, zero_column: int) -> Vectors:
        if self.distance == "cosine":
            return _unit_vectors(rows, zero_column)
        vectors = np.array(rows, dtype=np.float64, order="C")
        if self.exponent:
            np.ldexp(vectors, self.exponent, out=vectors)
        return vectors

    def scores(self, database: Vectors, queries: Vectors) -> Vectors:
        """Scores of pairs of vectors, along the last axis; `database` is overwritten.

        `queries` broadcasts against `database` of shape (…, D′); the result has shape (…).
        """
        if self.inner:
            np.multiply(database, queries, out=database)
            return -sum_in_fixed_order(database)
        np.subtract(database, queries, out=database)
        np.multiply(database, database, out=database)
        return sum_in_fixed_order(database)

    def distances(self, scores: Vectors) -> NDArray[np.float32]:
        """What is stored: the Euclidean distance, 1 − cosine, or −q·d, as float32.

        A value beyond float32's range becomes infinite, or zero.
        """
        with np.errstate(over="ignore", under="ignore"):
            if self.distance == "cosine":
                exact = scores / 2
            elif self.inner:
                exact = np.ldexp(scores, -2 * self.exponent)
            else:
                exact = np.ldexp(np.sqrt(scores), -self.exponent)
            return exact.astype(np.float32)


def scoring_for(distance: str, database: Rows, queries: Rows) -> Scoring:
    """The scoring of a distance for these rows, scaled where float64 alone would not do."""
    dimension = database.shape[1]
    if distance == "cosine" or max(database.dtype.itemsize, queries.dtype.itemsize) < 8:
        return Scoring(distance, dimension)  # float32 squares fit float64 whatever they are
    largest = max(_largest(database), _largest(queries))
    exponent = int(np.frexp(largest)[1]) if largest else 0
    return Scoring(distance, dimension, 0 if abs(exponent) <= _SAFE_EXPONENT else -exponent)


def sum_in_fixed_order(values: Vectors) -> Vectors:
    """Sum along the last axis by adding its second half to its first; `values` is overwritten.

    The order depends on the length alone, and the error is that of pairwise summation: at most
    ⌈log₂ n⌉ roundings (Higham, "The accuracy of floating point summation", SIAM J. Sci. Comput.
    14, 1993).

    >>> float(sum_in_fixed_order(np.array([1.0, 2.0, 3.0, 4.0, 5.0])))
    15.0
    """
    length = values.shape[-1]
    while length > 1:
        half = length // 2
        # Of an odd length the middle stays where it is and is summed in the next round.
        first, second = values[..., :half], values[..., length - half : length]
        np.add(first, second, out=first)
        length -= half
    return values[..., 0]


def chunks(count: int, elements_each: int) -> list[slice]:
    """Slices of `range(count)` whose work, at `elements_each` a piece, stays in the cache."""
    step = max(1, _CHUNK // max(1, elements_each))
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


def in_threads(function: Callable[[Given], Made], pieces: Iterable[Given]) -> list[Made]:
    """Map over independent pieces on all cores: numpy releases the GIL inside array operations."""
    pieces = list(pieces)
    workers = min(usable_cores(), len(pieces))
    if workers < 2:
        return [function(piece) for piece in pieces]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, pieces))


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _unit_vectors(rows: Rows, zero_column: int) -> Vectors:
    """Rows divided by their length, with two more columns that are zero but for all-zero rows.

    An all-zero row has no direction. It becomes a unit vector along an axis of its own, one for
    the database and one for queries, and so is at 1 − cos = 1 from everything.
    """
    count, dimension = rows.shape
    vectors = np.zeros((count, dimension + 2))
    given = vectors[:, :dimension]
    given[...] = rows
    if rows.dtype.itemsize == 8:  # squares of float64 can overflow or vanish: scale each row
        _, exponents = np.frexp(np.abs(given).max(axis=1))
        np.ldexp(given, -exponents[:, None], out=given)
    lengths = np.sqrt(sum_in_fixed_order(given * given))
    empty = lengths == 0
    lengths[empty] = 1
    np.divide(given, lengths[:, None], out=given)
    vectors[empty, dimension + zero_column] = 1
    return vectors


def _largest(rows: Rows) -> float:
    """The largest absolute value."""
    parts = chunks(len(rows), rows.shape[1])
    return max(float(max(rows[part].max(), -rows[part].min())) for part in parts)
