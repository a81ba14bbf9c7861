"""Recalls by condition (day, dusk, night, …) of the rows of a ranking: as columns, and as rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from vgbench.leaderboard.columns import RECALL_VALUES, Row
from vgbench.leaderboard.layout import Cell, Shown, Span, text_column, total_width
from vgbench.leaderboard.ranking import Ranking
from vgbench.leaderboard.text import clean_text
from vgbench.leaderboard.wording import interval_text, recall_text
from vgbench.retrieval.statistics import percent_interval

CONDITION_COLUMNS = (
    "slug", "name", "dataset", "split", "condition", "derived", "queries",
    *(f"{what}_{n}" for n in RECALL_VALUES for what in ("hits", "recall", "low", "high")),
)  # fmt: skip
"""The columns of `condition_rows`."""


class Part(NamedTuple):
    """The queries of one condition, and how many of them are localized at each N."""

    queries: int
    hits: dict[int, int]


def parts_of(row: Row) -> dict[str, Part]:
    """A row's conditions by name; what does not read as such is passed over.

    >>> parts_of({"conditions": '{"night": {"queries": 80, "hits": {"1": 21}}}'})
    {'night': Part(queries=80, hits={1: 21})}
    """
    found = {}
    try:
        stated = json.loads(row["conditions"] or "{}")
    except (ValueError, RecursionError):
        return {}
    for name, part in stated.items() if isinstance(stated, dict) else ():
        queries, hits = (
            (part.get("queries"), part.get("hits")) if isinstance(part, dict) else (None, None)
        )
        if not (_is_count(queries) and queries and isinstance(hits, dict)):
            continue
        found[clean_text(name)] = Part(
            queries,
            {
                n: hits[str(n)]
                for n in RECALL_VALUES
                if _is_count(hits.get(str(n))) and hits[str(n)] <= queries
            },
        )
    return found


def condition_rows(rankings: Iterable[Ranking]) -> list[Row]:
    """One row per entry and condition, with `CONDITION_COLUMNS`; recalls in percent."""
    return [
        {
            **{name: row[name] for name in ("slug", "name", "dataset", "split")},
            "condition": condition,
            "derived": row["conditions_derived"],
            "queries": part.queries,
            **_numbers(part),
        }
        for ranking in rankings
        for row in (place.row for place in ranking.places)
        for condition, part in sorted(parts_of(row).items())
    ]


def has_conditions(ranking: Ranking) -> bool:
    """Whether any row of a ranking is known by condition."""
    return any(parts_of(place.row) for place in ranking.places)


def condition_columns(rows: Sequence[Row], n: int, room: int | None) -> list[Shown]:
    """Columns of recall@n over all queries and by condition, in `room` columns of the terminal.

    Intervals stand beside recalls where there is room, and under them otherwise; conditions that do
    not fit are left out, those with the fewest queries first.
    """
    parts = [parts_of(row) for row in rows]
    sizes: dict[str, int] = {}
    for held in parts:
        for name, part in held.items():
            sizes[name] = max(sizes.get(name, 0), part.queries)
    numbers = {
        name: [_numbers(held[name]) if name in held else {} for held in parts]
        for name in sorted(sizes, key=lambda name: (-sizes[name], name))
    }
    columns: dict[str, Shown] = {}
    for beside in (True, False):
        every = _column(f"R@{n}", rows, n, beside)
        columns = {name: _column(name, numbers[name], n, beside) for name in numbers}
        found = [every, *(columns[name] for name in sorted(columns))]
        if room is None or total_width(found) <= room:
            return found
    assert room is not None
    rest = text_column("…", [""] * len(rows))
    for count in range(len(columns) - 1, 0, -1):
        found = [every, *(columns[name] for name in sorted([*columns][:count])), rest]
        if total_width(found) <= room:
            return found
    return [every]


def _column(heading: str, rows: Sequence[Row], n: int, beside: bool) -> Shown:
    cells = []
    for row in rows:
        recall = recall_text(row, n) if row else "–"
        interval = interval_text(row, n) if row else ""
        if beside:
            cells.append(Cell((Span(f"{recall:>5}" + (f" [{interval}]" if interval else "")),)))
        else:
            cells.append(Cell((Span(recall), Span(interval, "dim"))))
    return Shown(heading, not beside, cells)


def _numbers(part: Part) -> Row:
    found: Row = {}
    for n in RECALL_VALUES:
        hits = part.hits.get(n)
        found |= {f"hits_{n}": hits, f"recall_{n}": None, f"low_{n}": None, f"high_{n}": None}
        if hits is not None:
            found[f"recall_{n}"] = 100 * hits / part.queries
            found[f"low_{n}"], found[f"high_{n}"] = percent_interval(hits, part.queries)
    return found


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
