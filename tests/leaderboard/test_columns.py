from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgbench.leaderboard.columns import COLUMNS, arrow_to_rows, rows_to_arrow, table_schema

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(),
    "strings": st.lists(st.text(), max_size=3),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "binary": st.binary(max_size=40),
    "time": st.datetimes(
        datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(timezone.utc)
    ).map(lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)),
}


@given(
    st.lists(
        st.fixed_dictionaries({c.name: st.none() | VALUES[c.kind] for c in COLUMNS[::6]}),
        max_size=20,
    )
)
def test_rows_come_back_from_arrow_as_they_went_in(rows: list[dict[str, Any]]) -> None:
    table = rows_to_arrow(rows)
    table.validate(full=True)
    empty = {column.name: None for column in COLUMNS}
    assert arrow_to_rows(table) == [empty | row for row in rows]


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_every_type_of_column_is_the_one_that_arrow_makes_itself(kind: str) -> None:
    (column, *_) = [column for column in COLUMNS if column.kind == kind]
    values = {
        "string": ["é", None, "", "b" * 99],
        "strings": [["a", "é"], None, [], ["b"]],
        "bool": [True, None, False, True],
        "binary": [b"\x00\xff", None, b"", b"a"],
        "time": [datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc), None] * 2,
    }.get(kind, [1, None, 3, 0])
    ours = rows_to_arrow([{column.name: value} for value in values]).column(column.name)
    assert ours.to_pylist() == pa.array(values, table_schema().field(column.name).type).to_pylist()
    assert ours.null_count == values.count(None)


def test_columns_are_named_once_and_say_what_they_hold() -> None:
    names = [column.name for column in COLUMNS]
    assert len(set(names)) == len(names)
    for column, field in zip(COLUMNS, table_schema(), strict=True):
        assert field.metadata[b"description"].decode() == column.meaning
        assert len(column.meaning) > 5


def test_missing_columns_are_read_as_unknown_and_strange_ones_left_aside() -> None:
    rows = arrow_to_rows(pa.table({"slug": ["a"], "queries": pa.array([5], pa.int16()), "x": [1]}))
    assert len(rows) == 1
    assert (rows[0]["slug"], rows[0]["queries"], rows[0]["hits_1"]) == ("a", 5, None)
    assert set(rows[0]) == {column.name for column in COLUMNS}
