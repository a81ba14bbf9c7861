"""A comparison in a terminal or a pipe: plain lines that fit 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from vgbench.leaderboard.comparison import (
    LEVEL,
    Compared,
    Comparison,
    MeanRecall,
    PairedTest,
    PlaceDifference,
)
from vgbench.leaderboard.text import fill_lines, pad, shorten
from vgbench.leaderboard.verdicts import p_number
from vgbench.retrieval.places import PLACE_RADIUS
from vgbench.retrieval.statistics import percent_interval, smallest_difference

WIDTH = 79
PLACES = 5
"""Places listed for each side of a dataset."""

_METHOD = (
    "p: exact McNemar test on the queries that only one localizes. adj. p: by Holm's method over "
    "the Ns and datasets shown, and apart over conditions; the larger of two, by query and by "
    f"place, since queries of one place succeed together. *: below {LEVEL:g}. In brackets: 95 % "
    "intervals."
)

_LABEL = 7
_RECALL = 17
_HEAD = (
    f"{'':{_LABEL}}{'A':<{_RECALL}} {'B':<{_RECALL}}{'B−A':>6} {'only A':>6} {'only B':>6} "
    f"{'p':>7} {'adj. p':>7}"
)


def text(comparison: Comparison) -> str:
    """The comparison as lines: recalls, tests, conditions, places, and the verdict at the end."""
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    for side, opponent in (("A", comparison.a), ("B", comparison.b)):
        known = opponent.name if opponent.name and opponent.name != opponent.label else ""
        yield shorten(f"{side}  {opponent.label}" + (f" ({known})" if known else ""), WIDTH)
    for dataset, group in groupby(comparison.results, key=lambda result: result.dataset):
        results = list(group)
        first = results[0]
        yield ""
        yield f"{dataset}: {first.test.counts.queries:,} queries at {first.place_count:,} places"
        yield _HEAD
        for result in results:
            yield _row(f"R@{result.n}", result.test)
        yield from _resampled(results)
        yield from _conditions(results)
        yield from _places(first)
        yield from _resolution(first)
    yield from _means(comparison.means)
    yield ""
    yield from _wrapped(comparison.verdict)
    yield ""
    yield from _wrapped(_METHOD)


def _row(label: str, test: PairedTest) -> str:
    cells = [_recall(count, test.counts.queries) for count in test.counts.hits]
    mark = "*" if test.better else ""
    return (
        f"{pad(shorten(label, _LABEL - 1), _LABEL)}{cells[0]:<{_RECALL}} {cells[1]:<{_RECALL}}"
        f"{test.difference:>+6.1f} {test.counts.only_a:>6,} {test.counts.only_b:>6,} "
        f"{p_number(test.p_value):>7} {p_number(test.p_shown):>7}{mark}"
    )


def _recall(count: int, queries: int) -> str:
    low, high = percent_interval(count, queries)
    upper = f"{high:.1f}".replace("100.0", "100")
    return f"{100 * count / queries:5.1f} [{low:.1f}–{upper}]"


def _resampled(results: Sequence[Compared]) -> Iterator[str]:
    changes = [
        _change(f"R@{result.n}", result.test.difference, *result.difference_interval)
        for result in results
    ]
    yield from fill_lines(["B−A, resampling places:", *changes], WIDTH, "  ")


def _means(means: Sequence[MeanRecall]) -> Iterator[str]:
    if not means:
        return
    yield ""
    yield f"Mean of {len(means[0].datasets)} datasets, resampling places:"
    for mean in means:
        sides = [
            f"{name} {recall:.1f} [{low:.1f}–{high:.1f}]"
            for name, recall, (low, high) in zip("AB", mean.recall, mean.intervals, strict=True)
        ]
        change = _change("B−A", *mean.difference)
        yield f"{f'R@{mean.n}':<{_LABEL}}{sides[0]:<21} {sides[1]:<21} {change}"


def _change(label: str, value: float, low: float, high: float) -> str:
    return f"{label} {value:+.1f} [{low:+.1f}, {high:+.1f}]".replace("-", "−")


def _conditions(results: Sequence[Compared]) -> Iterator[str]:
    """By condition: at the first N, and wherever else one of them shows a difference."""
    for index, result in enumerate(results):
        shown = any(test.better is not None for test in result.conditions.values())
        if result.conditions and (index == 0 or shown):
            yield f"By condition, at R@{result.n}:"
            for condition, test in result.conditions.items():
                yield _row(condition, test)


def _places(result: Compared) -> Iterator[str]:
    """The places that make the difference, those for each side apart."""
    for side in "AB":
        of_side = [
            place
            for place in result.places
            if (place.only_b > place.only_a if side == "B" else place.only_a > place.only_b)
        ]
        if of_side:
            yield f"Places for {side}, at R@{result.n} (queries within {PLACE_RADIUS:g} m):"
            yield from (f" {_place(place)}" for place in of_side[:PLACES])
            if len(of_side) > PLACES:
                yield f" … and {len(of_side) - PLACES:,} more (--json lists them)"


def _place(place: PlaceDifference) -> str:
    noun = "query" if place.queries == 1 else "queries"
    return (
        f"{place.easting:.0f} E {place.northing:.0f} N: {place.queries:,} {noun}, "
        f"only A {place.only_a:,}, only B {place.only_b:,}"
    )


def _resolution(result: Compared) -> Iterator[str]:
    """What a test on these queries can show, where it showed nothing."""
    counts = result.test.counts
    share = (counts.only_a + counts.only_b) / counts.queries
    if result.test.better is None and share:
        least = smallest_difference(counts.queries, share)
        if least is None:
            yield f"Too few queries differ at R@{result.n} for any test to tell A and B apart."
        else:
            yield (
                f"With as many queries differing, R@{result.n} has to differ by "
                f"{least:.1f} points to be told."
            )


def _wrapped(sentence: str) -> Iterator[str]:
    from textwrap import wrap

    yield from wrap(sentence, WIDTH, break_long_words=False, break_on_hyphens=False)
