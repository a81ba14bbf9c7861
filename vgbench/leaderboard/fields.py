"""Reading values out of JSON that a stranger wrote: types and ranges, all problems collected."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

LARGEST_JSON = 2**20
"""Bytes of `submission.json` beyond which it is not parsed."""


def parse_object(text: bytes) -> dict[str, Any]:
    """Parse one JSON object, strictly: UTF-8, no repeated keys, no NaN, no endless nesting.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    if len(text) > LARGEST_JSON:
        raise ValueError(f"it has {len(text):,} bytes, more than {LARGEST_JSON:,}")
    try:
        value = json.loads(
            text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("it should hold one JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


class Fields:
    """Typed access to a JSON object; what does not fit is noted in `problems` and read as empty.

    Parameters
    ----------
    raw
        The object as parsed.
    where
        How messages call it: `results[0].`.
    problems
        The list that problems are added to, shared by all parts of one document.
    """

    def __init__(self, raw: Any, where: str, problems: list[str]) -> None:
        self.where = where
        self.problems = problems
        self.raw: Mapping[str, Any] = raw if isinstance(raw, dict) else {}
        if not isinstance(raw, dict):
            problems.append(f"{where.rstrip('.') or 'the file'} should be an object")

    def text(self, key: str, required: bool = False) -> str | None:
        """A string; None where it is absent or null."""
        value: str | None = self._value(key, required, str, "a string")
        if value is not None and any("\ud800" <= character <= "\udfff" for character in value):
            self.problems.append(f"{self.where}{key} has half a character in it")
            return None
        return value

    def integer(self, key: str, required: bool = False) -> int | None:
        """A whole number of at most 63 bits."""
        value: int | None = self._value(key, required, int, "a whole number")
        if value is not None and not -(2**63) <= value < 2**63:
            self.problems.append(f"{self.where}{key} is too large")
            return None
        return value

    def number(self, key: str, required: bool = False) -> float | None:
        """A number that is finite as float64."""
        value = self._value(key, required, (int, float), "a number")
        try:
            converted = None if value is None else float(value)
        except OverflowError:
            converted = math.inf
        if converted is not None and not math.isfinite(converted):
            self.problems.append(f"{self.where}{key} is too large")
            return None
        return converted

    def flag(self, key: str) -> bool:
        """True or false; false where it is absent."""
        return bool(self._value(key, False, bool, "true or false"))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self._value(key, False, list, "a list") or []
        if not all(isinstance(text, str) for text in value):
            self.problems.append(f"{self.where}{key} should be a list of strings")
            return ()
        return tuple(value)

    def part(self, key: str, required: bool = False) -> Fields | None:
        """An object within this one."""
        value = self._value(key, required, dict, "an object")
        return None if value is None else Fields(value, f"{self.where}{key}.", self.problems)

    def parts(self, key: str) -> list[Fields]:
        """A list of objects."""
        value = self._value(key, True, list, "a list") or []
        return [
            Fields(one, f"{self.where}{key}[{index}].", self.problems)
            for index, one in enumerate(value)
        ]

    def counts(self, key: str, required: bool = False) -> dict[int, int]:
        """An object such as `{"1": 132}`, as integers."""
        part = self.part(key, required)
        if part is None:
            return {}
        numbers = {n: part.integer(n, True) for n in part.raw if part.is_count(n)}
        return {int(n): count for n, count in numbers.items() if count is not None}

    def is_count(self, key: str) -> bool:
        """Whether a key is a whole number from 1 to 9999, noting it as a problem otherwise."""
        good = key.isascii() and key.isdigit() and len(key) <= 4 and key[0] != "0"
        if not good:
            self.problems.append(f"{self.where}{key[:20]!r} should be a number of predictions")
        return good

    def _value(self, key: str, required: bool, kind: type | tuple[type, ...], expected: str) -> Any:
        value = self.raw.get(key)
        if value is None:
            if required:
                self.problems.append(f"{self.where}{key} is missing")
            return None
        # JSON's true is an int to Python, and never one to us.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            shown = json.dumps(value)[:40]
            self.problems.append(f"{self.where}{key} should be {expected}, and is {shown}")
            return None
        return value
