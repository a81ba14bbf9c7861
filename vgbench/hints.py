"""What a result suggests about how it came about: `hints`, one sentence or two each."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vgbench.descriptors.validation import unit_length
from vgbench.retrieval.positives import find_positives
from vgbench.retrieval.recall import first_hit, hits
from vgbench.retrieval.search import search

if TYPE_CHECKING:
    from vgbench.evaluation import Result

Rows = NDArray[Any]

LOW = 10.0
"""Percent localized at 1, of the queries with a positive, from which nobody asks whether it is
chance: the question costs a second."""

FEW = 30
"""Queries with a positive, below which no recall can be told from chance."""

LARGEST_COPY = 1 << 30
"""Bytes of descriptors in one array up to which another order of rows is tried."""


def hints(result: Result, database: Rows, queries: Rows, known_order: bool) -> tuple[str, ...]:
    """Say what a result's reader should know.

    Parameters
    ----------
    result
        Of the descriptors, not yet with hints.
    database, queries
        Descriptors (N, D) and (Q, D).
    known_order
        Whether the rows are certainly in the dataset's order, since vgbench made them.
    """
    found = []
    reachable = result.queries - result.queries_without_positives
    if reachable == 0:
        found.append(
            f"None of the queries has a database image within {result.threshold:g} m: every recall "
            "is 0 whatever the descriptors are. Are the positions in the names UTM metres?"
        )
    elif reachable >= FEW and 100 * result.hits[1] < LOW * reachable and (n := at_chance(result)):
        chance = f"R@{n} is no better than that of a random ranking."
        found.append(chance if known_order else f"{chance} {_order(result, database, queries)}")
    if result.distance == "l2" and not unit_length(database, queries):
        found += _what_cosine_gives(result, database, queries)
    return tuple(found)


def at_chance(result: Result) -> int | None:
    """The N at which no more queries are localized than a random ranking would localize, or None.

    No more is at most two standard deviations above the expected number. N is the largest at which
    a random ranking is expected to localize at most half of the queries: further up nothing shows.
    """
    dataset = result.dataset
    positives = find_positives(
        dataset.database_positions, dataset.query_positions, result.threshold
    )
    share = positives.counts / len(dataset.database_paths)
    for n in sorted(result.ns, reverse=True):
        chances = 1 - (1 - share) ** n
        if chances.sum() <= result.queries / 2:
            spread = math.sqrt((chances * (1 - chances)).sum())
            return n if result.hits[n] <= chances.sum() + 2 * spread else None
    return None


def _order(result: Result, database: Rows, queries: Rows) -> str:
    """What to do about the order of the rows."""
    width = np.result_type(database, queries).itemsize * database.shape[1]
    if (len(database) + len(queries)) * width <= LARGEST_COPY:
        whole = np.concatenate([database, queries])
        swapped = _hits_at_1(result, whole[len(queries) :], whole[: len(queries)], result.distance)
        if swapped > max(2 * result.hits[1], result.hits[1] + 5):
            return (
                f"With the rows taken as queries first, then database, R@1 would be "
                f"{100 * swapped / result.queries:.1f}: put the database's rows first."
            )
    dataset = result.dataset
    name = str(dataset.folder) if dataset.folder_given else f"{dataset.id}/{dataset.split}"
    return f"Are the rows in the order of `vgbench datasets info {shlex.quote(name)} --paths`?"


def _what_cosine_gives(result: Result, database: Rows, queries: Rows) -> list[str]:
    count = _hits_at_1(result, database, queries, "cosine")
    if count == result.hits[1]:
        return []
    return [
        f"The descriptors are not of unit length and are compared by L2: R@1 "
        f"{result.recalls[1]:.1f}. With --distance cosine it would be "
        f"{100 * count / result.queries:.1f}."
    ]


def _hits_at_1(result: Result, database: Rows, queries: Rows, distance: str) -> int:
    dataset = result.dataset
    found = search(database, queries, k=max(result.ns), distance=distance)
    ranks = first_hit(
        found.rows, dataset.database_positions, dataset.query_positions, result.threshold
    )
    return hits(ranks, (1,))[1]
