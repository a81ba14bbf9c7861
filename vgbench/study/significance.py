"""Which differences of the study are more than chance: those measured here, and those printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vgbench.retrieval.statistics import holm, mcnemar
from vgbench.study.printed import QUERIES, STEPS, printed_row
from vgbench.study.results import Evaluation, Study

LEVEL = 0.05


@dataclass(frozen=True)
class MeasuredStep:
    """Two recipes on the same queries: recalls in percent, and who alone localizes how many.

    `p` is the exact McNemar test's p-value; `adjusted` is it after Holm's correction over the steps
    of this test set.
    """

    before: str
    after: str
    recall_before: float
    recall_after: float
    only_before: int
    only_after: int
    p: float
    adjusted: float

    @property
    def significant(self) -> bool:
        """At 5 %, after the correction."""
        return self.adjusted < LEVEL


@dataclass(frozen=True)
class PrintedStep:
    """What can be said of a difference between two printed recalls without the queries.

    Of two methods that localize `before` and `after` of Q queries, the number of queries that
    exactly one of them localizes is between `abs(after − before)` and
    `min(before + after, 2Q − before − after)`. The paired test's p-value grows with it.

    Attributes
    ----------
    before, after
        The recipes.
    dataset, n
        The test set, and the N of recall@N.
    printed_before, printed_after
        As printed.
    difference
        Queries, the nearest whole number where a printed value is no count; negative for a loss.
    p_least, p_most
        The p-values at both ends, alone.
    adjusted_least, adjusted_most
        After Holm's correction over the steps of this test set. Holm's adjusted values do not fall
        when a p-value rises, so these bound the true ones.
    discordant_most
        The most queries that exactly one of the two may localize for p < 0.05 alone; None where no
        number will do.
    """

    before: str
    after: str
    dataset: str
    n: int
    printed_before: str
    printed_after: str
    difference: int
    p_least: float
    p_most: float
    adjusted_least: float
    adjusted_most: float
    discordant_most: int | None

    @property
    def verdict(self) -> str:
        """`no`, `possible` or `yes`: can it be significant at 5 %, after the correction?"""
        if self.adjusted_least >= LEVEL:
            return "no"
        return "yes" if self.adjusted_most < LEVEL else "possible"


def measured_steps(study: Study, where: str, n: int = 1) -> list[MeasuredStep]:
    """Test every step of the study of which both recipes were evaluated on a split."""
    found: list[MeasuredStep] = []
    for before, after in STEPS:
        runs = study.run_of(before), study.run_of(after)
        old, new = (run.on(where) if run else None for run in runs)
        if old is None or new is None or old.ground_truth != new.ground_truth:
            continue
        only_before, only_after, p = paired(old, new, n)
        a, b = (100 * float(one.localized(n).mean()) for one in (old, new))
        found.append(MeasuredStep(before, after, a, b, only_before, only_after, p, p))
    adjusted = holm([step.p for step in found])
    return [replace(step, adjusted=float(p)) for step, p in zip(found, adjusted, strict=True)]


def paired(a: Evaluation, b: Evaluation, n: int = 1) -> tuple[int, int, float]:
    """Queries that only A, and only B, localizes at N, and the exact McNemar test's p-value."""
    x, y = a.localized(n), b.localized(n)
    only_a, only_b = int((x & ~y).sum()), int((y & ~x).sum())
    return only_a, only_b, float(mcnemar(only_a, only_b))


def printed_steps(dataset: str, n: int = 1) -> list[PrintedStep]:
    """Bound the paired test of every printed difference on a test set of the study.

    >>> dict(verdicts(printed_steps("tokyo-xs")))
    {'yes': 0, 'possible': 5, 'no': 9}
    """
    found = []
    queries = QUERIES[dataset]
    for before, after in STEPS:
        old, new = printed_row(before, dataset), printed_row(after, dataset)
        if old is None or new is None:
            continue
        a, b = (round(float(row.recalls[n]) * queries / 100) for row in (old, new))
        least, most, discordant = paired_bounds(a, b, queries)
        found.append(
            PrintedStep(
                before, after, dataset, n, old.recalls[n], new.recalls[n],
                b - a, least, most, least, most, discordant,
            )
        )  # fmt: skip
    low, high = holm([step.p_least for step in found]), holm([step.p_most for step in found])
    return [
        replace(step, adjusted_least=float(a), adjusted_most=float(b))
        for step, a, b in zip(found, low, high, strict=True)
    ]


def paired_bounds(before: int, after: int, queries: int) -> tuple[float, float, int | None]:
    """The least and greatest p-value of a paired test of two counts, and the discordance it takes.

    Every number of discordant queries that the two counts allow is tried.

    Parameters
    ----------
    before, after
        Queries that each of two methods localizes, out of `queries`.

    Returns
    -------
    least, most, discordant
        p-values, and the greatest number of discordant queries with p < 0.05, None without any.

    Examples
    --------
    >>> paired_bounds(90, 101, 315)[2]
    25
    """
    few, many = min(before, after), max(before, after)
    # `common` queries are localized by both: never more than the worse has, and enough for all.
    common = np.arange(max(0, before + after - queries), few + 1)
    p = np.asarray(mcnemar(few - common, many - common))
    enough = (few + many - 2 * common)[p < LEVEL]
    return float(p.min()), float(p.max()), int(enough.max()) if len(enough) else None


def verdicts(steps: Sequence[PrintedStep]) -> Mapping[str, int]:
    """How many of the steps are `yes`, `possible` and `no`."""
    return {word: sum(step.verdict == word for step in steps) for word in ("yes", "possible", "no")}
