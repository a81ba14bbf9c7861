from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgbench.leaderboard.fields import Fields, parse_object


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "Expecting value"),
        (b"[]", "one JSON object"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"\xff{}", "utf-8"),
        (b'{"a":' * 100_000, "deeply"),
        (b'{"a": "' + b"x" * 2**20 + b'"}', "more than 1,048,576"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
    ],
)
def test_json_that_is_no_plain_object_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_object(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(JSON)
def test_any_value_is_either_of_the_type_asked_for_or_a_problem(value: Any) -> None:
    for read, kinds in (
        ("text", (str,)),
        ("integer", (int,)),
        ("number", (float,)),
        ("part", (Fields,)),
    ):
        problems: list[str] = []
        found = getattr(Fields({"a": value}, "", problems), read)("a", True)
        assert (found is None) == bool(problems)
        assert found is None or isinstance(found, kinds)
        assert not isinstance(found, bool)
        assert all(len(problem) < 200 for problem in problems)


def test_true_is_not_a_number_and_one_is_not_true() -> None:
    problems: list[str] = []
    fields = Fields(json.loads('{"a": true, "b": 1}'), "x.", problems)
    assert fields.integer("a") is None
    assert fields.flag("b") is False
    assert len(problems) == 2
    assert problems[0] == "x.a should be a whole number, and is true"


def test_numbers_that_do_not_fit_are_problems() -> None:
    problems: list[str] = []
    fields = Fields({"a": 2**63, "b": 10**400}, "", problems)
    assert fields.integer("a") is None
    assert fields.number("b") is None
    assert len(problems) == 2


def test_counts_are_keyed_by_whole_numbers() -> None:
    problems: list[str] = []
    fields = Fields({"hits": {"1": 5, "05": 6, "x": 7, "10": "8", "²": 9, "": 1}}, "", problems)
    assert fields.counts("hits") == {1: 5}
    assert len(problems) == 5
