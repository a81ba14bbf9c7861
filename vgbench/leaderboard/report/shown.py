"""Queries and images as the page shows them: in words for readers, in short data for its script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vgbench.leaderboard.report.content import Found, Query
from vgbench.leaderboard.report.maps import map_of
from vgbench.leaderboard.report.pictures import Pictures
from vgbench.leaderboard.report.reading import Evaluation
from vgbench.leaderboard.text import clean_text

FIELDS = (
    "index", "name", "condition", "ok", "verdict", "details", "predictions", "missed", "x", "y",
)  # fmt: skip
"""What a query of the page's data holds, in this order."""

BLANK: dict[str, Any] = {
    "index": "", "place": "", "name": "", "ok": False, "verdict": "", "details": "", "key": "",
    "predictions": [
        {"row": 0, "key": "", "right": False, "metres": "", "distance": "", "name": ""}
    ],
    "missed": None,
}  # fmt: skip
"""What the script's template is drawn from."""


class Shown:
    """Queries and images as the page shows them, with their sources by short keys."""

    def __init__(self, evaluation: Evaluation, pictures: Pictures) -> None:
        self.evaluation = evaluation
        self.scale = map_of(evaluation)
        self.pictures = pictures
        self.sources: dict[str, str] = {}

    def query(self, query: Query, place: int) -> dict[str, Any]:
        path = self.evaluation.query_paths[query.index]
        x, y = self.scale.units(self.evaluation.query_positions[query.index]).tolist()
        return {
            "index": query.index,
            "place": place,
            "key": self._key(f"q{query.index}", path),
            "name": clean_text(path.removeprefix("queries/")),
            "condition": query.condition,
            "ok": query.rank == 1,
            "verdict": self._verdict(query),
            "details": self._details(query),
            "predictions": [self.found(found) for found in query.predictions],
            "missed": self.found(query.missed) if query.missed else None,
            "x": x,
            "y": y,
        }

    def found(self, found: Found) -> dict[str, Any]:
        path = self.evaluation.database_paths[found.row]
        return {
            "row": found.row,
            "key": self._key(f"d{found.row}", path),
            "name": clean_text(path.removeprefix("database/")),
            "right": found.right,
            "metres": metres_text(found.metres),
            "distance": distance_text(found.distance),
        }

    def data(self, rows: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
        """What the script reads; pictures that the HTML has are not in it again."""
        database: dict[str, list[Any]] = {}
        sources: dict[str, str] = {}
        drawn = {key for row in rows[:limit] for key in _keys(row)}
        for row in rows:
            for found in (*row["predictions"], *([row["missed"]] if row["missed"] else [])):
                if str(found["row"]) not in database:
                    where = self.evaluation.database_positions[found["row"]]
                    database[str(found["row"])] = [
                        found["name"], *self.scale.units(where).tolist(),
                    ]  # fmt: skip
            for key in _keys(row):
                if key in self.sources and key not in drawn:
                    sources[key] = self.sources[key]
        return {
            "fields": FIELDS,
            "limit": limit,
            "queries": [[_packed(name, row[name]) for name in FIELDS] for row in rows],
            "database": database,
            "sources": sources,
        }

    def _key(self, key: str, path: str) -> str:
        source = self.pictures.sources.get(path)
        if source is not None:
            self.sources[key] = source
        return key

    def _verdict(self, query: Query) -> str:
        if query.rank == 1:
            return "✓ localized at 1"
        if query.rank is not None:
            return f"✗ first positive at rank {query.rank}"
        if query.positives == 0:
            return f"✗ no database image is within {self.evaluation.threshold:g} m"
        return f"✗ no positive among the first {self.evaluation.rows.shape[1]}"

    def _details(self, query: Query) -> str:
        parts = [f"best prediction {metres_text(query.predictions[0].metres)} away"]
        if query.positives:
            parts.append(f"{query.positives} positive{'s' if query.positives > 1 else ''}")
        if query.condition:
            parts.append(clean_text(query.condition))
        return " · ".join(parts)


def metres_text(metres: float) -> str:
    """Metres as the page shows them: one decimal up to 100 m, kilometres from 10 km.

    >>> metres_text(12.34), metres_text(431.6), metres_text(12345.6)
    ('12.3 m', '432 m', '12.3 km')
    """
    if metres >= 9999.5:
        return f"{metres / 1000:,.1f} km"
    return f"{metres:.1f} m" if metres < 99.95 else f"{metres:,.0f} m"


def distance_text(distance: float | None) -> str:
    """A distance between descriptors with three or four digits; nothing where there is none.

    >>> distance_text(0.51234), distance_text(12.1451), distance_text(1234.5), distance_text(None)
    ('0.512', '12.15', '1234', '')
    """
    if distance is None:
        return ""
    return f"{distance:.3f}" if abs(distance) < 10 else f"{distance:.4g}"


def _keys(row: dict[str, Any]) -> list[str]:
    found = [*row["predictions"], *([row["missed"]] if row["missed"] else [])]
    return [row["key"], *(one["key"] for one in found)]


def _packed(name: str, value: Any) -> Any:
    """A value of the data without names, which would stand there thousands of times."""
    if name == "ok":
        return int(value)
    if name == "predictions":
        return [[one["row"], int(one["right"]), one["metres"], one["distance"]] for one in value]
    if name == "missed":
        return [value["row"], value["metres"]] if value else None
    return value
