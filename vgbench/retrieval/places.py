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
