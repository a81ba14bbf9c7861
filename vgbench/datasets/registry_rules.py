"""What each table of a registry may say, key by key, and whether it does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from vgbench.datasets.conditions import RULES

Check = Callable[[Any], str | None]
"""Says what is wrong with a value; None when nothing is."""


def _is(kind: type, wanted: str) -> Check:
    def check(value: Any) -> str | None:
        fits = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
        return None if fits else f"must be {wanted}, not {value!r}"

    return check


def _matches(pattern: str, wanted: str) -> Check:
    def check(value: Any) -> str | None:
        fits = isinstance(value, str) and re.fullmatch(pattern, value)
        return None if fits else f"must be {wanted}, not {value!r}"

    return check


def _one_of(*choices: str) -> Check:
    def check(value: Any) -> str | None:
        return None if value in choices else f"must be one of {', '.join(choices)}, not {value!r}"

    return check


def _count(value: Any) -> str | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return None if fits else f"must be a number of images, 1 or more, not {value!r}"


def _fingerprints(value: Any) -> str | None:
    if isinstance(value, dict) and all(_fingerprint(digest) is None for digest in value.values()):
        return None
    return f"must be a table of splits with fingerprints of 64 hex digits, not {value!r}"


def _box(value: Any) -> str | None:
    if (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(v, (int, float)) for v in value)
        and value[0] < value[1]
        and value[2] < value[3]
    ):
        return None
    return (
        "must be [least easting, greatest easting, least northing, greatest northing], "
        f"not {value!r}"
    )


_text = _is(str, "text")
_fingerprint = _matches(r"[0-9a-f]{64}", "a fingerprint of 64 hex digits")
_link = _matches(r"https?://\S+", "an http(s) link")

# Key → its check, for each kind of table.
DATASET: dict[str, Check] = {
    "title": _text,
    "description": _text,
    "terms": _text,
    "homepage": _link,
    "utm_zone": _matches(r"\d\d?[C-HJ-NP-X]", "a zone such as 10S"),
    "box": _box,
    "condition": _one_of(*RULES),
    "packaged": _is(bool, "true or false"),
    "splits": _is(dict, "a table"),
    "sources": _is(list, "a list of tables"),
    "editions": _is(list, "a list of tables"),
}
SPLIT: dict[str, Check] = {
    "database": _count,
    "queries": _count,
    "train": _count,
    "queries_with_positive": _count,
    "ground_truth": _fingerprint,
    "content": _fingerprint,
    "note": _text,
}
SOURCE: dict[str, Check] = {
    "kind": _one_of("drive", "url"),
    "file": _text,
    "id": _text,
    "url": _link,
    "size": _text,
    "sha256": _fingerprint,
    "note": _text,
}
EDITION: dict[str, Check] = {
    "name": _text,
    "images": _text,
    "database_size": _matches(r"[1-9]\d*x[1-9]\d*", "WIDTHxHEIGHT in pixels"),
    "archive_sha256": _fingerprint,
    "content": _fingerprints,
    "note": _text,
}


def check_table(
    where: str, table: Any, checks: dict[str, Check], needed: tuple[str, ...], problems: list[str]
) -> bool:
    """Whether a table is well-formed; what is not goes to `problems`."""
    if not isinstance(table, dict):
        problems.append(f"{where}: must be a table, not {table!r}")
        return False
    found = [f"{where}: needs `{key}`" for key in needed if key not in table]
    for key, value in table.items():
        if key not in checks:
            found.append(f"{where}: unknown key `{key}`; known are {', '.join(checks)}")
        elif message := checks[key](value):
            found.append(f"{where}: `{key}` {message}")
    problems.extend(found)
    return not found
