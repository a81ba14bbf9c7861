"""What the report says, as plain values: which queries, in which order, and what was found.

The worst queries come first. They are ordered by the rank of their first positive, those without
one among their predictions before all others; then by how far away the best prediction is, the
farthest first; then in the dataset's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgbench.leaderboard.report.reading import Evaluation
from vgbench.retrieval.positives import find_positives
from vgbench.retrieval.recall import RECALL_VALUES, hits
from vgbench.retrieval.statistics import percent_interval

ORDER = (
    "The worst first: queries without a positive among their predictions, then those whose first "
    "positive has the highest rank; among equals, those whose best prediction is farthest away."
)
"""The order in words, for the page."""

FIRST_ROWS = 100
"""Queries that are in the HTML; a script draws the others when the reader comes near them."""


class Found(NamedTuple):
    """A database image as the page shows it: its row, metres from the query, and whether within
    the threshold; `distance` is between descriptors, None where it was not predicted."""

    row: int
    metres: float
    right: bool
    distance: float | None


@dataclass(frozen=True)
class Query:
    """A query as the page shows it.

    Attributes
    ----------
    index
        Its place in the dataset's order.
    rank
        The 1-based rank of its first positive; None where no prediction is one.
    positives
        How many database images are within the threshold.
    predictions
        The first of them, the nearest descriptor first.
    missed
        The nearest database image within the threshold, where no prediction that is shown is
        within it.
    """

    index: int
    condition: str | None
    rank: int | None
    positives: int
    predictions: tuple[Found, ...]
    missed: Found | None


class Recalls(NamedTuple):
    """A line of the table of recalls: hits, and recall with its interval in percent, at each N."""

    label: str
    queries: int
    hits: tuple[int, ...]
    cells: tuple[tuple[float, float, float], ...]


def best_metres(evaluation: Evaluation) -> NDArray[np.float64]:
    """Metres from each query to its best prediction, float64 (Q,)."""
    best = evaluation.database_positions[evaluation.rows[:, 0]]
    return _lengths(best - evaluation.query_positions)


def worst_first(
    first_hits: NDArray[np.int32], best_metres: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Indices of all queries in the order of the report.

    Parameters
    ----------
    first_hits
        int32 (Q,), 0-based ranks of first positives, −1 where there is none.
    best_metres
        float64 (Q,), metres to each query's best prediction.

    Examples
    --------
    >>> worst_first(np.array([0, -1, 3, -1, 0]), np.array([5.0, 90, 30, 400, 8])).tolist()
    [3, 1, 2, 4, 0]
    """
    ranks = np.where(first_hits < 0, np.iinfo(np.int32).max, first_hits)
    return np.lexsort((-best_metres, -ranks.astype(np.int64)))


def listed_queries(evaluation: Evaluation, count: int | None, top: int) -> list[Query]:
    """The `count` worst queries, or all, with their first `top` predictions."""
    chosen = worst_first(evaluation.first_hits, best_metres(evaluation))[:count]
    positives = find_positives(
        evaluation.database_positions, evaluation.query_positions[chosen], evaluation.threshold
    )
    return [
        _query(evaluation, int(index), positives[place], top) for place, index in enumerate(chosen)
    ]


def _query(
    evaluation: Evaluation,
    index: int,
    positives: NDArray[np.int32],
    top: int,
) -> Query:
    within = set(positives.tolist())  # by the rule itself: metres that are rounded may lie
    here = evaluation.query_positions[index]
    rows = evaluation.rows[index, :top]
    predictions = tuple(
        Found(row, away, row in within, distance)
        for row, away, distance in zip(
            rows.tolist(),
            _lengths(evaluation.database_positions[rows] - here).tolist(),
            evaluation.distances[index, :top].tolist(),
            strict=True,
        )
    )
    missed = None
    if within and not any(found.right for found in predictions):
        away = _lengths(evaluation.database_positions[positives] - here)
        nearest = int(np.argmin(away))
        missed = Found(int(positives[nearest]), float(away[nearest]), True, None)
    rank = int(evaluation.first_hits[index])
    return Query(
        index=index,
        condition=None if evaluation.conditions is None else str(evaluation.conditions[index]),
        rank=rank + 1 if rank >= 0 else None,
        positives=len(within),
        predictions=predictions,
        missed=missed,
    )


def groups(evaluation: Evaluation) -> list[tuple[str, NDArray[np.bool_]]]:
    """All queries, then those of each condition: the label and bool (Q,)."""
    everything = np.ones(len(evaluation.first_hits), np.bool_)
    found = [("all", everything)]
    if evaluation.conditions is not None:
        for label in sorted(set(evaluation.conditions.tolist())):
            found.append((label, evaluation.conditions == label))
    return found


def recall_table(evaluation: Evaluation, ns: Sequence[int] = RECALL_VALUES) -> list[Recalls]:
    """Recalls with 95 % Wilson intervals, of all queries and by condition."""
    ns = [n for n in ns if n <= evaluation.rows.shape[1]]
    table = []
    for label, chosen in groups(evaluation):
        total = int(chosen.sum())
        counts = tuple(hits(evaluation.first_hits[chosen], ns).values())
        cells = tuple((100 * count / total, *percent_interval(count, total)) for count in counts)
        table.append(Recalls(label, total, counts, cells))
    return table


def _lengths(offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.hypot(offsets[:, 0], offsets[:, 1])
    return found
