"""`submission.json`: from a card and entries to its text, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from vgbench.leaderboard.entry import CARD_TEXTS, STATUSES, Card, Condition, Entry
from vgbench.leaderboard.fields import Fields, parse_object
from vgbench.leaderboard.predictions import (
    distances_digest,
    first_hit_digest,
    paths_digest,
    predictions_digest,
)
from vgbench.leaderboard.text import clean_text

SCHEMA = 1
"""Version of `submission.json`; a newer one is refused, with its number in the message."""

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
"""How `submitted` is written, in UTC."""

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.parquet")


@dataclass(frozen=True)
class StoredDigests:
    """A predictions file: its name, K, and the digests of what it holds.

    `first_hit` is None where the file has no such column.
    """

    file: str
    top: int
    rows: str
    distances: str
    query_paths: str
    first_hit: str | None = None


@dataclass(frozen=True, eq=False)
class Document:
    """A `submission.json` as it was read: entries without their arrays, and what these should be.

    `predictions` has one item per entry, None for a published one.
    """

    slug: str
    revision: int
    card: Card
    entries: tuple[Entry, ...]
    predictions: tuple[StoredDigests | None, ...]
    submitted: str
    versions: Mapping[str, str | None]


@dataclass(frozen=True, eq=False)
class Submission:
    """One folder of `submissions/`, read and found consistent.

    `entries` hold their predictions; `digest` is the SHA-256 of `submission.json`.
    """

    document: Document
    entries: tuple[Entry, ...]
    folder: Path
    digest: str

    @property
    def slug(self) -> str:
        """The folder's name, which identifies the submission on its board."""
        return self.document.slug

    @property
    def revision(self) -> int:
        """1 for the first submission of a name."""
        return self.document.revision

    @property
    def card(self) -> Card:
        """What is known of the method."""
        return self.document.card

    @property
    def submitted(self) -> str:
        """When it was made: an ISO 8601 time in UTC."""
        return self.document.submitted

    @property
    def versions(self) -> Mapping[str, str | None]:
        """Versions of the packages that made it."""
        return self.document.versions

    @property
    def status(self) -> str:
        """The weakest status of its entries: what it may claim as a whole."""
        return max((entry.status or "unverified" for entry in self.entries), key=STATUSES.index)


def clean_card(card: Card) -> Card:
    """The card with every text on one line, and without controls and overrides."""
    texts = {
        name: None if getattr(card, name) is None else clean_text(getattr(card, name)) or None
        for name in CARD_TEXTS
    }
    others = {f.name: getattr(card, f.name) for f in fields(Card) if f.name not in texts}
    return Card(**{**others, **texts, "name": texts["name"] or ""})


def file_names(entries: Sequence[Entry]) -> list[str]:
    """What the entries' predictions files are called: `<dataset>-<split>.parquet`, all unlike."""
    names: list[str] = []
    for entry in entries:
        stem = f"{entry.dataset}-{entry.split}"
        name, number = f"{stem}.parquet", 1
        while name.lower() in [other.lower() for other in names]:  # "a-b" + "c", "a" + "b-c"
            number += 1
            name = f"{stem}-{number}.parquet"
        names.append(name)
    return names


def write_document(
    slug: str,
    revision: int,
    card: Card,
    entries: Sequence[Entry],
    submitted: str,
    versions: Mapping[str, str | None],
) -> bytes:
    """The text of `submission.json`: keys in a fixed order, indented for people and for diffs."""
    results = []
    for entry, name in zip(entries, file_names(entries), strict=True):
        result: dict[str, Any] = {
            "dataset": entry.dataset,
            "split": entry.split,
            "status": entry.status,
            "ground_truth": entry.ground_truth,
            "content": entry.content,
            "protocol": int(entry.protocol),
            "threshold": float(entry.threshold),
            "database": _int(entry.database),
            "queries": _int(entry.queries),
            "queries_without_positives": _int(entry.queries_without_positives),
            "distance": entry.distance,
            "dimension": _int(entry.dimension),
            "image_size": _text(entry.image_size),
            "resize": _text(entry.resize),
        }
        if entry.status == "published":
            result["recalls"] = {str(n): float(v) for n, v in sorted(entry.recalls.items())}
        else:
            result["hits"] = _counts(entry.hits)
            result["conditions"] = entry.conditions and {
                clean_text(name): {"queries": int(part["queries"]), "hits": _counts(part["hits"])}
                for name, part in entry.conditions.items()
            }
            result["conditions_derived"] = bool(entry.conditions_derived)
            result["predictions"] = {
                "file": name,
                "top": entry.top,
                "rows": predictions_digest(entry.rows),
                "distances": distances_digest(entry.distances),
                "query_paths": paths_digest(entry.query_paths),
            }
            if entry.first_hit is not None:
                result["predictions"]["first_hit"] = first_hit_digest(entry.first_hit)
            result["descriptors"] = entry.descriptors_digest
        result["seconds"] = {clean_text(k): round(float(v), 4) for k, v in entry.seconds.items()}
        result["device"] = _text(entry.device)
        results.append(result)
    document = {
        "schema": SCHEMA,
        "slug": slug,
        "name": card.name,
        "revision": revision,
        "submitted": submitted,
        "method": {
            f.name: getattr(card, f.name) for f in fields(Card) if f.name not in ("name", "links")
        }
        | {"links": list(card.links)},
        "results": results,
        "versions": dict(versions),
    }
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8")


def read_document(text: bytes, problems: list[str]) -> Document | None:
    """Read `submission.json`; types that do not fit are added to `problems`.

    None where nothing can be read: no JSON, or a schema of the future.
    """
    try:
        raw = parse_object(text)
    except ValueError as error:
        problems.append(f"submission.json cannot be read: {error}")
        return None
    top = Fields(raw, "", problems)
    schema = top.integer("schema", required=True)
    if schema is None or schema < 1:
        problems.append("the schema version is not a whole number from 1")
        return None
    if schema > SCHEMA:
        problems.append(
            f"it was written by a newer vgbench (schema {schema}; this one reads up to {SCHEMA}): "
            f"upgrade vgbench"
        )
        return None
    method = top.part("method", required=True) or Fields({}, "method.", [])
    texts = {name: method.text(name) for name in CARD_TEXTS if name != "name"}
    card = Card(
        **texts,
        name=top.text("name", required=True) or "",
        links=method.texts("links"),
        parameters=method.integer("parameters"),
        weights_digest=method.text("weights_digest"),
    )
    results = [_read_result(result) for result in top.parts("results")]
    submitted = top.text("submitted", required=True) or ""
    if not _is_time(submitted):
        problems.append("submitted is not a time such as 2026-01-31T12:00:00Z")
    versions = top.part("versions")
    return Document(
        slug=top.text("slug", required=True) or "",
        revision=top.integer("revision", required=True) or 0,
        card=clean_card(card),
        entries=tuple(entry for entry, _ in results),
        predictions=tuple(stored for _, stored in results),
        submitted=submitted,
        versions=(
            {clean_text(name): _text(versions.text(name)) for name in versions.raw}
            if versions
            else {}
        ),
    )


def _read_result(result: Fields) -> tuple[Entry, StoredDigests | None]:
    status = result.text("status", required=True)
    published = status == "published"
    hits = {} if published else result.counts("hits", required=True)
    recalls: dict[int, float] = {}
    if published and (part := result.part("recalls", required=True)):
        numbers = {n: part.number(n, True) for n in part.raw if part.is_count(n)}
        recalls = {int(n): value for n, value in numbers.items() if value is not None}
    steps = result.part("seconds")
    entry = Entry(
        dataset=result.text("dataset", required=True) or "",
        split=result.text("split", required=True) or "",
        status=status,
        ground_truth=result.text("ground_truth"),
        content=result.text("content"),
        protocol=result.integer("protocol", required=True) or 0,
        threshold=result.number("threshold", required=True) or 0.0,
        database=result.integer("database", required=not published),
        queries=result.integer("queries", required=not published),
        queries_without_positives=result.integer("queries_without_positives"),
        distance=result.text("distance"),
        dimension=result.integer("dimension"),
        image_size=_text(result.text("image_size")),
        resize=_text(result.text("resize")),
        hits=hits,
        conditions=_read_conditions(result),
        conditions_derived=result.flag("conditions_derived"),
        descriptors_digest=result.text("descriptors"),
        seconds=(
            {clean_text(name): steps.number(name) or 0.0 for name in steps.raw} if steps else {}
        ),
        device=_text(result.text("device")),
        recalls=recalls,
    )
    stored = None if published else result.part("predictions", required=True)
    if stored is None:
        return entry, None
    file = stored.text("file", required=True) or ""
    if not _FILE.fullmatch(file):
        stored.problems.append(f"{stored.where}file is not the name of a .parquet file")
    return entry, StoredDigests(
        file,
        stored.integer("top", required=True) or 0,
        stored.text("rows", required=True) or "",
        stored.text("distances", required=True) or "",
        stored.text("query_paths", required=True) or "",
        stored.text("first_hit"),
    )


def _read_conditions(result: Fields) -> dict[str, Condition] | None:
    conditions = result.part("conditions")
    if conditions is None:
        return None
    parts = {name: conditions.part(name, required=True) for name in conditions.raw}
    return {
        clean_text(name): {
            "queries": part.integer("queries", required=True) or 0,
            "hits": part.counts("hits", required=True),
        }
        for name, part in parts.items()
        if part is not None
    }


def _is_time(text: str) -> bool:
    if not _TIME.fullmatch(text):
        return False
    try:
        datetime.strptime(text, TIME_FORMAT)
    except ValueError:  # 30 February, the year 0
        return False
    return True


def _int(value: int | None) -> int | None:
    return None if value is None else int(value)


def _text(value: str | None) -> str | None:
    return None if value is None else clean_text(value) or None


def _counts(hits: Mapping[int, int]) -> dict[str, int]:
    return {str(int(n)): int(count) for n, count in sorted(hits.items())}
