"""The leaderboard as Markdown, CSV, JSON or LaTeX, with what strangers wrote made harmless."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from vgbench.leaderboard.columns import JSON_COLUMNS, PLAIN_COLUMNS, RECALL_VALUES, Row
from vgbench.leaderboard.conditions import CONDITION_COLUMNS, condition_rows
from vgbench.leaderboard.latex import latex_text
from vgbench.leaderboard.ranking import Ranking
from vgbench.leaderboard.text import (
    clean_text,
    escape_formula,
    escape_markdown,
    markdown_link,
    safe_link,
)
from vgbench.leaderboard.wording import (
    EMPTY,
    footnotes,
    interval_text,
    name_of,
    rank_texts,
    recall_text,
    title_parts,
)

FORMATS = ("markdown", "csv", "json", "latex")


def render(rankings: Sequence[Ranking], form: str, notes: Sequence[str] = ()) -> str:
    """The rankings in one of `FORMATS`, as text that ends in a line feed."""
    if form == "markdown":
        return markdown_text(rankings, notes)
    if form == "latex":
        return latex_text(rankings, notes)
    return {"csv": csv_text, "json": json_text}[form](rankings)


def render_conditions(rankings: Sequence[Ranking], form: str) -> str:
    """One row per entry and condition, as `"csv"` or `"json"`."""
    rows = condition_rows(rankings)
    if form == "csv":
        return _csv(CONDITION_COLUMNS, rows)
    cleaned = [{name: _json_value(row[name]) for name in CONDITION_COLUMNS} for row in rows]
    return json.dumps(cleaned, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def markdown_text(rankings: Sequence[Ranking], notes: Sequence[str] = ()) -> str:
    """A Markdown table per ranking, names linked to the method's first address."""
    if not rankings:
        return f"{EMPTY}\n"
    parts = []
    for ranking in rankings:
        title, *facts = title_parts(ranking)
        recalls = [f"R@{n}" for n in RECALL_VALUES]
        heads = ["#", "Name", *recalls, "Dimension", "Distance", "Image size", "Status"]
        lines = [f"### {escape_markdown(title)}", ""]
        if facts:
            lines += [escape_markdown(" · ".join(facts)), ""]
        lines += [_cells(heads), _cells(["--:", ":--", *["--:"] * 5, ":--", ":--", ":--"])]
        for rank, place in zip(rank_texts(ranking), ranking.places, strict=True):
            row = place.row
            links = [link for link in row["links"] or () if safe_link(link)]
            cells = [
                rank,
                markdown_link(name_of(row), links[0] if links else ""),
                *(_recall(row, n) for n in RECALL_VALUES),
                str(row["dimension"] or "–"),
                escape_markdown(row["distance"] or "–"),
                escape_markdown(row["image_size"] or "–"),
                escape_markdown(row["status"]),
            ]
            lines.append(_cells(cells))
        if ranking.more:
            lines += ["", f"… and {ranking.more:,} more."]
        parts.append("\n".join(lines))
    parts += [escape_markdown(note) for note in (*footnotes(rankings), *notes)]
    return "\n\n".join(parts) + "\n"


def csv_text(rankings: Sequence[Ranking]) -> str:
    """The rows in their order, one column per column of the Parquet table (RFC 4180)."""
    return _csv([column.name for column in PLAIN_COLUMNS], _rows(rankings))


def json_text(rankings: Sequence[Ranking]) -> str:
    """A JSON list of the rows in their order, with the Parquet table's column names."""
    return json.dumps(json_rows(rankings), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def json_rows(rankings: Sequence[Ranking]) -> list[Row]:
    """The rows as values that JSON has: times as text, and the JSON columns as objects."""
    return [
        {
            column.name: (
                _parsed(row[column.name])
                if column.name in JSON_COLUMNS
                else _json_value(row[column.name])
            )
            for column in PLAIN_COLUMNS
        }
        for row in _rows(rankings)
    ]


def _csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv_value(row[name]) for name in columns])
    return sink.getvalue()


def _rows(rankings: Sequence[Ranking]) -> list[Row]:
    return [place.row for ranking in rankings for place in ranking.places]


def _cells(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _recall(row: Row, n: int) -> str:
    interval = interval_text(row, n)
    return recall_text(row, n) + (f" ({interval})" if interval else "")


def _csv_value(value: Any) -> Any:
    if isinstance(value, str):
        return escape_formula(value)
    if isinstance(value, list):
        return " ".join(link for link in value if safe_link(link))
    if isinstance(value, datetime):
        return _time(value)
    return value


def _json_value(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [link for link in value if safe_link(link)]
    if isinstance(value, datetime):
        return _time(value)
    return value


def _parsed(text: str | None) -> Any:
    """The value of a JSON column, its texts cleaned; None where it holds no JSON."""
    try:
        return None if text is None else _cleaned(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {clean_text(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return clean_text(value) if isinstance(value, str) else value


def _time(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")
