"""What the page says, as plain values: every number, rank and tier in it is computed here.

The page's script orders rows and hides them. The one thing it computes is how many queries two
entries disagree on, since a board of a thousand entries has half a million pairs; the p-value of
those counts follows the formula of `vgbench.retrieval.statistics.mcnemar`, and a test holds the two
together.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgbench.leaderboard.columns import RECALL_VALUES, Row
from vgbench.leaderboard.map_scale import MAP_SIZE, dots, scale_around
from vgbench.leaderboard.ranking import Place, Ranking, rank_rows
from vgbench.leaderboard.text import clean_text, safe_link
from vgbench.retrieval.statistics import holm, mcnemar, percent_interval, smallest_difference

BYTES_PER_NUMBER = 4
"""A descriptor is stored as float32."""

ROW_FIELDS = (
    "slug", "rank", "low_rank", "high_rank", "tier",
    "recall_1", "recall_5", "recall_10", "recall_20",
    "low_1", "high_1", "low_5", "high_5", "low_10", "high_10", "low_20", "high_20",
    "hits_1", "hits_5", "hits_10", "hits_20",
    "dimension", "image_size", "distance", "status", "resize", "device", "remark", "source",
    "conditions", "seconds", "outcomes",
)  # fmt: skip
"""What a row of the page's data holds, in this order; null where it is unknown."""


@dataclass(frozen=True)
class Board:
    """One ranking as the page shows it.

    `rows` are in the order of the board, each with the fields of `ROW_FIELDS`; `cheapest` is the
    slug of the entry with the shortest descriptor that is not significantly worse than the best.
    """

    id: str
    title: str
    apart: str | None
    published: bool
    queries: int | None
    database: int | None
    threshold: float
    step: float | None
    smallest: float | None
    cheapest: str | None
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class Content:
    """Everything that is on the page.

    `entries` holds each submission's card by slug; `maps` the positions of a board's queries, in
    units of its map, and their names.
    """

    boards: list[Board]
    entries: dict[str, dict[str, Any]]
    maps: dict[str, dict[str, Any]]


def page_content(rows: Sequence[Row], verified: Mapping[str, Any] | None = None) -> Content:
    """Turn the table's rows into what the page shows.

    Parameters
    ----------
    rows
        Rows of the table, `outcomes_1` among them. Withdrawn and superseded ones are left out.
    verified
        What `vgbench verify --record` wrote: `{slug: {"digest", "at", "version", "ok"}}`.
    """
    shown = [row for row in rows if not row.get("withdrawn") and not row.get("superseded_by")]
    rankings = rank_rows(shown)
    boards: list[Board] = []
    for ranking in rankings:
        boards.append(_board(ranking, [board.id for board in boards]))
    entries = {row["slug"]: _entry(row, (verified or {}).get(row["slug"])) for row in shown}
    maps = {}
    for board, ranking in zip(boards, rankings, strict=True):
        if not board.published and (positions := _positions(ranking)):
            maps[board.id] = positions
    return Content(boards, entries, maps)


def _board(ranking: Ranking, taken: Sequence[str]) -> Board:
    name = ranking.title if ranking.apart is None else f"{ranking.title}~{_kind(ranking)}"
    number = 1
    while name in taken:
        number += 1
        name = f"{ranking.title}~{_kind(ranking)}{number}"
    rows = [_row(place) for place in ranking.places]
    return Board(
        id=name,
        title=ranking.title,
        apart=ranking.apart,
        published=ranking.published,
        queries=ranking.queries,
        database=ranking.database,
        threshold=ranking.key.threshold,
        step=_rounded(ranking.smallest_step, 3),
        smallest=_smallest(ranking),
        cheapest=_cheapest(ranking),
        rows=rows,
    )


def _kind(ranking: Ranking) -> str:
    return "published" if ranking.published else "apart"


def _row(place: Place) -> dict[str, Any]:
    row = place.row
    values: dict[str, Any] = {
        "slug": row["slug"],
        "rank": place.rank,
        "low_rank": row.get("rank_low") if place.rank else None,
        "high_rank": row.get("rank_high") if place.rank else None,
        "tier": row.get("tier") if place.rank else None,
        "outcomes": None,
    }
    digits = 6 if row["status"] == "published" else 1  # what was printed stays as it was printed
    for n in RECALL_VALUES:
        values[f"recall_{n}"] = _rounded(row[f"recall_{n}"], digits)
        values[f"low_{n}"] = _rounded(row[f"low_{n}"], 1)
        values[f"high_{n}"] = _rounded(row[f"high_{n}"], 1)
        values[f"hits_{n}"] = row[f"hits_{n}"]
    for name in ("dimension", "distance", "status"):
        values[name] = row[name]
    for name in ("image_size", "resize", "device", "remark", "source"):
        values[name] = clean_text(row[name]) if row.get(name) else None
    values["seconds"] = json.loads(row["seconds"]) if row.get("seconds") else None
    values["conditions"] = _conditions(row)
    if row.get("outcomes_1"):
        values["outcomes"] = base64.b64encode(row["outcomes_1"]).decode("ascii")
    return {name: values[name] for name in ROW_FIELDS}


def _conditions(row: Row) -> list[list[Any]] | None:
    """For each condition its name, its queries, and the recalls with their intervals as text."""
    if not row.get("conditions"):
        return None
    lines = []
    for name, part in json.loads(row["conditions"]).items():
        line: list[Any] = [clean_text(name), part["queries"]]
        for n in RECALL_VALUES:
            count, total = part["hits"].get(str(n)), part["queries"]
            if count is None or not total:
                line.append("")
                continue
            low, high = percent_interval(count, total)
            line.append(f"{100 * count / total:.1f} {low:.1f}–{high:.1f}")
        lines.append(line)
    return lines


def _entry(row: Row, verified: Any) -> dict[str, Any]:
    """An entry's card; what a stranger wrote is one clean line, and links are http(s) only."""
    card: dict[str, Any] = {
        name: clean_text(row[name]) if row.get(name) else None
        for name in (
            "name", "method", "authors", "backbone", "architecture", "training_data", "licence",
            "notes",
        )
    }  # fmt: skip
    card["parameters"] = row.get("parameters")
    card["links"] = [link for link in map(safe_link, row.get("links") or ()) if link]
    card["submitted"] = row["submitted"].strftime("%Y-%m-%d") if row.get("submitted") else None
    card["versions"] = json.loads(row["versions"]) if row.get("versions") else None
    card["published"] = row["status"] == "published"
    if verified and verified.get("digest") == row.get("submission_digest"):
        card["verified"] = {
            name: clean_text(verified.get(name) or "") for name in ("at", "version")
        } | {"ok": bool(verified.get("ok"))}
    return {name: value for name, value in card.items() if value not in (None, [], {})}


def _smallest(ranking: Ranking) -> float | None:
    """The smallest difference in recall@1 that this board can show, in points."""
    if ranking.published or not ranking.queries:
        return None
    found = smallest_difference(ranking.queries)
    return None if found is None or not math.isfinite(found) else round(float(found), 1)


def _outcomes(ranking: Ranking) -> tuple[list[Row], NDArray[np.bool_]] | None:
    """The ranked rows whose outcomes are known, and bool (rows, queries) of them."""
    from vgbench.retrieval.standings import unpack_outcomes

    queries = ranking.queries
    rows = [place.row for place in ranking.places if place.rank and place.row.get("outcomes_1")]
    if not queries or len(rows) < 2:
        return None
    return rows, np.stack([unpack_outcomes(row["outcomes_1"], queries) for row in rows])


def _cheapest(ranking: Ranking) -> str | None:
    """The entry of least dimension that is not significantly worse than the best at recall@1.

    Exact McNemar tests of each entry against the best, Holm's correction over them, at 5 %.
    """
    found = _outcomes(ranking)
    if found is None:
        return None
    rows, localized = found
    best = int(np.argmax(localized.sum(axis=1)))
    only_best = (localized[best] & ~localized).sum(axis=1)
    only_other = (localized & ~localized[best]).sum(axis=1)
    others = np.arange(len(rows)) != best
    p_values = np.ones(len(rows))
    p_values[others] = holm(np.asarray(mcnemar(only_best[others], only_other[others])))
    as_good = (p_values > 0.05) | (only_other >= only_best)
    candidates = [row for row, good in zip(rows, as_good, strict=True) if good and row["dimension"]]
    if not candidates:
        return None
    chosen = min(candidates, key=lambda row: (row["dimension"], -row["recall_1"], row["slug"]))
    return str(chosen["slug"])


def _positions(ranking: Ranking) -> dict[str, Any] | None:
    """Names of the queries, and where they and the database are, in units of the map.

    Only where the ground truth comes with vgbench, and is the one of this ranking.
    """
    from vgbench.datasets.ground_truth import load_ground_truth
    from vgbench.errors import VgbenchError

    try:
        truth = load_ground_truth(ranking.key.dataset, ranking.key.split)
    except VgbenchError:
        return None
    if truth.ground_truth != ranking.key.ground_truth:
        return None
    scale = scale_around(truth.database_positions, truth.query_positions)
    queries = scale.units(truth.query_positions)
    return {
        "queries": [path.removeprefix("queries/") for path in truth.query_paths],
        "x": queries[:, 0].tolist(),
        "y": queries[:, 1].tolist(),
        "width": scale.width,
        "height": scale.height,
        "bar": round(_bar(scale.metres) / scale.metres),
        "bar_metres": _bar(scale.metres),
        "radius": round(ranking.key.threshold / scale.metres, 1),
        "database": dots(scale.units(truth.database_positions)),
    }


def _bar(metres_per_unit: float) -> int:
    """The length of the scale's bar: the round number of metres nearest an eighth of the map."""
    wanted = metres_per_unit * MAP_SIZE / 8
    return min((10, 20, 50, 100, 200, 500, 1000, 2000, 5000), key=lambda m: abs(m - wanted))


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
