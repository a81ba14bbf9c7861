"""How far recalls can be believed: intervals, paired tests, and what a board can show at all.

Nothing here imports scipy, which takes longer to start than vgbench does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import overload

import numpy as np
from numpy.typing import NDArray

from vgbench.errors import UsageError

Counts = NDArray[np.integer]


@overload
def wilson_interval(hits: int, total: int, confidence: float = 0.95) -> tuple[float, float]: ...
@overload
def wilson_interval(
    hits: Counts, total: int | Counts, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def wilson_interval(
    hits: int | Counts, total: int | Counts, confidence: float = 0.95
) -> tuple[float, float] | tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the score interval of a proportion (Wilson, "Probable inference, the law of
    succession, and statistical inference", JASA 22, 1927), without continuity correction.

    The proportions p for which `|hits/total − p| ≤ z·√(p(1 − p)/total)`, so it stays within [0, 1]
    and has some width even where no query or every query was localized.

    Parameters
    ----------
    hits
        Queries localized, between 0 and `total`; an integer or an array.
    total
        All queries, at least 1; broadcasts against `hits`.
    confidence
        Two-sided, between 0 and 1.

    Returns
    -------
    low, high
        Fractions: floats for integers, float64 arrays for arrays.

    Raises
    ------
    UsageError
        When the counts or the confidence are out of range.

    Examples
    --------
    >>> low, high = wilson_interval(421, 1000)
    >>> f"{100 * low:.1f} to {100 * high:.1f}"
    '39.1 to 45.2'
    """
    successes, trials = np.broadcast_arrays(
        np.asarray(hits, dtype=np.float64), np.asarray(total, dtype=np.float64)
    )
    if not ((trials >= 1) & (successes >= 0) & (successes <= trials)).all():
        raise UsageError(f"An interval needs 0 ≤ hits ≤ total and 1 ≤ total: {hits} of {total}.")
    z = _normal_quantile(confidence)
    share = successes / trials
    scale = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    half = z * np.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2) / scale
    # At the ends the formula gives 0 and 1, which rounding would miss by a hair.
    low = np.where(successes == 0, 0.0, np.maximum(centre - half, 0.0))
    high = np.where(successes == trials, 1.0, np.minimum(centre + half, 1.0))
    if low.ndim == 0:
        return float(low), float(high)
    return low, high


def percent_interval(count: int, total: int) -> tuple[float, float]:
    """The 95 % Wilson interval of `count` localized queries out of `total`, in percent."""
    low, high = wilson_interval(count, total)
    return 100 * low, 100 * high


def mcnemar(only_a: int | Counts, only_b: int | Counts) -> float | NDArray[np.float64]:
    """The exact two-sided McNemar test of two methods on the same queries.

    Where both are equally good, each of the queries that exactly one of them localizes is A's or
    B's with probability 1/2; the p-value is the binomial test of that (McNemar, Psychometrika 12,
    1947; exact form as in `scipy.stats.binomtest(only_a, only_a + only_b)`).

    Parameters
    ----------
    only_a, only_b
        Queries that only A, and only B, localizes; integers, or arrays that broadcast.

    Returns
    -------
    float or NDArray[np.float64]
        p-values between 0 and 1; 1 where there is no such query.

    Examples
    --------
    >>> round(mcnemar(15, 4), 4)
    0.0192
    """
    a, b = np.broadcast_arrays(np.asarray(only_a, np.int64), np.asarray(only_b, np.int64))
    if (a < 0).any() or (b < 0).any():
        raise UsageError(f"Numbers of discordant queries are not negative: {only_a}, {only_b}.")
    few, trials = np.minimum(a, b).ravel(), (a + b).ravel()
    p = np.empty(few.shape)
    for n in np.unique(trials).tolist():
        chosen = trials == n
        p[chosen] = _tail(n, int(few[chosen].max()))[few[chosen]]
    p = np.minimum(1.0, 2.0 * p)
    return float(p[0]) if a.ndim == 0 else p.reshape(a.shape)


def _tail(n: int, last: int) -> NDArray[np.float64]:
    """P(X ≤ k) for k = 0 … `last`, X binomial of n trials at 1/2.

    Sums of logarithms, so that 2⁻ⁿ does not underflow; relative errors are about n·2⁻⁵³.
    """
    k = np.arange(1, last + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log((n - k + 1) / k))]) - n * math.log(2)
    tail: NDArray[np.float64] = np.cumsum(np.exp(logs))
    return tail


def holm(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust p-values of several tests so that the chance of any false finding stays at the level
    (Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 1979).

    Parameters
    ----------
    p_values
        Of any shape; all of them are one family.

    Returns
    -------
    NDArray[np.float64]
        Of the same shape, each at least the p-value it came from and at most 1.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, np.float64)
    flat = given.ravel()
    order = np.argsort(flat, kind="stable")
    adjusted = np.empty_like(flat)
    adjusted[order] = np.minimum(
        1.0, np.maximum.accumulate(flat[order] * np.arange(len(flat), 0, -1))
    )
    return adjusted.reshape(given.shape)


def possible_count(percent: float, queries: int, decimals: int = 2) -> bool:
    """Whether a percentage as it was printed can be a count of that many queries.

    Printed numbers are rounded, to the nearest or downwards, so a count fits when its percentage
    lies within half a unit of the last decimal below the printed one, and a whole unit above.

    Examples
    --------
    >>> possible_count(28.57, 315), possible_count(28.32, 315)
    (True, False)
    """
    if queries < 1 or not 0 <= percent <= 100:
        return False
    unit = 10.0**-decimals
    counts = np.arange(
        max(0, math.floor(percent * queries / 100) - 1),
        min(queries, math.ceil((percent + unit) * queries / 100) + 1) + 1,
    )
    above = 100 * counts / queries - percent
    slack = 1e-9  # what binary fractions miss
    return bool(((above >= -unit / 2 - slack) & (above < unit - slack)).any())


def smallest_difference(
    queries: int, discordant: float = 0.2, confidence: float = 0.95
) -> float | None:
    """The smallest difference in recall that a paired exact test can find significant.

    Parameters
    ----------
    queries
        Queries of the board.
    discordant
        The share of queries that exactly one of two methods localizes. A fifth is usual between
        methods of this field; the fewer they are, the smaller the differences that can be shown.

    Returns
    -------
    float or None
        Percentage points; None where no outcome on so few queries is significant.

    Examples
    --------
    >>> round(smallest_difference(315), 1)
    5.4
    """
    if queries < 1 or not 0 < discordant <= 1:
        raise UsageError(
            f"A board has at least one query, and a share of them discordant; found {queries} "
            f"queries and {discordant}."
        )
    count = max(1, round(discordant * queries))
    fewer = np.arange(count // 2 + 1)
    significant = fewer[np.asarray(mcnemar(fewer, count - fewer)) < 1 - confidence]
    if not len(significant):
        return None
    return float(100 * (count - 2 * significant.max()) / queries)


@lru_cache
def _normal_quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise UsageError(f"A confidence lies between 0 and 1, such as 0.95; found {confidence}.")
    return NormalDist().inv_cdf((1 + confidence) / 2)
