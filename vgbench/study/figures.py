"""The study's figures as SVG files: recall by epoch, ours over the printed, and recall by size.

Each file carries its own colours, for light and dark. Coordinates are rounded, so that the same
numbers give the same bytes; names are escaped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from vgbench.durable import atomic_write
from vgbench.leaderboard.chart_parts import line_path, px, scaled
from vgbench.leaderboard.text import clean_text, shorten
from vgbench.retrieval.statistics import percent_interval
from vgbench.study.printed import TABLES, VALIDATION, printed_curve
from vgbench.study.results import Evaluation, Study
from vgbench.study.tables import rows_of
from vgbench.training.run import Entry

WIDTH, HEIGHT = 780, 424
LEFT, RIGHT, TOP, BOTTOM = 52, 540, 44, 352
WIDEST_LABEL = 68

# Light and dark shades of blue, orange, green, purple, red, grey: told apart with any colour
# vision, and each at least 3:1 against its background (WCAG 2.2, 1.4.11).
_COLOURS = (
    ("#0b62b0", "#6cb6ff"),
    ("#b35900", "#ffa657"),
    ("#00785a", "#56d4ac"),
    ("#8a3ea8", "#d2a8ff"),
    ("#b3261e", "#ff8f85"),
    ("#5b6470", "#a7b0bb"),
)


def _colours(shade: int) -> str:
    return "".join(
        f".c{i}{{stroke:{pair[shade]}}}.d{i}{{fill:{pair[shade]}}}"
        for i, pair in enumerate(_COLOURS)
    )


_STYLE = (
    ".ground{fill:#fff}text{font:13px system-ui,sans-serif;fill:#1f2328}"
    ".title{font-weight:600;font-size:15px}.grid{stroke:#d1d9e0}.end{text-anchor:end}"
    ".middle{text-anchor:middle}.line{fill:none;stroke-width:2.2}.range{stroke-width:1.6}"
    f".printed{{fill:none;stroke-width:1.6;stroke-dasharray:5 4}}{_colours(0)}"
    "@media(prefers-color-scheme:dark){.ground{fill:#0d1117}"
    f"text{{fill:#e6edf3}}.grid{{stroke:#3d444d}}{_colours(1)}}}"
)


@dataclass(frozen=True)
class Line:
    """A curve of (epoch, percent); `printed` ones are dashed; equal colours belong together."""

    label: str
    colour: int
    points: Sequence[tuple[float, float]]
    printed: bool = False


def study_figures(study: Study) -> dict[str, str]:
    """One figure a table, file name → SVG: validation R@1 by epoch, ours over the printed curves.

    A table of which nothing was trained has none.
    """
    figures = {}
    for table, what in TABLES.items():
        lines: list[Line] = []
        trained = False
        for colour, recipe in enumerate(rows_of(table)):
            run = study.run_of(recipe)
            printed = printed_curve(recipe)
            if run:
                trained = True
                lines.append(Line(recipe, colour, _points(run.curve)))
            if printed:
                lines.append(Line(recipe, colour, _points(printed), printed=True))
        if trained:
            measured_on = next((run.validation for run in study.runs.values()), None) or "none"
            figures[f"table-{table}.svg"] = line_chart(
                f"Table {table}: {what}",
                f"R@1 in percent; solid: measured on {measured_on}, dashed: printed, {VALIDATION}",
                lines,
            )
    return figures


def write_figures(figures: Mapping[str, str], folder: Path) -> list[Path]:
    """Write figures into a folder, each whole or not at all, and give their paths."""
    paths = []
    for name, text in figures.items():
        paths.append(folder / name)
        with atomic_write(paths[-1]) as file:
            file.write(text.encode())
    return paths


def curve_figure(title: str, note: str, curve: Sequence[Entry]) -> str:
    """A run's validation recalls by epoch, one line for each N."""
    lines = [
        Line(f"R@{n}", colour, _points(curve, n))
        for colour, n in enumerate((1, 5, 10, 20))
        if any(f"recall_{n}" in entry for entry in curve)
    ]
    return line_chart(title, note, lines)


def size_figure(title: str, note: str, rows: Mapping[str, Sequence[Evaluation]]) -> str:
    """R@1 with its 95 % interval against the number of pixels, one line for each label."""
    pixels = {_pixels(one) for group in rows.values() for one in group}
    low, high = math.log2(min(pixels)), math.log2(max(pixels))
    parts = [_frame(title, note, "image size (height x width)", 100)]
    names = {_pixels(one): one.image_size for group in rows.values() for one in group}
    before, lower = -math.inf, False
    for count, name in sorted(names.items()):
        x = scaled(math.log2(count), low, high, LEFT + 30, RIGHT - 30)
        lower = x - before < WIDEST_LABEL and not lower  # labels too near take turns
        parts.append(_tick(x, name, 14 if lower else 0))
        before = x
    for colour, (label, group) in enumerate(rows.items()):
        points = []
        for one in sorted(group, key=_pixels):
            hit = one.hits(1)
            # A little apart, so that the intervals of two lines do not cover each other.
            x = scaled(math.log2(_pixels(one)), low, high, LEFT + 30, RIGHT - 30) + 6 * colour
            ends = percent_interval(hit, one.queries)
            points.append((x, _y(100 * hit / one.queries, 100)))
            parts.append(
                Markup('<path class="range c{}" d="M{} {}V{}"/>').format(
                    colour, px(x), *(px(_y(end, 100)) for end in ends)
                )
            )
        parts += _drawn(Line(label, colour, points), points)
        parts.append(_legend(colour, Line(label, colour, points)))
    return _svg(parts, title)


def line_chart(title: str, note: str, lines: Sequence[Line]) -> str:
    """Lines over epochs, with a legend: an SVG document."""
    values = [value for line in lines for _, value in line.points] or [0.0]
    last = max((epoch for line in lines for epoch, _ in line.points), default=1) or 1
    top = min(100, 10 * math.ceil((max(values) + 0.1) / 10))
    parts = [_frame(title, note, "epoch", top)]
    for epoch in range(0, int(last) + 1, max(1, math.ceil(last / 12))):
        parts.append(_tick(scaled(epoch, 0, last, LEFT, RIGHT), str(epoch)))
    for index, line in enumerate(lines):
        points = [(scaled(e, 0, last, LEFT, RIGHT), _y(v, top)) for e, v in line.points]
        parts += _drawn(line, points)
        parts.append(_legend(index, line))
    return _svg(parts, title)


def _points(curve: Sequence[Mapping[str, float]], n: int = 1) -> list[tuple[float, float]]:
    key = f"recall_{n}"
    return [(entry["epoch"], entry[key]) for entry in curve if key in entry]


def _drawn(line: Line, points: Sequence[tuple[float, float]]) -> list[Markup]:
    colour = line.colour % len(_COLOURS)
    path = line_path(points) if points else "M0 0"
    kind = "printed" if line.printed else "line"
    name = f"{clean_text(line.label)}{', printed' if line.printed else ''}"
    drawn = [
        Markup('<path class="{} c{}" d="{}"><title>{}</title></path>').format(
            kind, colour, path, name
        )
    ]
    if not line.printed:
        drawn += [
            Markup('<circle class="d{}" cx="{}" cy="{}" r="3.2"/>').format(colour, px(x), px(y))
            for x, y in points
        ]
    return drawn


def _legend(row: int, line: Line) -> Markup:
    y = TOP + 14 + 21 * row
    text = shorten(clean_text(line.label), 17) + (", printed" if line.printed else "")
    return Markup('<path class="{} c{}" d="M{} {}h26"/><text x="{}" y="{}">{}</text>').format(
        "printed" if line.printed else "line",
        line.colour % len(_COLOURS),
        RIGHT + 16,
        y,
        RIGHT + 48,
        y + 4,
        text,
    )


def _frame(title: str, note: str, below: str, top: float) -> Markup:
    parts = [
        Markup('<rect class="ground" width="{}" height="{}"/>').format(WIDTH, HEIGHT),
        Markup('<text class="title" x="{}" y="22">{}</text>').format(LEFT, clean_text(title)),
    ]
    step = 20 if top > 50 else 10
    for percent in range(0, int(top) + 1, step):
        y = _y(percent, top)
        parts.append(
            Markup(
                '<path class="grid" d="M{} {}H{}"/><text class="end" x="{}" y="{}">{}</text>'
            ).format(LEFT, px(y), RIGHT, LEFT - 8, px(y + 4), percent)
        )
    parts.append(
        Markup('<text class="middle" x="{}" y="{}">{}</text><text x="{}" y="{}">{}</text>').format(
            (LEFT + RIGHT) // 2, BOTTOM + 48, below, 8, HEIGHT - 4, clean_text(note)
        )
    )
    return Markup("").join(parts)


def _tick(x: float, text: str, down: int = 0) -> Markup:
    return Markup('<text class="middle" x="{}" y="{}">{}</text>').format(
        px(x), BOTTOM + 17 + down, text
    )


def _svg(parts: Sequence[Markup], title: str) -> str:
    return str(
        Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" width="{}" height="{}" '
            'role="img"><title>{}</title><style>{}</style>{}</svg>\n'
        ).format(
            WIDTH, HEIGHT, WIDTH, HEIGHT, clean_text(title), Markup(_STYLE), Markup("").join(parts)
        )
    )


def _y(percent: float, top: float) -> float:
    return scaled(percent, 0, top, BOTTOM, TOP)


def _pixels(evaluation: Evaluation) -> int:
    height, _, width = evaluation.image_size.partition("x")
    return int(height) * int(width)
