"""From an evaluation to the page's HTML: one text that asks nothing of anybody, all escaped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from vgbench._version import __version__
from vgbench.leaderboard.page_template import packaged, scripted_template
from vgbench.leaderboard.report.charts import (
    histogram,
    histogram_chart,
    metres_chart,
    missed_by,
    n_chart,
)
from vgbench.leaderboard.report.content import FIRST_ROWS, ORDER, Query, recall_table
from vgbench.leaderboard.report.maps import map_chart
from vgbench.leaderboard.report.pictures import Pictures
from vgbench.leaderboard.report.reading import Evaluation
from vgbench.leaderboard.report.shown import BLANK, Shown
from vgbench.retrieval.recall import RECALL_VALUES

if TYPE_CHECKING:
    from jinja2 import Template

_IMAGES_FROM = {"embed": "data:", "link": "'self' file:", "none": "'none'"}


def render_report(
    evaluation: Evaluation, listed: Sequence[Query], pictures: Pictures, limit: int = FIRST_ROWS
) -> str:
    """The page's HTML; `limit` queries are in it, the others in its data."""
    shown = Shown(evaluation, pictures)
    rows = [shown.query(query, place) for place, query in enumerate(listed, 1)]
    total = len(evaluation.first_hits)
    missed = int((evaluation.first_hits != 0).sum())
    heading = "All queries" if len(listed) == total else f"The {len(listed):,} worst queries"
    return _template().render(
        name=evaluation.name,
        title=evaluation.title,
        threshold=f"{evaluation.threshold:g}",
        summary=f"{missed:,} of {total:,} queries are not localized at 1.",
        notes=notes_on(evaluation, pictures),
        facts=evaluation.facts,
        ns=[n for n in RECALL_VALUES if n <= evaluation.rows.shape[1]],
        recalls=recall_table(evaluation),
        charts={
            "map": map_chart(evaluation),
            "histogram": histogram_chart(evaluation),
            "metres": metres_chart(evaluation),
            "n": n_chart(evaluation),
        },
        bins=[one for one in histogram(evaluation) if one.localized or one.missed],
        far=missed_by(evaluation),
        heading=heading,
        order=ORDER,
        conditions=sorted({query.condition for query in listed if query.condition}),
        rows=rows,
        blank=BLANK,
        limit=limit,
        sources=shown.sources,
        images_from=_IMAGES_FROM[pictures.kind],
        plain=not pictures.sources,
        version=__version__,
        command=evaluation.command,
        data=shown.data(rows, limit),
    )


def notes_on(evaluation: Evaluation, pictures: Pictures) -> list[str]:
    """What a reader must know of the pictures: whose they are, and which are not there."""
    notes = []
    if evaluation.images is None and pictures.kind != "none":
        notes.append(
            "The dataset's images were not at hand when this page was made: it shows names only."
        )
    elif evaluation.other_images and pictures.sources:
        notes.append(
            "The pictures are of another edition of the dataset than the one evaluated: the same "
            "names, other files."
        )
    if pictures.over_budget:
        notes.append(
            f"{pictures.over_budget:,} pictures of the last queries are left out to keep the page "
            "small; with --images link it shows all."
        )
    if pictures.unreadable:
        notes.append(f"{len(pictures.unreadable):,} pictures are missing or do not decode.")
    return notes


@cache
def _template() -> Template:
    page, script, style = (
        packaged(__package__, name) for name in ("page.html.j2", "page.js", "page.css")
    )
    board = packaged("vgbench.leaderboard.site", "page.css")
    return scripted_template(page, script, board + style)
