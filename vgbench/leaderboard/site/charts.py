"""The page's charts, as SVG: recall against the size of a descriptor, and recall against N.

Coordinates are rounded, so that the same rows give the same bytes. Names go through the template's
escaping, never into these strings unescaped.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from markupsafe import Markup

from vgbench.leaderboard.chart_parts import cut, line_path, px, scaled, spread_labels
from vgbench.leaderboard.columns import RECALL_VALUES
from vgbench.leaderboard.site.content import BYTES_PER_NUMBER, Board

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 16, 44
CURVES = 8
"""Curves drawn in one chart; more cannot be told apart."""


class Point(NamedTuple):
    """An entry on the chart: its slug, bytes per descriptor, recall@1 and the interval's ends."""

    slug: str
    size: int
    recall: float
    low: float | None
    high: float | None
    front: bool


def pareto_points(board: Board) -> list[Point]:
    """The entries whose dimension and recall@1 are known, by size; `front` where none is both
    smaller and better."""
    known = [row for row in board.rows if row["dimension"] and row["recall_1"] is not None]
    known.sort(key=lambda row: (row["dimension"], -row["recall_1"], row["slug"]))
    points = []
    best = -1.0
    for row in known:
        front = row["recall_1"] > best
        best = max(best, row["recall_1"])
        points.append(
            Point(
                row["slug"], row["dimension"] * BYTES_PER_NUMBER, row["recall_1"],
                row["low_1"], row["high_1"], front,
            )
        )  # fmt: skip
    return points


def pareto_chart(board: Board, names: dict[str, str]) -> Markup | None:
    """Recall@1 against bytes per descriptor, with the Pareto front; None with fewer than two."""
    points = pareto_points(board)
    if len(points) < 2:
        return None
    low = math.floor(math.log2(points[0].size)) - 0.2
    high = math.ceil(math.log2(points[-1].size)) + 0.2

    def x(size: float) -> float:
        return scaled(math.log2(size), low, high, LEFT, WIDTH - RIGHT)

    parts = [_axes("bytes per descriptor (float32)", "R@1, percent")]
    for power in range(math.ceil(low), math.floor(high) + 1):
        parts.append(_tick_x(x(2**power), _bytes(2**power)))
    front = [point for point in points if point.front]
    path = line_path((x(point.size), _y(point.recall)) for point in front)
    parts.append(Markup('<path class="front" d="{}"/>').format(path))
    for point in points:
        where = x(point.size)
        title = f"{names[point.slug]}: R@1 {point.recall:g}, {_bytes(point.size)}"
        if point.low is not None and point.high is not None:
            title += f", 95 % interval {point.low:.1f}–{point.high:.1f}"
            parts.append(
                Markup('<path class="range" d="M{} {}V{}"/>').format(
                    px(where), px(_y(point.low)), px(_y(point.high))
                )
            )
        parts.append(
            Markup('<circle class="{}" cx="{}" cy="{}" r="5"><title>{}</title></circle>').format(
                "dot on-front" if point.front else "dot", px(where), px(_y(point.recall)), title
            )
        )
    return _svg("".join(parts), f"{board.title}: recall@1 against descriptor size")


def curves_chart(board: Board, names: dict[str, str]) -> Markup | None:
    """Recall against N of the first entries; None where there is none."""
    rows = [
        row for row in board.rows if all(row[f"recall_{n}"] is not None for n in RECALL_VALUES)
    ][:CURVES]
    if not rows:
        return None

    def x(n: int) -> float:
        return scaled(math.log2(n), 0, math.log2(RECALL_VALUES[-1]), LEFT + 8, WIDTH - 150)

    parts = [_axes("N", "R@N, percent", WIDTH - 142)]
    parts += [_tick_x(x(n), str(n)) for n in RECALL_VALUES]
    labels = spread_labels([_y(row["recall_20"]) for row in rows], HEIGHT - BOTTOM)
    for index, (row, label) in enumerate(zip(rows, labels, strict=True)):
        points = [(x(n), _y(row[f"recall_{n}"])) for n in RECALL_VALUES]
        numbers = ", ".join(f"R@{n} {row[f'recall_{n}']:g}" for n in RECALL_VALUES)
        parts.append(
            Markup('<g class="curve c{}"><title>{}: {}</title><path d="{}"/>').format(
                index, names[row["slug"]], numbers, line_path(points)
            )
        )
        parts += [Markup('<circle cx="{}" cy="{}" r="3"/>').format(px(a), px(b)) for a, b in points]
        parts.append(
            Markup('<text x="{}" y="{}">{}</text></g>').format(
                px(points[-1][0] + 8), px(label + 4), cut(names[row["slug"]], 20)
            )
        )
    return _svg("".join(parts), f"{board.title}: recall against N of the first {len(rows)} entries")


def _svg(inside: str, title: str) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img"><title>{}</title>'
        "<desc>The numbers are in the table below the chart.</desc>{}</svg>"
    ).format(WIDTH, HEIGHT, title, Markup(inside))


def _axes(below: str, beside: str, right: int = WIDTH - RIGHT) -> Markup:
    lines = [Markup('<g class="axis">')]
    for percent in range(0, 101, 20):
        at = px(_y(percent))
        lines.append(
            Markup('<path d="M{} {}H{}"/><text class="end" x="{}" y="{}">{}</text>').format(
                LEFT, at, right, LEFT - 6, px(_y(percent) + 4), percent
            )
        )
    lines.append(
        Markup('<text class="middle" x="{}" y="{}">{}</text>').format(
            (LEFT + right) // 2, HEIGHT - 6, below
        )
    )
    lines.append(
        Markup(
            '<text class="middle" transform="translate(12 {}) rotate(-90)">{}</text></g>'
        ).format((TOP + HEIGHT - BOTTOM) // 2, beside)
    )
    return Markup("").join(lines)


def _tick_x(at: float, text: str) -> Markup:
    return Markup('<text class="middle tick" x="{}" y="{}">{}</text>').format(
        px(at), HEIGHT - BOTTOM + 16, text
    )


def _y(percent: float) -> float:
    return scaled(percent, 0, 100, HEIGHT - BOTTOM, TOP)


def _bytes(size: float) -> str:
    """
    >>> _bytes(2048), _bytes(512)
    ('2 kB', '512 B')
    """
    return f"{size / 1024:g} kB" if size >= 1024 else f"{size:g} B"


def chart_table(board: Board, names: dict[str, str]) -> list[dict[str, Any]]:
    """What the chart of sizes shows, as rows: the same numbers for those who do not see it."""
    return [
        {
            "name": names[point.slug],
            "size": _bytes(point.size),
            "recall": point.recall,
            "low": point.low,
            "high": point.high,
            "front": point.front,
        }
        for point in pareto_points(board)
    ]
