"""The leaderboard in a terminal, and as plain aligned text in a pipe.

Ranks are the intervals that the data allows, with rules between tiers. Wide terminals draw the
intervals of R@1 on one scale; from 80 columns on, each entry has a second line with intervals,
dimension and image size; on narrower ones columns are left out. In a pipe nothing is cut.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from vgbench.leaderboard.columns import Row
from vgbench.leaderboard.layout import (
    RULE,
    TIER_RULE,
    Line,
    Shown,
    Span,
    encodable,
    entry_lines,
    heading_line,
    total_width,
)
from vgbench.leaderboard.ranking import Ranking
from vgbench.leaderboard.table_columns import STATUS_STYLES, choose_columns, columns_by_condition
from vgbench.leaderboard.text import clean_text, fill_lines
from vgbench.leaderboard.wording import (
    EMPTY,
    footnotes,
    full_title,
    oddities,
    source_numbers,
    standing_notes,
)


def show(
    rankings: Sequence[Ranking],
    notes: Sequence[str] = (),
    file: TextIO | None = None,
    by: str | None = None,
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
    by
        `"condition"`: one recall by condition, in place of all recalls.
    """
    stream: TextIO = file or sys.stdout
    if not stream.isatty():
        stream.write(encodable(plain_text(rankings, notes, by), stream.encoding))
        return
    from rich.console import Console
    from rich.segment import Segment, Segments
    from rich.style import Style

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    # Segments go out as they are: the lines are laid out already, which saves rich half a second
    # for a thousand rows, and no markup in them is ever obeyed.
    styles = {name: Style.parse(name) for name in ("bold", "dim", *STATUS_STYLES.values())}
    segments = []
    for line in table_lines(rankings, notes, console.width, by):
        segments += [
            Segment(encodable(span.text, stream.encoding), styles.get(span.style)) for span in line
        ]
        segments.append(Segment.line())
    console.print(Segments(segments), soft_wrap=True, end="")


def plain_text(
    rankings: Sequence[Ranking], notes: Sequence[str] = (), by: str | None = None
) -> str:
    """The rankings as aligned text, one line per entry, nothing cut and nothing styled."""
    lines = table_lines(rankings, notes, None, by)
    return "".join("".join(span.text for span in line).rstrip() + "\n" for line in lines)


def table_lines(
    rankings: Sequence[Ranking],
    notes: Sequence[str] = (),
    width: int | None = None,
    by: str | None = None,
) -> list[Line]:
    """The lines of the table for a terminal of so many columns; of any width when None."""
    if not rankings:
        return [[Span(text)] for text in (EMPTY, *map(clean_text, notes))]
    lines: list[Line] = []
    on_scale: dict[str, list[Row]] = {}
    for ranking in rankings:  # published numbers are drawn on the scale of what can be verified
        on_scale.setdefault(ranking.title, []).extend(place.row for place in ranking.places)
    for ranking in rankings:
        lines += [
            [Span(text, "bold")] for text in fill_lines(full_title(ranking), width or 10**6, " · ")
        ]
        sources = source_numbers(ranking)
        columns = (
            choose_columns(ranking, width, on_scale[ranking.title], sources)
            if by is None
            else columns_by_condition(ranking, width, sources)
        )
        lines += _table(ranking, columns, sources, width)
        lines.append([])
    for foot in (*standing_notes(rankings), *footnotes(rankings), *notes):
        words = clean_text(foot).split() if width else [clean_text(foot)]
        lines += [[Span(text, "dim")] for text in fill_lines(words, width or 10**6)]
    return lines


def _table(
    ranking: Ranking, columns: Sequence[Shown], sources: Mapping[str, int], width: int | None
) -> list[Line]:
    total = total_width(columns)
    span = total if width is None else min(width, total)
    lines: list[Line] = [heading_line(columns)]
    if width is not None:
        lines.append([Span(RULE * span, "dim")])
    tier = None
    for index, place in enumerate(ranking.places):
        own = place.row.get("tier") if place.standing and ranking.sort == "recall_1" else None
        if own is not None:
            if tier is not None and own > tier:
                lines.append([Span(TIER_RULE * span, "dim")])
            tier = own
        lines += entry_lines(columns, index)
        if width is not None:
            lines += _below(place.row, span)
    if ranking.more:
        text = f"… and {ranking.more:,} more: --limit 0 shows all"
        lines += [[Span(part, "dim")] for part in fill_lines(text.split(), width or 10**6)]
    if width is not None:
        for source, number in sources.items():
            texts = fill_lines(f"[{number}] {source}".split(), width)
            lines += [[Span(text, "dim")] for text in texts]
    return lines


def _below(row: Row, width: int) -> list[Line]:
    """What is odd about an entry, under it."""
    lines = []
    for remark in oddities(row):
        lines += fill_lines(f"! {remark}".split(), max(width - 4, 8))
    return [[Span(" " * 4), Span(text, "yellow")] for text in lines]
