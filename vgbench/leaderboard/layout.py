"""Lines of a table on a terminal: styled pieces, cells of several lines, columns side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from vgbench.leaderboard.text import display_width, pad

GAP = "  "
"""Between two columns."""

RULE = "─"
TIER_RULE = "┄"

MARKS = {
    "–": "-", "·": "|", "…": "...", RULE: "-", TIER_RULE: ".", "├": "|", "┤": "|", "●": "o",
}  # fmt: skip
"""What is written in place of vgbench's own marks where a stream knows ASCII only."""


class Span(NamedTuple):
    """A piece of a line, and its style on a terminal that has styles."""

    text: str
    style: str = ""


Line = list[Span]


class Cell(NamedTuple):
    """What stands in one column of one entry: a line, or several under each other."""

    lines: tuple[Span, ...]


@dataclass(frozen=True)
class Shown:
    """A column of the table: its heading, whether it is set to the right, a cell per entry."""

    heading: str
    right: bool
    cells: list[Cell]

    @cached_property
    def width(self) -> int:
        """Columns of the terminal that it needs."""
        spans = [span for cell in self.cells for span in cell.lines]
        return max(display_width(text) for text in (self.heading, *(span.text for span in spans)))


def text_column(heading: str, texts: Sequence[str], style: str = "", right: bool = False) -> Shown:
    """A column of one line per entry."""
    return Shown(heading, right, [Cell((Span(text, style),)) for text in texts])


def total_width(columns: Sequence[Shown]) -> int:
    """Columns of the terminal that all of them need side by side."""
    return sum(column.width for column in columns) + len(GAP) * (len(columns) - 1)


def heading_line(columns: Sequence[Shown]) -> Line:
    """The line of the headings."""
    return joined(columns, [Span(column.heading, "dim") for column in columns])


def entry_lines(columns: Sequence[Shown], index: int) -> list[Line]:
    """The lines of one entry."""
    cells = [column.cells[index].lines for column in columns]
    return [
        joined(columns, [cell[depth] if depth < len(cell) else Span("") for cell in cells])
        for depth in range(max(len(cell) for cell in cells))
    ]


def joined(columns: Sequence[Shown], spans: Sequence[Span]) -> Line:
    """One line of a span per column, without spaces at its end."""
    line: Line = []
    for column, span in zip(columns, spans, strict=True):
        line += [Span(pad(span.text, column.width, column.right), span.style), Span(GAP)]
    while line and not line[-1].text.strip():
        line.pop()
    if line:
        line[-1] = Span(line[-1].text.rstrip(), line[-1].style)
    return line


def encodable(text: str, encoding: str | None) -> str:
    """Text for a stream that may know ASCII only: marks are replaced, other characters become "?".

    >>> encodable("57.1–69.2 · …", "ascii")
    '57.1-69.2 | ...'
    """
    try:
        text.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        for mark, plain in MARKS.items():
            text = text.replace(mark, plain)
        text = text.encode("ascii", "replace").decode("ascii")
    return text
