"""The report's pictures of numbers, as SVG: the histogram of distances, two curves.

Coordinates are rounded, so that the same evaluation gives the same bytes. Text goes through the
escaping of `Markup.format`, never into these strings unescaped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from vgbench.leaderboard.chart_parts import cut, line_path, px, scaled, spread_labels
from vgbench.leaderboard.report.content import best_metres, groups
from vgbench.leaderboard.report.reading import Evaluation
from vgbench.retrieval.curves import Curve, recall_by_n, recall_by_threshold

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 48, 22, 16, 44
BINS = 32
CURVES = 8
"""Curves drawn in one chart; more cannot be told apart."""


class Bin(NamedTuple):
    """A bar of the histogram: its ends, and the queries localized at 1 and not within them."""

    low: float
    high: float
    localized: int
    missed: int


def histogram(evaluation: Evaluation, bins: int = BINS) -> list[Bin]:
    """Descriptor distances of the best predictions, of queries localized at 1 and of the others."""
    best = evaluation.distances[:, 0].astype(np.float64)
    low, high = float(best.min()), float(best.max())
    edges = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    localized = evaluation.first_hits == 0
    right, _ = np.histogram(best[localized], edges)
    wrong, _ = np.histogram(best[~localized], edges)
    return [
        Bin(*values)
        for values in zip(
            edges[:-1].tolist(), edges[1:].tolist(), right.tolist(), wrong.tolist(), strict=True
        )
    ]


def histogram_chart(evaluation: Evaluation) -> Markup:
    """Bars upwards for queries localized at 1, downwards for the others."""
    bins = histogram(evaluation)
    tallest = max(max(one.localized, one.missed) for one in bins)
    middle = (TOP + HEIGHT - BOTTOM) / 2
    unit = (middle - TOP) / tallest
    x = _scale(bins[0].low, bins[-1].high, LEFT, WIDTH - RIGHT)
    parts = []
    for one in bins:
        title = (
            f"distance {one.low:.3g} to {one.high:.3g}: {one.localized} localized at 1, "
            f"{one.missed} not"
        )
        left, right = x(one.low) + 0.5, x(one.high) - 0.5
        parts.append(Markup("<g><title>{}</title>").format(title))
        for kind, count, sign in (("good", one.localized, -1), ("bad", one.missed, 1)):
            if count:
                parts.append(
                    Markup('<path class="{}" d="M{} {}V{}H{}V{}Z"/>').format(
                        kind, px(left), px(middle), px(middle + sign * count * unit), px(right),
                        px(middle),
                    )
                )  # fmt: skip
        parts.append(Markup("</g>"))
    parts.append(
        Markup('<g class="axis"><path d="M{} {}H{}"/></g>').format(LEFT, px(middle), WIDTH - RIGHT)
    )
    for sign in (-1, 1):
        parts.append(
            Markup('<text class="end" x="{}" y="{}">{}</text>').format(
                LEFT - 6, px(middle + sign * tallest * unit + (8 if sign < 0 else 0)), tallest
            )
        )
    for words, height in (("↑ localized at 1", TOP + 10), ("↓ not localized at 1", HEIGHT - 50)):
        parts.append(
            Markup('<text class="end" x="{}" y="{}">{}</text>').format(WIDTH - RIGHT, height, words)
        )
    for value in np.linspace(bins[0].low, bins[-1].high, 6).tolist():
        parts.append(_tick(x(value), f"{value:.3g}"))
    parts.append(_below(f"distance of the best prediction ({evaluation.distance})"))
    return _svg(parts, "Descriptor distances of the best predictions")


def metres_chart(evaluation: Evaluation) -> Markup:
    """Recall@1 against the threshold, of all queries and by condition."""
    curves = [
        (
            label,
            recall_by_threshold(
                evaluation.rows[chosen],
                evaluation.database_positions,
                evaluation.query_positions[chosen],
            ),
        )
        for label, chosen in groups(evaluation)[:CURVES]
    ]
    ticks = [(float(metres), f"{metres}") for metres in (1, 25, 50, 75, 100)]
    x = _scale(0, 100, LEFT, WIDTH - 110)
    mark = x(evaluation.threshold) if evaluation.threshold <= 100 else None
    return _curves(
        curves, x, ticks, "threshold, metres", "R@1, percent", "Recall@1 by metres", mark
    )


def n_chart(evaluation: Evaluation) -> Markup:
    """Recall@N against N, of all queries and by condition."""
    top = evaluation.rows.shape[1]
    curves = [
        (label, recall_by_n(evaluation.first_hits[chosen], top))
        for label, chosen in groups(evaluation)[:CURVES]
    ]
    ticks = [(float(n), f"{n}") for n in (1, 2, 5, 10, 20, 50, 100) if n <= top]
    x = _scale(0, math.log2(top), LEFT + 8, WIDTH - 110)
    return _curves(
        curves, lambda n: x(math.log2(n)), ticks, "N", "R@N, percent", "Recall by N", None
    )


def missed_by(evaluation: Evaluation) -> list[tuple[str, int]]:
    """How far the best predictions of queries that are not localized at 1 are from them."""
    away = best_metres(evaluation)[evaluation.first_hits != 0]
    ends = [end for end in (50, 100, 200, 500, 1000) if end > evaluation.threshold]
    counts = np.bincount(np.searchsorted(ends, away, side="left"), minlength=len(ends) + 1).tolist()
    start = f"{evaluation.threshold:g}"
    labels = []
    for end in ends:
        labels.append(f"{start}–{end:,} m")
        start = f"{end:,}"
    return list(zip([*labels, f"over {start} m"], counts, strict=True))


def _curves(
    curves: Sequence[tuple[str, Curve]],
    x: Callable[[float], float],
    ticks: Sequence[tuple[float, str]],
    below: str,
    beside: str,
    title: str,
    mark: float | None,
) -> Markup:
    parts = [_percent_axis(beside)]
    if mark is not None:
        parts.append(
            Markup('<path class="range" d="M{} {}V{}"/>').format(px(mark), TOP, HEIGHT - BOTTOM)
        )
    low, high = curves[0][1].interval
    there = [(x(a), _y(b)) for a, b in zip(curves[0][1].x.tolist(), high.tolist(), strict=True)]
    back = [(x(a), _y(b)) for a, b in zip(curves[0][1].x.tolist(), low.tolist(), strict=True)]
    parts.append(Markup('<path class="band" d="{}Z"/>').format(line_path([*there, *back[::-1]])))
    ends = spread_labels([_y(float(curve.recall[-1])) for _, curve in curves], HEIGHT - BOTTOM)
    for index, ((label, curve), end) in enumerate(zip(curves, ends, strict=True)):
        points = [
            (x(a), _y(b)) for a, b in zip(curve.x.tolist(), curve.recall.tolist(), strict=True)
        ]
        parts.append(
            Markup(
                '<g class="curve c{}"><title>{}</title><path d="{}"/><text x="{}" y="{}">{}</text>'
                "</g>"
            ).format(
                index, f"{label}: {curve.recall[0]:.1f} to {curve.recall[-1]:.1f} percent",
                line_path(points), px(points[-1][0] + 8), px(end + 4), cut(label, 14),
            )
        )  # fmt: skip
    parts += [_tick(x(value), text) for value, text in ticks]
    parts.append(_below(below))
    return _svg(parts, title)


def _svg(parts: Sequence[Markup], title: str) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img"><title>{}</title>{}</svg>'
    ).format(WIDTH, HEIGHT, title, Markup("").join(parts))


def _percent_axis(beside: str) -> Markup:
    lines = [
        Markup('<path d="M{} {}H{}"/><text class="end" x="{}" y="{}">{}</text>').format(
            LEFT, px(_y(percent)), WIDTH - 110, LEFT - 6, px(_y(percent) + 4), percent
        )
        for percent in range(0, 101, 20)
    ]
    name = Markup('<text class="middle" transform="translate(12 {}) rotate(-90)">{}</text>').format(
        (TOP + HEIGHT - BOTTOM) // 2, beside
    )
    return Markup('<g class="axis">{}</g>').format(Markup("").join([*lines, name]))


def _tick(at: float, text: str) -> Markup:
    return Markup('<text class="middle" x="{}" y="{}">{}</text>').format(
        px(at), HEIGHT - BOTTOM + 16, text
    )


def _below(text: str) -> Markup:
    return Markup('<text class="middle" x="{}" y="{}">{}</text>').format(
        (LEFT + WIDTH - RIGHT) // 2, HEIGHT - 6, text
    )


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: scaled(value, low, high, start, end)


def _y(percent: float) -> float:
    return scaled(percent, 0, 100, HEIGHT - BOTTOM, TOP)
