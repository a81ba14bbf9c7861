"""Is B better than A? Two entries or results, query by query, with exact tests and a verdict."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vgbench.errors import UsageError
from vgbench.evaluation import Result
from vgbench.leaderboard.comparison import (
    Compared,
    Comparison,
    Counts,
    MeanRecall,
    PairedTest,
    PlaceDifference,
    Skipped,
)
from vgbench.leaderboard.opponents import Opponent, Outcomes, find_opponent
from vgbench.leaderboard.text import clean_text
from vgbench.retrieval.bootstrap import bootstrap_recall
from vgbench.retrieval.places import group_places, mcnemar_by_place
from vgbench.retrieval.statistics import holm, mcnemar


def compare(
    a: Result | str | os.PathLike[str],
    b: Result | str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    *,
    datasets: Iterable[str] = (),
    ns: Iterable[int] = (),
    data_root: str | os.PathLike[str] | None = None,
) -> Comparison:
    """Compare two methods query by query.

    Each test is an exact McNemar test, by query and, where several queries are of one place, by
    place; a difference is one that both show. p-values are adjusted by Holm's method over the Ns
    and datasets shown; those of conditions are a second family, adjusted over all of it.

    Parameters
    ----------
    a, b
        Results, slugs of the board, or paths of submissions' folders.
    root, data_root
        The board's folder, and where datasets are; see `vgbench.places`.
    datasets
        `"tokyo-xs"` or `"tokyo-xs/test"`: only these; otherwise all that both have.
    ns
        Only these N of recall@N; otherwise all that both have.

    Returns
    -------
    Comparison
        `results`, one for each dataset, split and N, with counts, p-values, conditions and places;
        `means` over several datasets; `verdict`, one sentence; `to_frame()` and `to_json()`.

    Raises
    ------
    UsageError
        When there is no such entry, or nothing to compare: other fingerprints, another threshold
        or protocol, no common dataset. Says which.
    SubmissionError
        When a folder is not a valid submission.

    Notes
    -----
    McNemar, Note on the sampling error of the difference between correlated proportions or
    percentages, Psychometrika 12 (1947), in its exact, binomial form. Holm, A simple sequentially
    rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).

    Examples
    --------
    Two sets of descriptors that are random numbers, on the included dataset:

    >>> import tempfile, numpy as np, vgbench
    >>> random = np.random.default_rng(0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dataset = vgbench.load_dataset("demo-city", "val", data_root=folder)
    ...     a, b = (vgbench.score(random.random((252, 8), np.float32), dataset) for _ in "ab")
    ...     found = vgbench.compare(a, b, ns=[1])
    >>> found.results[0].test.counts
    Counts(only_a=7, only_b=3, both=0, neither=62)
    >>> found.verdict
    'The data cannot tell A and B apart: no difference is significant (p = 0.36).'
    """
    first, second = find_opponent(a, root, data_root), find_opponent(b, root, data_root)
    if first.label == second.label:
        if not isinstance(a, Result) and not isinstance(b, Result):
            raise UsageError(f"{first.label} is compared with itself: name two entries.")
        first, second = replace(first, label="A"), replace(second, label="B")
    pairs, skipped = _pair(first, second, [clean_text(name) for name in datasets])
    wanted = sorted(set(ns))
    results: list[Compared] = []
    for of_a, of_b in pairs:
        results += _compare_pair(of_a, of_b, wanted)
    if wanted and len({result.n for result in results}) < len(wanted):
        held = sorted({n for pair in pairs for n in _common_ns(*pair)})
        raise UsageError(f"Both were evaluated at N = {', '.join(map(str, held))} only.")
    return Comparison(
        first,
        second,
        tuple(_adjusted(results)),
        tuple(skipped),
        tuple(_means(pairs, wanted)),
        {_name(of_a): (of_a, of_b) for of_a, of_b in pairs},
    )


def _pair(
    a: Opponent, b: Opponent, datasets: Sequence[str]
) -> tuple[list[tuple[Outcomes, Outcomes]], list[Skipped]]:
    """The outcomes that may be compared, and what may not."""
    of_b = {(found.key.dataset, found.key.split): found for found in b.outcomes}
    both, skipped = [], []
    for found in a.outcomes:
        other = of_b.get((found.key.dataset, found.key.split))
        names = {found.key.dataset, f"{found.key.dataset}/{found.key.split}"}
        if other is None or (datasets and not names.intersection(datasets)):
            continue
        reason = why_not(found, other)
        if reason is None:
            both.append((found, other))
        else:
            skipped.append(Skipped(f"{found.key.dataset}/{found.key.split}", reason))
    seen = {key for found, _ in both for key in (found.key.dataset, _name(found))}
    refused = {key for name, _ in skipped for key in (name, name.partition("/")[0])}
    missing = [name for name in datasets if name not in seen and name not in refused]
    if missing or (not both and not skipped):
        lack = f"do not both have {missing[0]!r}" if missing else "have no dataset in common"
        raise UsageError(f"{a.label} and {b.label} {lack}. {_held(a)} {_held(b)}")
    asked = [name for name in datasets if name not in seen]
    if asked or not both:
        lines = "\n".join(f"  {name}: {reason}" for name, reason in skipped)
        raise UsageError(f"{a.label} and {b.label} cannot be compared:\n{lines}")
    return both, skipped


def why_not(a: Outcomes, b: Outcomes) -> str | None:
    """Why two outcomes of one dataset and split may not be compared; None where they may.

    A difference in recall says something of the methods only where queries, images, threshold and
    protocol are the same.
    """
    for side in (a, b):
        if side.unknown is not None:
            return side.unknown
    one, other = a.key, b.key
    if one.protocol != other.protocol:
        return f"protocols {one.protocol} and {other.protocol} count differently"
    if one.threshold != other.threshold:
        return f"the thresholds are {one.threshold:g} m and {other.threshold:g} m"
    if one.ground_truth != other.ground_truth or list(a.query_paths) != list(b.query_paths):
        return (
            f"the ground truths differ ({_short(one.ground_truth)} and "
            f"{_short(other.ground_truth)}): other queries or database images, or another order"
        )
    if one.content is None or other.content is None:
        return "unknown which images were described, so it may be others that were compared"
    if one.content != other.content:
        return (
            f"other images under the same names ({_short(one.content)} and "
            f"{_short(other.content)}), such as another edition or size"
        )
    return None if _common_ns(a, b) else "they were evaluated at no N in common"


def localized(outcomes: Outcomes, n: int) -> NDArray[np.bool_]:
    """Which queries are localized at N, bool (Q,)."""
    assert outcomes.ranks is not None
    found: NDArray[np.bool_] = (outcomes.ranks >= 0) & (outcomes.ranks < n)
    return found


def places_of(outcomes: Outcomes) -> NDArray[np.int64]:
    """The place of each query, int64 (Q,); each its own where positions are unknown."""
    if outcomes.query_positions is None:
        return np.arange(len(outcomes.query_paths))
    return group_places(outcomes.query_positions)


def _compare_pair(a: Outcomes, b: Outcomes, wanted: Sequence[int]) -> list[Compared]:
    labels = a.conditions if a.conditions is not None else b.conditions
    where = a.query_positions
    places = places_of(a)
    results = []
    for n in _common_ns(a, b):
        if wanted and n not in wanted:
            continue
        of_a, of_b = localized(a, n), localized(b, n)
        conditions = {}
        for label in [] if labels is None else sorted(set(labels.tolist())):
            of_label = labels == label
            conditions[clean_text(label)] = _test(of_a[of_label], of_b[of_label], places[of_label])
        _, low, high = bootstrap_recall([[of_a, of_b]], [places]).difference(0, 1)
        results.append(
            Compared(
                a.key,
                n,
                _test(of_a, of_b, places),
                conditions if len(conditions) > 1 else {},
                () if where is None else _places(of_a, of_b, places, where),
                int(places.max()) + 1,
                (low, high),
            )
        )
    return results


def _means(pairs: Sequence[tuple[Outcomes, Outcomes]], wanted: Sequence[int]) -> list[MeanRecall]:
    """Mean recalls at each N, over the datasets that have it."""
    found = []
    for n in sorted({n for pair in pairs for n in _common_ns(*pair)}):
        having = [pair for pair in pairs if n in _common_ns(*pair)]
        if len(having) < 2 or (wanted and n not in wanted):
            continue
        drawn = bootstrap_recall(
            [[localized(side, n) for side in pair] for pair in having],
            [places_of(of_a) for of_a, _ in having],
        )
        low, high = (ends.tolist() for ends in drawn.interval)
        found.append(
            MeanRecall(
                n,
                tuple(_name(of_a) for of_a, _ in having),
                (float(drawn.recall[0]), float(drawn.recall[1])),
                ((low[0], high[0]), (low[1], high[1])),
                drawn.difference(0, 1),
            )
        )
    return found


def _test(
    of_a: NDArray[np.bool_], of_b: NDArray[np.bool_], places: NDArray[np.int64]
) -> PairedTest:
    both = int(np.count_nonzero(of_a & of_b))
    only_a, only_b = (int(np.count_nonzero(one)) - both for one in (of_a, of_b))
    counts = Counts(only_a, only_b, both, len(of_a) - both - only_a - only_b)
    net = np.bincount(places, weights=of_b.astype(np.float64) - of_a)
    return PairedTest(counts, float(mcnemar(only_a, only_b)), mcnemar_by_place(net))


def _places(
    of_a: NDArray[np.bool_],
    of_b: NDArray[np.bool_],
    places: NDArray[np.int64],
    where: NDArray[np.float64],
) -> tuple[PlaceDifference, ...]:
    found = []
    for place in np.unique(places[of_a != of_b]).tolist():
        rows = np.flatnonzero(places == place)
        east, north = where[rows].mean(axis=0).tolist()
        only_a = int(np.count_nonzero(of_a[rows] & ~of_b[rows]))
        only_b = int(np.count_nonzero(of_b[rows] & ~of_a[rows]))
        found.append(PlaceDifference(east, north, len(rows), only_a, only_b, tuple(rows.tolist())))
    return tuple(
        sorted(found, key=lambda p: (-abs(p.only_b - p.only_a), -p.only_a - p.only_b, p.rows))
    )


def _adjusted(results: Sequence[Compared]) -> list[Compared]:
    """The results with p-values adjusted: of all queries one family, of conditions another."""
    whole = iter(_family([result.test for result in results]))
    parts = iter(_family([test for result in results for test in result.conditions.values()]))
    return [
        replace(
            result,
            test=next(whole),
            conditions={label: next(parts) for label in result.conditions},
        )
        for result in results
    ]


def _family(tests: Sequence[PairedTest]) -> list[PairedTest]:
    by_query = holm([test.p_value for test in tests]).tolist()
    by_place = holm([test.p_by_place for test in tests]).tolist()
    return [
        replace(test, p_adjusted=one, p_by_place_adjusted=other)
        for test, one, other in zip(tests, by_query, by_place, strict=True)
    ]


def _common_ns(a: Outcomes, b: Outcomes) -> list[int]:
    return sorted(set(a.ns) & set(b.ns))


def _name(outcomes: Outcomes) -> str:
    return f"{outcomes.key.dataset}/{outcomes.key.split}"


def _held(opponent: Opponent) -> str:
    names = ", ".join(sorted(_name(found) for found in opponent.outcomes))
    return f"{opponent.label} has {names or 'none'}."


def _short(fingerprint: str | None) -> str:
    return "unknown" if fingerprint is None else f"{fingerprint[:12]}…"
