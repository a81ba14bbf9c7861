"""How far a recall can be believed: confidence intervals of a share of queries."""

from __future__ import annotations

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


@lru_cache
def _normal_quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise UsageError(f"A confidence lies between 0 and 1, such as 0.95; found {confidence}.")
    return NormalDist().inv_cdf((1 + confidence) / 2)
