"""The leaderboard in a terminal, and as plain aligned text in a pipe.

Wide terminals get one line per entry; from 80 columns on, each has a second line with intervals,
dimension and image size; on narrower ones columns are left out. In a pipe nothing is cut.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TextIO

from vgbench.leaderboard.columns import RECALL_VALUES, Row
from vgbench.leaderboard.entry import PROVENANCE, STATUS_MEANING, STATUSES
from vgbench.leaderboard.ranking import Place, Ranking
from vgbench.leaderboard.text import clean_text, display_width, fill_lines, pad, shorten

EMPTY = "The board is empty. Enter a first result with: vgbench evaluate reference"

_GAP = "  "
_NARROWEST_NAME = 16
_ROOMY_NAME = 28
_STYLES = {"reproduced": "green", "verified": "cyan", "unverified": "yellow", "published": "dim"}


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


def show(
    rankings: Sequence[Ranking],
    notes: Sequence[str] = (),
    file: TextIO | None = None,
) -> None:
    """Print rankings: styled and fitted to the width on a terminal, plain text in a pipe.

    Parameters
    ----------
    rankings
        What `vgbench.leaderboard.ranking.rank_rows` gives.
    notes
        Lines to add below, such as `left_out_notes` gives.
    file
        Standard output when left out.
    """
    stream: TextIO = file or sys.stdout
    if not stream.isatty():
        stream.write(encodable(plain_text(rankings, notes), stream.encoding))
        return
    from rich.console import Console
    from rich.segment import Segment, Segments
    from rich.style import Style

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    # Segments go out as they are: the lines are laid out already, which saves rich half a second
    # for a thousand rows, and no markup in them is ever obeyed.
    styles = {name: Style.parse(name) for name in ("bold", "dim", *_STYLES.values())}
    segments = []
    for line in table_lines(rankings, notes, console.width):
        segments += [
            Segment(encodable(span.text, stream.encoding), styles.get(span.style)) for span in line
        ]
        segments.append(Segment.line())
    console.print(Segments(segments), soft_wrap=True, end="")


def plain_text(rankings: Sequence[Ranking], notes: Sequence[str] = ()) -> str:
    """The rankings as aligned text, one line per entry, nothing cut and nothing styled."""
    lines = table_lines(rankings, notes, None)
    return "".join("".join(span.text for span in line).rstrip() + "\n" for line in lines)


def table_lines(
    rankings: Sequence[Ranking], notes: Sequence[str] = (), width: int | None = None
) -> list[Line]:
    """The lines of the table for a terminal of so many columns; of any width when None."""
    if not rankings:
        return [[Span(text)] for text in (EMPTY, *map(clean_text, notes))]
    lines: list[Line] = []
    for ranking in rankings:
        lines += [[Span(text, "bold")] for text in _title(ranking, width)]
        lines += _table(ranking, width)
        lines.append([])
    for foot in (*footnotes(rankings), *notes):
        words = clean_text(foot).split() if width else [clean_text(foot)]
        lines += [[Span(text, "dim")] for text in fill_lines(words, width or 10**6)]
    return lines


def footnotes(rankings: Sequence[Ranking]) -> list[str]:
    """What the reader of these rankings needs to know to read them."""
    used = {place.row["status"] for ranking in rankings for place in ranking.places}
    meanings = "; ".join(
        f"{status}: {STATUS_MEANING[status]}" for status in STATUSES if status in used
    )
    notes = [f"Recalls in percent, with 95 % Wilson intervals. {meanings}." if meanings else ""]
    if used - {"published"}:
        notes.append(PROVENANCE)
    return [note for note in notes if note]


def left_out_notes(left_out: Mapping[str, Any]) -> list[str]:
    """One line per submission that is not on the board because it does not read.

    `left_out` is that of `vgbench.leaderboard.table.Table`.
    """
    return [f"Left out: {clean_text(found.problem)[:300]}" for _, found in sorted(left_out.items())]


def title_parts(ranking: Ranking) -> list[str]:
    """What stands above a ranking: dataset, sizes, threshold and what a single query makes."""
    parts = [clean_text(ranking.title)]
    if ranking.queries and not ranking.published:
        parts += [
            f"{ranking.queries:,} queries",
            f"{ranking.database:,} database images",
            f"positives within {ranking.key.threshold:g} m",
            f"one query is {ranking.smallest_step:.2g} points",
        ]
        if without := ranking.places[0].row["queries_without_positives"]:
            parts.append(
                "one query has no positive"
                if without == 1
                else f"{without:,} queries have no positive"
            )
    if ranking.apart:
        parts.append(clean_text(ranking.apart))
    return parts


def name_of(row: Row) -> str:
    """The entry's name, with its revision from the second on."""
    name = clean_text(row["name"] or row["slug"])
    return name if (row["revision"] or 1) == 1 else f"{name} (r{row['revision']})"


def recall_text(row: Row, n: int) -> str:
    """A recall in percent as it is shown everywhere, "–" where unknown."""
    recall = row[f"recall_{n}"]
    return "–" if recall is None else f"{recall:.1f}"


def interval_text(row: Row, n: int) -> str:
    """The interval of a recall, "" where there is none."""
    low, high = row[f"low_{n}"], row[f"high_{n}"]
    return "" if low is None or high is None else f"{low:.1f}–{high:.1f}"


def encodable(text: str, encoding: str | None) -> str:
    """Text for a stream that may know ASCII only: marks are replaced, other characters become "?".

    >>> encodable("57.1–69.2 · …", "ascii")
    '57.1-69.2 | ...'
    """
    try:
        text.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        for mark, plain in (("–", "-"), ("·", "|"), ("…", "..."), ("─", "-")):
            text = text.replace(mark, plain)
        text = text.encode("ascii", "replace").decode("ascii")
    return text


def _title(ranking: Ranking, width: int | None) -> list[str]:
    return fill_lines(title_parts(ranking), width or 10**6, " · ")


def _table(ranking: Ranking, width: int | None) -> list[Line]:
    columns = _columns(ranking.places, width)
    total = _total(columns)
    lines: list[Line] = [_joined(columns, [Span(column.heading, "dim") for column in columns])]
    if width is not None:
        lines.append([Span("─" * min(width, total), "dim")])
    for index in range(len(ranking.places)):
        cells = [column.cells[index].lines for column in columns]
        for depth in range(max(len(cell) for cell in cells)):
            spans = [cell[depth] if depth < len(cell) else Span("") for cell in cells]
            lines.append(_joined(columns, spans))
    return lines


def _columns(places: Sequence[Place], width: int | None) -> list[Shown]:
    if width is None:
        return _one_line(places, extras=True)
    for extras in (True, False):
        columns = _one_line(places, extras)
        room = width - _total(columns) + columns[1].width
        if room >= min(columns[1].width, _ROOMY_NAME):
            names = [Cell(_name_lines(place.row, room)) for place in places]
            return [columns[0], Shown("name", False, names), *columns[2:]]
    return _two_lines(places, width)


def _one_line(places: Sequence[Place], extras: bool) -> list[Shown]:
    """One line per entry, with every interval; `extras` are columns that most boards can spare."""
    rows = [place.row for place in places]
    columns = [_ranks(places), _text_column("name", [name_of(row) for row in rows], "bold")]
    methods = [clean_text(row["method"] or "") for row in rows]
    if extras and any(methods):
        columns.append(_text_column("method", methods))
    for n in RECALL_VALUES:
        recalls = [f"{recall_text(row, n):>5}" for row in rows]
        intervals = [interval_text(row, n) for row in rows]
        texts = [
            f"{recall} [{interval}]" if interval else recall
            for recall, interval in zip(recalls, intervals, strict=True)
        ]
        columns.append(_text_column(f"  R@{n}", texts))
    dimensions = [str(row["dimension"] or "–") for row in rows]
    columns.append(_text_column("dim", dimensions, right=True))
    if any(row["distance"] not in ("l2", None) for row in rows):
        columns.append(
            _text_column("distance", [clean_text(row["distance"] or "–") for row in rows])
        )
    sizes = [clean_text(row["image_size"] or "–") for row in rows]
    columns.append(_text_column("image size", sizes))
    columns.append(_statuses(rows))
    return columns


def _two_lines(places: Sequence[Place], width: int) -> list[Shown]:
    """Intervals under recalls, dimension and image size under the name; as much as fits."""
    rows = [place.row for place in places]
    ranks, statuses = _ranks(places), _statuses(rows)
    for shown, with_status in (
        ((1, 5, 10, 20), True),
        ((1, 5, 20), True),
        ((1, 5), True),
        ((1, 5), False),
        ((1,), False),
    ):
        rest = [_recall_column(rows, n) for n in shown] + ([statuses] if with_status else [])
        room = width - _total([ranks, *rest]) - len(_GAP)
        if room >= _NARROWEST_NAME:
            break
    names = []
    for row in rows:
        lines = fill_lines(_details(row, with_status), max(room, 4), " · ")
        name = _name_lines(row, max(room, 4))
        names.append(Cell((*name, *(Span(text, "dim") for text in lines))))
    return [ranks, Shown("name", False, names), *rest]


def _name_lines(row: Row, room: int) -> tuple[Span, ...]:
    """The name in at most two lines: one that would fill the screen is cut."""
    lines = fill_lines(name_of(row).split(), room)
    if len(lines) > 2:
        lines = [lines[0], shorten(" ".join(lines[1:]), room)]
    return tuple(Span(text, "bold") for text in lines)


def _details(row: Row, with_status: bool) -> list[str]:
    details = [
        clean_text(row["method"] or ""),
        f"{row['dimension']}-d" if row["dimension"] else "",
        clean_text(row["distance"]) if row["distance"] not in ("l2", None) else "",
        clean_text(row["image_size"] or "").removeprefix("native "),
        "" if with_status else clean_text(row["status"]),
    ]
    return [detail for detail in details if detail]


def _recall_column(rows: Sequence[Row], n: int) -> Shown:
    cells = [Cell((Span(recall_text(row, n)), Span(interval_text(row, n), "dim"))) for row in rows]
    return Shown(f"R@{n}", True, cells)


def _ranks(places: Sequence[Place]) -> Shown:
    # Ranks end in a space or in "=", so that their digits stand under each other.
    labels = [place.label if place.tied else f"{place.label} " for place in places]
    return Shown("# ", True, [Cell((Span(label),)) for label in labels])


def _statuses(rows: Sequence[Row]) -> Shown:
    texts = [clean_text(row["status"]) for row in rows]
    return Shown("status", False, [Cell((Span(text, _STYLES.get(text, "")),)) for text in texts])


def _text_column(heading: str, texts: Sequence[str], style: str = "", right: bool = False) -> Shown:
    return Shown(heading, right, [Cell((Span(text, style),)) for text in texts])


def _total(columns: Sequence[Shown]) -> int:
    return sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1)


def _joined(columns: Sequence[Shown], spans: Sequence[Span]) -> Line:
    line: Line = []
    for column, span in zip(columns, spans, strict=True):
        line += [Span(pad(span.text, column.width, column.right), span.style), Span(_GAP)]
    while line and not line[-1].text.strip():
        line.pop()
    if line:
        line[-1] = Span(line[-1].text.rstrip(), line[-1].style)
    return line
