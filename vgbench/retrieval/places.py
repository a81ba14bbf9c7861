"""Which queries are of one place: they succeed and fail together, so they count less than as many
queries of different places."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgbench.errors import DatasetError, UsageError

PLACE_RADIUS = 25.0
"""Metres. Queries that are nearer to each other than the threshold of recall share positives."""


def group_places(positions: ArrayLike, radius: float = PLACE_RADIUS) -> NDArray[np.int64]:
    """Number the place of each query.

    Taken by easting, then northing, each query joins the nearest place that was begun within
    `radius` metres of it, or begins one of its own. So no place is wider than two radii, however
    densely a street was photographed; chains of neighbours would make one place of it.

    Parameters
    ----------
    positions
        Easting and northing in metres, shape (Q, 2).
    radius
        In metres; 0 groups queries of equal position only.

    Returns
    -------
    int64 (Q,)
        Numbers from 0 without gaps, in the order in which queries first name them. The groups do
        not depend on the order of the queries.

    Raises
    ------
    DatasetError
        When positions are not finite, or not of shape (Q, 2).
    UsageError
        When the radius is negative or not finite.

    Examples
    --------
    >>> group_places([[0, 0], [500, 0], [3, 4], [500, 10]]).tolist()
    [0, 1, 0, 1]
    """
    points = np.asarray(positions, dtype=np.float64)
    if points.size == 0:
        return np.empty(0, np.int64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise DatasetError(
            f"Positions must be finite and of shape (queries, 2); found shape {points.shape}."
        )
    if not 0 <= radius < math.inf:
        raise UsageError(f"A radius is a distance in metres; found {radius}.")
    size = max(radius * 1.001, 1e-3)  # the 0.1 % outweighs rounding in the division
    cells = np.floor((points - points.min(axis=0)) / size).astype(np.int64).tolist()
    spots = points.tolist()
    begun: dict[tuple[int, int], list[int]] = {}
    leaders = np.empty(len(points), np.int64)
    for query in np.lexsort((points[:, 1], points[:, 0])).tolist():
        (east, north), (column, line) = spots[query], cells[query]
        nearest, leader = math.inf, query
        for near in range(column - 1, column + 2):
            for beside in range(line - 1, line + 2):
                for other in begun.get((near, beside), ()):
                    away = math.hypot(east - spots[other][0], north - spots[other][1])
                    if away <= radius and away < nearest:
                        nearest, leader = away, other
        if leader == query:
            begun.setdefault((column, line), []).append(query)
        leaders[query] = leader
    _, first, inverse = np.unique(leaders, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[inverse.ravel()]


def mcnemar_by_place(differences: ArrayLike) -> float:
    """The exact two-sided test of two methods whose outcomes at one place hang together.

    Where both are equally good, the outcomes of all queries of a place could be A's or B's alike:
    each place's difference keeps or changes its sign with probability 1/2, independently of the
    other places. The p-value is the probability of a sum as far from 0 as the one found (a
    permutation test over pairs: Fisher, "The Design of Experiments", 1935, chapter 3). Where every
    query is a place of its own, it is `vgbench.retrieval.statistics.mcnemar`.

    Parameters
    ----------
    differences
        Integers (P,): for each place the queries that only B localizes less those that only A does.

    Returns
    -------
    float
        Between 0 and 1; 1 where the differences add up to 0.

    Examples
    --------
    >>> round(mcnemar_by_place([1] * 4 + [-1] * 15), 4)
    0.0192
    >>> round(mcnemar_by_place([9, 9, 9]), 4)  # 27 queries, and no more than three places
    0.25
    """
    found = np.asarray(differences, dtype=np.int64).ravel()
    total = abs(int(found.sum()))
    if total == 0:
        return 1.0
    chances = np.ones(1)  # of each sum from −reach to reach
    for size, count in zip(*np.unique(np.abs(found[found != 0]), return_counts=True), strict=True):
        # `count` signs give sums that are 2 × size apart.
        spread = np.zeros(2 * int(size) * int(count) + 1)
        spread[:: 2 * int(size)] = _fair_coins(int(count))
        chances = np.convolve(chances, spread)
    reach = len(chances) // 2
    sums = np.abs(np.arange(-reach, reach + 1))
    return float(min(1.0, chances[sums >= total].sum()))


def _fair_coins(count: int) -> NDArray[np.float64]:
    """Chances of 0 … `count` heads."""
    heads = np.arange(1, count + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log((count - heads + 1) / heads))])
    chances: NDArray[np.float64] = np.exp(logs - count * math.log(2))
    return chances
