"""The queries that exactly one of two methods localizes, with the best prediction of each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgbench.datasets import Dataset, load_dataset
from vgbench.datasets.ground_truth import load_ground_truth
from vgbench.datasets.loading import is_installed
from vgbench.errors import DatasetError, VgbenchError
from vgbench.leaderboard.comparing import localized
from vgbench.leaderboard.opponents import Outcomes
from vgbench.places import data_root as place_of_data


class Best(NamedTuple):
    """What a method predicts for a query, and how far down its first positive is.

    `path` is None where the database's names are not known here, and `metres` where its positions
    are not. `rank` counts from 1; None where no prediction is a positive.
    """

    row: int
    path: str | None
    metres: float | None
    rank: int | None


class Case(NamedTuple):
    """A query that exactly one of two methods localizes: `better` is `"a"` or `"b"`."""

    query: int
    path: str
    condition: str | None
    better: str
    a: Best
    b: Best


@dataclass(frozen=True, eq=False)
class Disagreements:
    """The cases of one dataset and split at one N, the starkest first.

    `dataset` has the images where it is installed here; `predicted` is how many predictions each
    method has for a query.
    """

    cases: tuple[Case, ...]
    predicted: tuple[int, int]
    dataset: Dataset | None

    def of(self, better: str) -> tuple[Case, ...]:
        """The cases that only A (`"a"`) or only B localizes."""
        return tuple(case for case in self.cases if case.better == better)


def find_disagreements(
    a: Outcomes, b: Outcomes, n: int, data_root: str | os.PathLike[str] | None = None
) -> Disagreements:
    """Find the queries that exactly one of two methods localizes at N.

    The starkest are those whose first positive is far down for the other method, or nowhere.
    """
    dataset = _dataset(a, b, data_root)
    names = dataset.database_paths if dataset else _names(a)
    of_a, of_b = localized(a, n), localized(b, n)
    places = next(
        (side.database_positions for side in (a, b) if side.database_positions is not None),
        dataset.database_positions if dataset else None,
    )
    cases = []
    for query in np.flatnonzero(of_a != of_b).tolist():
        label = None if a.conditions is None else str(a.conditions[query])
        cases.append(
            Case(
                query,
                a.query_paths[query],
                label,
                "a" if of_a[query] else "b",
                _best(a, query, names, places),
                _best(b, query, names, places),
            )
        )
    cases.sort(key=_starkness)
    return Disagreements(tuple(cases), (a.rows.shape[1], b.rows.shape[1]), dataset)


def _starkness(case: Case) -> tuple[float, int, int]:
    winner, loser = (case.a, case.b) if case.better == "a" else (case.b, case.a)
    return (-(loser.rank or np.inf), winner.rank or 0, case.query)


def _best(
    outcomes: Outcomes,
    query: int,
    names: Sequence[str] | None,
    places: NDArray[np.float64] | None,
) -> Best:
    row, rank = int(outcomes.rows[query, 0]), int(outcomes.ranks[query])  # type: ignore[index]
    metres = None
    if places is not None and outcomes.query_positions is not None and 0 <= row < len(places):
        metres = float(np.hypot(*(places[row] - outcomes.query_positions[query])))
    known = names is not None and 0 <= row < len(names)
    return Best(
        row, names[row] if names and known else None, metres, rank + 1 if rank >= 0 else None
    )


def _dataset(a: Outcomes, b: Outcomes, data_root: str | os.PathLike[str] | None) -> Dataset | None:
    """The dataset with its images, if a result holds it or it is installed here."""
    for side in (a, b):
        if side.dataset is not None:
            return side.dataset
    root = place_of_data(data_root)
    if not is_installed(a.key.dataset, root):
        return None
    try:
        found = load_dataset(a.key.dataset, a.key.split, root)
    except VgbenchError:  # no such split here, or its manifest is damaged: names will do
        return None
    return found if found.ground_truth == a.key.ground_truth else None


def _names(outcomes: Outcomes) -> Sequence[str] | None:
    try:
        truth = load_ground_truth(outcomes.key.dataset, outcomes.key.split)
    except DatasetError:
        return None
    return truth.database_paths if truth.ground_truth == outcomes.key.ground_truth else None
