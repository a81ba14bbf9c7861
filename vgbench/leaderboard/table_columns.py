"""The columns of a ranking's table: the first layout that fits the width.

On wide terminals an entry has one line with everything, and its interval drawn; on narrower ones
two lines, and fewer columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from vgbench.leaderboard.columns import RECALL_VALUES, Row
from vgbench.leaderboard.conditions import condition_columns
from vgbench.leaderboard.drawn import draw, scale_of
from vgbench.leaderboard.layout import GAP, Cell, Shown, Span, text_column, total_width
from vgbench.leaderboard.ranking import Ranking
from vgbench.leaderboard.text import clean_text, display_width, fill_lines, shorten
from vgbench.leaderboard.wording import interval_text, name_of, oddities, rank_texts, recall_text

STATUS_STYLES = {
    "reproduced": "green", "verified": "cyan", "unverified": "yellow", "published": "dim",
}  # fmt: skip

NARROW = 80
"""Columns of a terminal for which everything but drawings fits."""

_NARROWEST_NAME = 16
_ROOMY_NAME = 28
_DRAWN = (32, 24)
"""Characters of a drawn interval, the widest that fits."""


def choose_columns(
    ranking: Ranking, width: int | None, scale_rows: Sequence[Row], sources: Mapping[str, int]
) -> list[Shown]:
    """The first layout that fits: in a line or two per entry, with or without a drawing.

    Parameters
    ----------
    width
        Of the terminal; None where nothing is to be cut.
    scale_rows
        The rows whose recalls the drawings' scale must hold.
    sources
        Numbers of the sources that names are marked with.
    """
    if width is None:
        return _one_line(ranking, {}, extras=True) + _plain_ends(ranking)
    drawings = [_drawing(ranking, scale_rows, size) for size in _DRAWN]
    named = 1  # the name's column, which takes what the others leave
    for extras in (True, False):
        for drawing in drawings:
            columns = _one_line(ranking, sources, extras) + drawing
            room = width - total_width(columns) + columns[named].width
            if drawing and room >= min(columns[named].width, _ROOMY_NAME):
                return _renamed(columns, ranking, sources, room)
    for drawing in drawings:
        taken = total_width(drawing) + len(GAP) if drawing else 0
        if drawing and width - taken >= NARROW:
            return _two_lines(ranking, sources, width - taken) + drawing
    return _two_lines(ranking, sources, width)


def columns_by_condition(
    ranking: Ranking, width: int | None, sources: Mapping[str, int]
) -> list[Shown]:
    """Rank, name and recalls by condition."""
    rows = [place.row for place in ranking.places]
    ranks = _ranks(ranking)
    longest = 10**6 if width is None else max(_NARROWEST_NAME, width // 3)
    names = [Cell(_name_lines(row, sources, longest)) for row in rows]
    lead = [ranks, Shown("name", False, names)]
    room = None if width is None else width - total_width(lead) - len(GAP)
    return lead + condition_columns(rows, ranking.recall, room)


def _renamed(
    columns: list[Shown], ranking: Ranking, sources: Mapping[str, int], room: int
) -> list[Shown]:
    names = [Cell(_name_lines(place.row, sources, room)) for place in ranking.places]
    return [columns[0], Shown("name", False, names), *columns[2:]]


def _drawing(ranking: Ranking, scale_rows: Sequence[Row], size: int) -> list[Shown]:
    """The column of drawn intervals; none where no recall is known."""
    scale = scale_of(scale_rows, ranking.recall, size)
    if scale is None:
        return []
    texts = [draw(place.row, ranking.recall, scale) for place in ranking.places]
    return [text_column(scale.heading(f"R@{ranking.recall}"), texts)]


def _one_line(ranking: Ranking, sources: Mapping[str, int], extras: bool) -> list[Shown]:
    """One line per entry, with every interval; `extras` are columns that most boards can spare."""
    rows = [place.row for place in ranking.places]
    names = [name_of(row) + _source_mark(row, sources) for row in rows]
    columns = [_ranks(ranking), text_column("name", names, "bold")]
    methods = [clean_text(row["method"] or "") for row in rows]
    if extras and any(methods):
        columns.append(text_column("method", methods))
    for n in RECALL_VALUES:
        recalls = [f"{recall_text(row, n):>5}" for row in rows]
        intervals = [interval_text(row, n) for row in rows]
        texts = [
            f"{recall} [{interval}]" if interval else recall
            for recall, interval in zip(recalls, intervals, strict=True)
        ]
        columns.append(text_column(f"  R@{n}", texts))
    dimensions = [str(row["dimension"] or "–") for row in rows]
    columns.append(text_column("dim", dimensions, right=True))
    if any(row["distance"] not in ("l2", None) for row in rows):
        distances = [clean_text(row["distance"] or "–") for row in rows]
        columns.append(text_column("distance", distances))
    sizes = [clean_text(row["image_size"] or "–") for row in rows]
    columns.append(text_column("image size", sizes))
    columns.append(_statuses(rows))
    return columns


def _plain_ends(ranking: Ranking) -> list[Shown]:
    """Tier, source and remark as columns of their own, where any entry has one."""
    rows = [place.row for place in ranking.places]
    tiers = [str(row.get("tier") or "") for row in rows]
    sources = [clean_text(row.get("source") or "") for row in rows]
    remarks = ["; ".join(oddities(row)) for row in rows]
    texts = (("tier", tiers), ("source", sources), ("remark", remarks))
    return [text_column(heading, column) for heading, column in texts if any(column)]


def _two_lines(ranking: Ranking, sources: Mapping[str, int], width: int) -> list[Shown]:
    """Intervals under recalls, dimension and image size under the name; as much as fits."""
    rows = [place.row for place in ranking.places]
    ranks, statuses = _ranks(ranking), _statuses(rows)
    for shown, with_status in (
        ((1, 5, 10, 20), True),
        ((1, 5, 20), True),
        ((1, 5), True),
        ((1, 5), False),
        ((1,), False),
    ):
        rest = [_recall_column(rows, n) for n in shown] + ([statuses] if with_status else [])
        room = width - total_width([ranks, *rest]) - len(GAP)
        if room >= _NARROWEST_NAME:
            break
    names = []
    for row in rows:
        lines = fill_lines(_details(row, with_status), max(room, 4), " · ")
        name = _name_lines(row, sources, max(room, 4))
        names.append(Cell((*name, *(Span(text, "dim") for text in lines))))
    return [ranks, Shown("name", False, names), *rest]


def _name_lines(row: Row, sources: Mapping[str, int], room: int) -> tuple[Span, ...]:
    """The name in at most two lines: one that would fill the screen is cut."""
    mark = _source_mark(row, sources)
    words = [part for word in (name_of(row) + mark).split() for part in _broken(word, room)]
    lines = fill_lines(words, room)
    if len(lines) > 2:
        second = shorten(" ".join(lines[1:]).removesuffix(mark), max(room - len(mark), 1))
        lines = [lines[0], second + mark]
    return tuple(Span(text, "bold") for text in lines)


def _broken(word: str, room: int) -> list[str]:
    """A word in parts of at most `room` columns, if it has hyphens or the like to break it after.

    >>> _broken("study-reference-avg-pooling", 20)
    ['study-reference-avg-', 'pooling']
    """
    parts = [""]
    for piece in re.split(r"(?<=[-_/+.:])", word):
        if parts[-1] and display_width(parts[-1] + piece) > room:
            parts.append("")
        parts[-1] += piece
    return parts


def _source_mark(row: Row, sources: Mapping[str, int]) -> str:
    number = sources.get(clean_text(row.get("source") or ""))
    return "" if number is None else f" [{number}]"


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


def _ranks(ranking: Ranking) -> Shown:
    texts = rank_texts(ranking)
    if any(place.standing for place in ranking.places):
        return text_column("#", texts)
    # Ranks end in a space or in "=", so that their digits stand under each other.
    labels = [text if text.endswith("=") else f"{text} " for text in texts]
    return text_column("# ", labels, right=True)


def _statuses(rows: Sequence[Row]) -> Shown:
    texts = [clean_text(row["status"]) for row in rows]
    return Shown(
        "status", False, [Cell((Span(text, STATUS_STYLES.get(text, "")),)) for text in texts]
    )
