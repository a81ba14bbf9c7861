"""What every chart is drawn with: coordinates, scales, paths, labels that do not overlap.

Coordinates are rounded, so that the same numbers give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def px(value: float) -> str:
    """A coordinate with one decimal, as short as it goes.

    >>> px(12.04), px(3.14)
    ('12', '3.1')
    """
    return f"{value:.1f}".removesuffix(".0")


def scaled(value: float, low: float, high: float, start: float, end: float) -> float:
    """Where a value of `low` to `high` is between `start` and `end`; a lone one at `start`."""
    return start + (value - low) / ((high - low) or 1) * (end - start)


def line_path(points: Iterable[tuple[float, float]]) -> str:
    """The path of a line through points.

    >>> line_path([(0, 1), (2.5, 3)])
    'M0 1L2.5 3'
    """
    return "M" + "L".join(f"{px(x)} {px(y)}" for x, y in points)


def spread_labels(wanted: Sequence[float], lowest: float, apart: float = 13.0) -> list[float]:
    """Heights for labels, near the wanted ones and far enough from each other to be read.

    None is below `lowest`, which is a greater number than those above it.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = [0.0] * len(wanted)
    last = -math.inf
    for index in order:
        last = placed[index] = max(wanted[index], last + apart)
    over = max(0.0, last - lowest)
    return [height - over for height in placed]


def cut(name: str, characters: int) -> str:
    """A name of at most so many characters, ending in "…" when something was cut."""
    return name if len(name) <= characters else name[: characters - 1].rstrip() + "…"
