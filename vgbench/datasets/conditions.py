"""How a query's condition (day, sunset, night, …) is read from its name, rule by rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from vgbench.datasets.names import PANO_ID, file_name

_NUMBER = re.compile(r"(\d+)(?:\.jpe?g)?", re.IGNORECASE)
_BY_REMAINDER = ("night", "day", "sunset")


def from_note(name: str) -> str | None:
    """Read the name's note, its last field but one.

    >>> from_note("@1.00@2.00@@@@@@@@@@@@night@.jpg")
    'night'
    """
    fields = file_name(name).split("@")
    return (fields[-2] or None) if len(fields) > 3 else None


def from_pano_id_mod_3(name: str) -> str | None:
    """Derive day, sunset or night from the number of a Tokyo 24/7 query, which its pano_id holds.

    The photographs were numbered from 1 in triples of one view: by day, at sunset, at night. The
    rule agrees with published lists of night queries but for a few views; it is derived, not read.

    >>> numbers = ("00685.jpg", "00686", "00687")
    >>> [from_pano_id_mod_3(f"@1@2@54@S@@@{number}@@@@@@@@.jpg") for number in numbers]
    ['day', 'sunset', 'night']
    """
    fields = file_name(name).split("@")
    number = _NUMBER.fullmatch(fields[PANO_ID]) if len(fields) > PANO_ID else None
    return _BY_REMAINDER[int(number[1]) % 3] if number else None


RULES: dict[str, Callable[[str], str | None]] = {
    "note": from_note,
    "pano_id_mod_3": from_pano_id_mod_3,
}

DERIVED = frozenset({"pano_id_mod_3"})
"""Rules whose labels are deduced rather than recorded by whoever took the photographs."""


def conditions(rule: str | None, names: Iterable[str]) -> list[str | None] | None:
    """Label each name, or give None when there is no rule or it finds no label at all."""
    if rule is None:
        return None
    labels = [RULES[rule](name) for name in names]
    return labels if any(label is not None for label in labels) else None
