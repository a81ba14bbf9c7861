"""Writing the page: one file with no request to anywhere, the same bytes from the same board."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgbench._version import __version__
from vgbench.leaderboard.columns import Row
from vgbench.leaderboard.entry import PROVENANCE, STATUS_MEANING
from vgbench.leaderboard.page_template import packaged, scripted_template
from vgbench.leaderboard.site.charts import CURVES, chart_table, curves_chart, pareto_chart
from vgbench.leaderboard.site.content import ROW_FIELDS, Board, Content, page_content

if TYPE_CHECKING:
    from jinja2 import Template

PAGE = "index.html"
MARKDOWN = "README.md"

MARKDOWN_HEAD = """# Leaderboard

Everything in this folder is derived from `../submissions` by `vgbench leaderboard build` and
`vgbench leaderboard site`, and never edited by hand. `index.html` is the same with rank intervals,
filters, maps and comparisons: one file that works offline. `vgbench leaderboard` shows it in a
terminal; `vgbench.load_leaderboard()` gives it as a DataFrame.

"""

FIRST_ROWS = 100
"""Rows of a board that are in the HTML, and that the script draws at first: laying out rows is what
takes a browser its time, not ordering them."""

COLUMNS = (
    ("rank", "rank"), ("name", "entry"), ("recall_1", "R@1"), ("recall_5", "R@5"),
    ("recall_10", "R@10"), ("recall_20", "R@20"), ("dimension", "dim"), ("image_size", "images"),
    ("backbone", "backbone"), ("training_data", "trained on"), ("distance", "distance"),
    ("status", "status"),
)  # fmt: skip
"""What the page's table can be ordered by, and how it is headed."""


def write_site(
    root: str | os.PathLike[str], output: str | os.PathLike[str] | None = None
) -> list[Path]:
    """Write the board's page, and the same rows as Markdown beside it.

    Parameters
    ----------
    root
        The board's folder.
    output
        A folder, which gets `index.html` and `README.md`, or a file that ends in .html, which is
        then the only one; `<root>/leaderboard` when left out.

    Returns
    -------
    list of Path
        The files that were written, the page first.

    Raises
    ------
    BoardError
        When the board's table cannot be read, or the page cannot be written.
    """
    from vgbench.durable import atomic_write
    from vgbench.leaderboard.board import board_errors, table_path
    from vgbench.leaderboard.table import read_board

    root = Path(root)
    folder = Path(output) if output is not None else table_path(root).parent
    table = read_board(root)
    page = render_site(table.rows, _verified(table_path(root).parent))
    if folder.suffix.lower() in (".html", ".htm"):
        texts = {folder: page}
    else:
        texts = {folder / PAGE: page, folder / MARKDOWN: render_markdown(table.rows)}
    with board_errors(next(iter(texts)).parent):
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as file:
                file.write(text.encode("utf-8"))
    return list(texts)


def render_markdown(rows: Sequence[Row]) -> str:
    """The board as Markdown, for whoever reads the repository on its host."""
    from vgbench.leaderboard.exports import render
    from vgbench.leaderboard.ranking import rank_rows
    from vgbench.leaderboard.standing import is_current

    rankings = rank_rows([row for row in rows if is_current(row)])
    return MARKDOWN_HEAD + render(rankings, "markdown")


def render_site(rows: Sequence[Row], verified: Mapping[str, Any] | None = None) -> str:
    """The page's HTML.

    Parameters
    ----------
    rows
        Rows of the table.
    verified
        When each entry was last verified, as `vgbench verify --record` wrote it.
    """
    content = page_content(rows, verified)
    names = {slug: entry["name"] for slug, entry in content.entries.items()}
    dates = [
        entry["submitted"]
        for entry in content.entries.values()
        if "submitted" in entry and not entry.get("published")
    ]
    return _template().render(
        boards=[_for_template(board, names) for board in content.boards],
        blank=_row_for_template(dict.fromkeys(ROW_FIELDS)),
        entries=content.entries,
        columns=COLUMNS,
        limit=FIRST_ROWS,
        statuses=STATUS_MEANING,
        provenance=PROVENANCE,
        updated=max(dates, default=None),
        version=__version__,
        data=_data(content),
    )


def rank_text(row: Mapping[str, Any]) -> str:
    """A row's rank as the page shows it: the interval of its rank where tests give one.

    >>> rank_text({"rank": 3, "low_rank": 2, "high_rank": 5}), rank_text({"rank": None})
    ('2–5', '')
    """
    if row["rank"] is None:
        return ""
    low, high = row.get("low_rank"), row.get("high_rank")
    if low is None or high is None:
        return str(row["rank"])
    return str(low) if low == high else f"{low}–{high}"


def _for_template(board: Board, names: dict[str, str]) -> dict[str, Any]:
    main = not board.published and board.apart is None
    return {
        **{name: getattr(board, name) for name in board.__dataclass_fields__ if name != "rows"},
        "rows": [_row_for_template(row) for row in board.rows],
        "pareto": pareto_chart(board, names) if main else None,
        "points": chart_table(board, names)[:FIRST_ROWS] if main else [],
        "curves": curves_chart(board, names) if main else None,
        "drawn": min(CURVES, len(board.rows)),
    }


def _row_for_template(row: dict[str, Any]) -> dict[str, Any]:
    text = rank_text(row) if row["slug"] else ""
    return row | {"rank_text": text, "published": row["status"] == "published"}


def _data(content: Content) -> dict[str, Any]:
    """What the script reads: rows as lists, since a thousand keys a thousand times are long."""
    return {
        "fields": ROW_FIELDS,
        "limit": FIRST_ROWS,
        "columns": COLUMNS,
        "boards": [
            {
                "id": board.id,
                "title": board.title,
                "apart": board.apart,
                "published": board.published,
                "queries": board.queries,
                "rows": [list(row.values()) for row in board.rows],
            }
            for board in content.boards
        ],
        "entries": content.entries,
        "maps": content.maps,
    }


@cache
def _template() -> Template:
    texts = (packaged(__package__, name) for name in ("page.html.j2", "page.js", "page.css"))
    return scripted_template(*texts)


def _verified(folder: Path) -> dict[str, Any]:
    """When entries were last verified; nothing where nobody recorded it, or the record is torn."""
    try:
        found = json.loads((folder / "verified.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
