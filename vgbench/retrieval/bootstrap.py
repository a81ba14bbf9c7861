"""Paired bootstrap over queries or places: intervals of mean recalls, differences and ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgbench.errors import UsageError

SAMPLES = 10_000
"""Samples drawn where nothing else is asked: the ends of a 95 % interval then move by about a
hundredth of its width from one seed to another."""

_AT_ONCE = 1 << 22  # multinomial counts held at once


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Mean recalls of E methods, and what they were in S samples of the queries.

    Attributes
    ----------
    recall
        float64 (E,), percent: the mean over the datasets of the recalls as they are.
    samples
        float64 (S, E), percent: the same in each sample, in which all methods had the same queries.
    confidence
        Of the intervals, two-sided.
    """

    recall: NDArray[np.float64]
    samples: NDArray[np.float64]
    confidence: float = 0.95

    @property
    def interval(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The percentile interval of each mean recall: low and high, float64 (E,), percent."""
        low, high = self._percentiles(self.samples)
        return low, high

    def difference(self, a: int, b: int) -> tuple[float, float, float]:
        """Mean recall of method `b` less that of `a`, and its interval, in percentage points.

        The two are paired: a query that is hard for both moves neither.
        """
        low, high = self._percentiles(self.samples[:, b] - self.samples[:, a])
        return float(self.recall[b] - self.recall[a]), float(low), float(high)

    @property
    def rank_interval(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The interval of each method's rank, from 1 for the best: low and high, int32 (E,).

        A method's rank in a sample is 1 and the number of those that are strictly better there.
        """
        ordered = np.sort(self.samples, axis=1)
        ranks = np.empty(self.samples.shape, np.int32)
        for sample, row in enumerate(self.samples):
            ranks[sample] = len(row) + 1 - np.searchsorted(ordered[sample], row, side="right")
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(ranks, (tail, 1 - tail), axis=0, method="inverted_cdf")
        return low.astype(np.int32), high.astype(np.int32)

    def _percentiles(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        tail = (1 - self.confidence) / 2
        found: NDArray[np.float64] = np.quantile(values, (tail, 1 - tail), axis=0)
        return found


def bootstrap_recall(
    localized: Sequence[ArrayLike],
    places: Sequence[ArrayLike | None] | None = None,
    *,
    samples: int = SAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Bootstrap:
    """Resample the queries of several datasets, for all methods alike.

    Each dataset's P places are drawn with replacement, P − 1 of them, which makes the variance of
    the samples unbiased (McCarthy and Snowden, "The bootstrap and finite population sampling",
    Vital and Health Statistics 2-95, 1985); a recall is the queries localized over the queries
    drawn. Datasets are drawn apart, and weigh the same in the mean.

    Places with the same outcomes are exchangeable, so that only their numbers are drawn: one
    multinomial variate for each kind of place, instead of one for each query.

    Parameters
    ----------
    localized
        For each dataset bool of shape (E, Q): whether each of E methods localizes each query. E is
        the same for all, Q is not.
    places
        For each dataset integers of shape (Q,), the place of each query, as
        `vgbench.retrieval.places.group_places` gives them; None where every query is one of its
        own. Queries of one place are drawn together, since they succeed and fail together.
    samples
        How many to draw.
    confidence
        Of the intervals, two-sided.
    seed
        The same gives the same samples.

    Raises
    ------
    UsageError
        When shapes do not fit, a dataset has no query, or a number is out of range.

    Examples
    --------
    >>> a, b = [True] * 60 + [False] * 40, [True] * 45 + [False] * 55
    >>> found = bootstrap_recall([[a, b]])
    >>> [round(value) for value in found.difference(1, 0)]
    [15, 8, 22]
    """
    outcomes = [np.asarray(one, dtype=np.bool_) for one in localized]
    _check(outcomes, samples, confidence)
    groups = [None] * len(outcomes) if places is None else list(places)
    if len(groups) != len(outcomes):
        raise UsageError(f"{len(outcomes)} datasets need as many arrays of places, or none.")
    random = np.random.default_rng(seed)
    drawn = np.zeros((samples, len(outcomes[0])))
    recall = np.zeros(len(outcomes[0]))
    for found, group in zip(outcomes, groups, strict=True):
        kinds, counts = _kinds(found, group)
        drawn += _draw(kinds, counts, samples, random)
        recall += found.mean(axis=1)
    scale = 100 / len(outcomes)
    return Bootstrap(recall * scale, drawn * scale, confidence)


def _kinds(
    localized: NDArray[np.bool_], places: ArrayLike | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Kinds of places, int64 (kinds, 1 + E): queries and hits of each method; and how many."""
    queries = localized.shape[1]
    labels = np.arange(queries) if places is None else np.asarray(places)
    if labels.shape != (queries,):
        raise UsageError(f"{queries} queries need as many places; found shape {labels.shape}.")
    _, number = np.unique(labels, return_inverse=True)
    number = number.ravel()
    sizes = np.bincount(number)
    rows = [sizes, *(np.bincount(number, weights=one, minlength=len(sizes)) for one in localized)]
    kinds, counts = np.unique(np.stack(rows, axis=1).astype(np.int64), axis=0, return_counts=True)
    return kinds, counts


def _draw(
    kinds: NDArray[np.int64],
    counts: NDArray[np.int64],
    samples: int,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """The recall of each method in each sample, float64 (samples, E), as fractions."""
    places = int(counts.sum())
    recalls = np.empty((samples, kinds.shape[1] - 1))
    table = kinds.astype(np.float64)
    step = max(1, _AT_ONCE // len(counts))
    for start in range(0, samples, step):
        size = min(step, samples - start)
        weights = random.multinomial(max(places - 1, 1), counts / places, size=size)
        totals = weights.astype(np.float64) @ table
        recalls[start : start + size] = totals[:, 1:] / totals[:, :1]
    return recalls


def _check(outcomes: Sequence[NDArray[np.bool_]], samples: int, confidence: float) -> None:
    if not outcomes:
        raise UsageError("There is no dataset to resample.")
    shapes = [found.shape for found in outcomes]
    if any(len(shape) != 2 or not shape[1] for shape in shapes) or len({s[0] for s in shapes}) > 1:
        raise UsageError(
            f"Outcomes are of shape (methods, queries), with the same methods on each dataset; "
            f"found {', '.join(map(str, shapes))}."
        )
    if samples < 1 or not 0 < confidence < 1:
        raise UsageError(
            f"At least one sample and a confidence such as 0.95; found {samples}, {confidence}."
        )
