"""A comparison's verdict: one sentence that claims what the tests show, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from vgbench.leaderboard.comparison import Compared, Comparison, PairedTest

_UNDER = {"night": "at night", "day": "by day", "sunset": "at sunset", "dusk": "at dusk"}


class Claim(NamedTuple):
    """That one is better on a dataset, under a condition if one is named, at some N.

    `above_all` names the conditions by themselves under which it is shown too, at each of these N,
    where that is not all of them.
    """

    better: str
    dataset: str
    condition: str | None
    ns: tuple[int, ...]
    p: float
    above_all: tuple[str, ...] = ()


def verdict(comparison: Comparison) -> str:
    """Say in one sentence who is better at what, where the adjusted tests show it.

    A condition is named only where the same is not shown of all queries already.
    """
    found = claims(comparison.results)
    called = {"a": comparison.a.label, "b": comparison.b.label}
    if not found:
        return _nothing(comparison)
    parts = []
    for side in "ba":
        of_side = [_where(claim) for claim in found if claim.better == side]
        if of_side:
            parts.append(f"{called[side]} is better {_list(of_side)}")
    if any(_untold(result, found) for result in comparison.results):
        parts.append("elsewhere the data cannot tell")
    return "; ".join(parts) + "."


def claims(results: Sequence[Compared]) -> list[Claim]:
    """What the adjusted tests show, of all queries first, then of conditions."""
    single: dict[tuple[str, str, str | None], list[tuple[int, float]]] = {}
    for result in results:
        whole = result.test.better
        if whole is not None:
            key = (whole, result.dataset, None)
            single.setdefault(key, []).append((result.n, result.test.p_shown))
        for condition, test in result.conditions.items():
            if test.better is not None and test.better != whole:
                part = (test.better, result.dataset, condition)
                single.setdefault(part, []).append((result.n, test.p_shown))
    return [
        Claim(
            *key,
            ns := tuple(n for n, _ in shown),
            max(p for _, p in shown),
            _above_all(results, key[0], key[1], ns) if key[2] is None else (),
        )
        for key, shown in sorted(single.items(), key=lambda item: item[0][2] is not None)
    ]


def _above_all(
    results: Sequence[Compared], better: str, dataset: str, ns: Sequence[int]
) -> tuple[str, ...]:
    parts = [
        result.conditions for result in results if result.dataset == dataset and result.n in ns
    ]
    shown = [
        condition
        for condition in parts[0]
        if all(part[condition].better == better for part in parts)
    ]
    return tuple(shown) if len(shown) < len(parts[0]) else ()


def p_text(p: float, several: bool = False) -> str:
    """A p-value as it is printed; `several` where it is the largest of some.

    >>> p_text(0.00312), p_text(0.00312, several=True), p_text(1e-9)
    ('p = 0.0031', 'p ≤ 0.0031', 'p < 0.0001')
    """
    if p < 1e-4:
        return "p < 0.0001"
    return f"p {'≤' if several else '='} {p_number(p)}"


def p_number(p: float) -> str:
    """Two digits of a p-value.

    >>> p_number(0.0312), p_number(0.2), p_number(0.996), p_number(2e-7)
    ('0.031', '0.20', '1.0', '<0.0001')
    """
    if p < 1e-4:
        return "<0.0001"
    if p >= 0.995:
        return "1.0"
    digits = 2 if p >= 0.1 else 3 if p >= 0.01 else 4
    return f"{p:.{digits}f}"


def under(condition: str) -> str:
    """How a condition is said in a sentence.

    >>> under("night"), under("snow")
    ('at night', 'under "snow"')
    """
    return _UNDER.get(condition, f'under "{condition}"')


def short_dataset(dataset: str) -> str:
    """A dataset as it is called in a sentence: the split "test" goes without saying."""
    return dataset.removesuffix("/test")


def _where(claim: Claim) -> str:
    at = _list([f"R@{n}" for n in claim.ns])
    text = f"at {at} on {short_dataset(claim.dataset)}"
    if claim.condition is not None:
        text += f" {under(claim.condition)}"
    if claim.above_all:
        text += f", {_list([under(condition) for condition in claim.above_all])} in particular"
    return f"{text} ({p_text(claim.p, several=len(claim.ns) > 1)})"


def _untold(result: Compared, found: Iterable[Claim]) -> bool:
    """Whether nothing is claimed of all queries of a result."""
    return not any(
        claim.condition is None and claim.dataset == result.dataset and result.n in claim.ns
        for claim in found
    )


def _nothing(comparison: Comparison) -> str:
    a, b = comparison.a.label, comparison.b.label
    tests: list[PairedTest] = [result.test for result in comparison.results]
    if not any(test.counts.only_a or test.counts.only_b for test in tests):
        return f"{a} and {b} localize the very same queries."
    least = min(test.p_shown for test in tests)
    return (
        f"The data cannot tell {a} and {b} apart: no difference is significant ({p_text(least)})."
    )


def _list(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
