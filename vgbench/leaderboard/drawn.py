"""Recalls and their intervals drawn in characters, on one scale for all rows of a dataset."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from vgbench.leaderboard.columns import Row

STEP = 10
"""Percent: a scale begins and ends at a multiple of it."""


class Scale(NamedTuple):
    """The percentages at both ends of a drawing, and how many characters wide it is."""

    low: int
    high: int
    width: int

    def column(self, percent: float) -> int:
        """The character, from 0 on, that a percentage falls on.

        >>> Scale(40, 80, 21).column(60)
        10
        """
        share = (percent - self.low) / (self.high - self.low)
        return min(max(round(share * (self.width - 1)), 0), self.width - 1)

    def heading(self, title: str) -> str:
        """The scale's ends with a title between them.

        >>> Scale(40, 80, 17).heading("R@1")
        '40     R@1     80'
        """
        low, high = str(self.low), str(self.high)
        return low + title.center(self.width - len(low) - len(high)) + high


def scale_of(rows: Iterable[Row], n: int, width: int) -> Scale | None:
    """The scale that holds every recall@n and interval of the rows; None where there is none."""
    values = [
        value
        for row in rows
        for value in (row[f"low_{n}"], row[f"recall_{n}"], row[f"high_{n}"])
        if value is not None
    ]
    if not values:
        return None
    low = max(0, STEP * math.floor(min(values) / STEP))
    high = min(100, STEP * math.ceil(max(values) / STEP))
    return Scale(low, high, width) if low < high else Scale(*_widened(low), width)


def draw(row: Row, n: int, scale: Scale) -> str:
    """The recall@n of a row as a dot, in its interval where that is known.

    >>> draw({"low_1": 50.0, "recall_1": 60.0, "high_1": 70.0}, 1, Scale(40, 80, 17))
    '    ├───●───┤    '
    """
    cells = [" "] * scale.width
    recall, low, high = (row[f"{name}_{n}"] for name in ("recall", "low", "high"))
    if recall is None:
        return "".join(cells)
    if low is not None and high is not None:
        first, last = scale.column(low), scale.column(high)
        cells[first : last + 1] = "─" * (last + 1 - first)
        cells[first], cells[last] = "├", "┤"
    cells[scale.column(recall)] = "●"
    return "".join(cells)


def _widened(value: int) -> tuple[int, int]:
    """A scale around a single value at its end."""
    return (value, value + STEP) if value + STEP <= 100 else (value - STEP, value)
