"""The leaderboard table's columns, and Arrow arrays of plain values without importing pandas.

`pyarrow.array`, `Table.from_pylist` and reading timestamps import pandas where it is installed,
0.3 s of start-up; building arrays from buffers does not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgbench.errors import BoardError

RECALL_VALUES = (1, 5, 10, 20)

SCHEMA_VERSION = 2
"""Of the table. A newer table is refused, an older one is read with the missing columns empty.

2 added outcomes, rank intervals and tiers, sources, withdrawn and superseded rows.
"""

VERSION_KEY = b"vgbench.schema"
LEFT_OUT_KEY = b"vgbench.left_out"
SOURCES_KEY = b"vgbench.sources"

Row = dict[str, Any]
"""One row of the table: column name → value, None where unknown."""


class Column(NamedTuple):
    """A column's name, its type ("string", "int64", "time", "binary", …) and what it holds."""

    name: str
    kind: str
    meaning: str


COLUMNS = (
    Column("slug", "string", "the submission's folder"),
    Column("name", "string", "the submission's name"),
    Column("revision", "int32", "1 for the first submission of a name"),
    Column("method", "string", "the method's name, where it differs"),
    Column("status", "string", "reproduced, verified, unverified or published"),
    Column("dataset", "string", "the dataset's identifier"),
    Column("split", "string", "train, val or test"),
    Column("ground_truth", "string", "SHA-256 over the image names, which hold the positions"),
    Column("content", "string", "SHA-256 over the digests of the images"),
    Column("protocol", "int32", "version of the evaluation protocol"),
    Column("threshold", "float64", "metres within which a database image is a positive"),
    Column("database", "int64", "database images"),
    Column("queries", "int64", "queries, the denominator of every recall"),
    Column("queries_without_positives", "int64", "queries that nothing can localize"),
    Column("distance", "string", "l2, cosine or ip"),
    Column("dimension", "int64", "length of a descriptor"),
    Column("image_size", "string", "height × width that the method was given"),
    Column("resize", "string", "the rule by which images were resized"),
    Column("backbone", "string", "the network's backbone"),
    Column("architecture", "string", "the network as vgbench writes it"),
    Column("parameters", "int64", "number of parameters"),
    Column("training_data", "string", "what the method was trained on"),
    Column("licence", "string", "licence of the weights"),
    Column("authors", "string", "who made the method"),
    Column("links", "strings", "http(s) addresses"),
    *(Column(f"hits_{n}", "int64", f"queries localized at {n}") for n in RECALL_VALUES),
    *(Column(f"recall_{n}", "float64", f"recall@{n}, percent") for n in RECALL_VALUES),
    *(
        Column(f"{end}_{n}", "float64", f"{end} end of recall@{n}'s 95 % Wilson interval, percent")
        for n in RECALL_VALUES
        for end in ("low", "high")
    ),
    Column("conditions", "string", 'JSON: {"night": {"queries": 80, "hits": {"1": 21}}}'),
    Column("conditions_derived", "bool", "whether the conditions are inferred, not given"),
    Column("top", "int64", "predictions kept per query"),
    Column("seconds", "string", 'JSON: {"extraction": 41.2}'),
    Column("device", "string", "what the descriptors were computed on"),
    Column("versions", "string", 'JSON: {"vgbench": "0.1.0", "torch": "2.9.0"}'),
    Column("notes", "string", "the submitter's remarks"),
    Column("submitted", "time", "when the entry was made, UTC"),
    Column("submission_digest", "string", "SHA-256 of submission.json"),
    *(
        Column(f"outcomes_{n}", "binary", f"bit i (from the lowest of each byte): query i at {n}")
        for n in RECALL_VALUES
    ),
    Column("rank_low", "int32", "best rank at R@1 that the data allows, among rows like this one"),
    Column("rank_high", "int32", "worst rank at R@1 that the data allows"),
    Column("tier", "int32", "group of rows that R@1 cannot tell from the group's best; 1 is first"),
    Column("source", "string", "where a published number was printed"),
    Column("remark", "string", "what is odd about the row"),
    Column("withdrawn", "string", "why the entry was withdrawn; null where it was not"),
    Column("superseded_by", "string", "slug of the later revision; null for the latest"),
)

PLAIN_COLUMNS = tuple(column for column in COLUMNS if column.kind != "binary")
"""The columns that people read: all but the outcomes of single queries."""

JSON_COLUMNS = ("conditions", "seconds", "versions")

# `to_pandas_dtype` would say the same, and imports pandas in older versions of pyarrow.
_DTYPES = {"int32": np.int32, "int64": np.int64, "float": np.float32, "double": np.float64}

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)


def table_schema(metadata: Mapping[bytes, bytes] | None = None) -> Any:
    """The `pyarrow.Schema` of the table, each field with its description."""
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "strings": pa.list_(pa.field("element", pa.string(), nullable=False)),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "binary": pa.binary(),
        "time": pa.timestamp("ms", tz="UTC"),
    }
    fields = [
        pa.field(column.name, types[column.kind], metadata={"description": column.meaning})
        for column in COLUMNS
    ]
    return pa.schema(fields, metadata=dict(metadata or {}))


def rows_to_arrow(rows: Sequence[Row], metadata: Mapping[bytes, bytes] | None = None) -> Any:
    """A `pyarrow.Table` of the rows, in their order."""
    import pyarrow as pa

    schema = table_schema({VERSION_KEY: str(SCHEMA_VERSION).encode(), **(metadata or {})})
    arrays = []
    for column, field in zip(COLUMNS, schema, strict=True):
        values = [row.get(column.name) for row in rows]
        if column.kind == "string":
            arrays.append(string_array(values))
        elif column.kind == "binary":
            arrays.append(_bytes_array(values, field.type))
        elif column.kind == "strings":
            arrays.append(_list_array(values, field.type))
        elif column.kind == "bool":
            arrays.append(_bool_array(values))
        elif column.kind == "time":
            times = [None if t is None else (t - _EPOCH) // _MILLISECOND for t in values]
            arrays.append(number_array(times, field.type))
        else:
            arrays.append(number_array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def arrow_to_rows(table: Any, names: Collection[str] | None = None) -> list[Row]:
    """The rows of a `pyarrow.Table`; columns that it lacks are None, others are left aside.

    With `names`, rows hold these columns only.
    """
    import pyarrow as pa

    columns: dict[str, list[Any]] = {}
    for column, field in zip(COLUMNS, table_schema(), strict=True):
        if names is not None and column.name not in names:
            continue
        if column.name not in table.column_names:
            columns[column.name] = [None] * table.num_rows
            continue
        values = table.column(column.name)
        if values.type != field.type:
            values = values.cast(field.type)
        if column.kind == "time":
            counts = [t for chunk in values.chunks for t in chunk.view(pa.int64()).to_pylist()]
            columns[column.name] = [_time(count) for count in counts]
        else:
            columns[column.name] = values.to_pylist()
    held = list(columns)
    return [dict(zip(held, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _time(count: int | None) -> datetime | None:
    """A time from its milliseconds; None also for one that is out of every calendar."""
    try:
        return None if count is None else _EPOCH + count * _MILLISECOND
    except OverflowError:
        return None


def string_array(values: Sequence[str | None]) -> Any:
    """A `pyarrow.StringArray`."""
    import pyarrow as pa

    encoded = [None if value is None else value.encode("utf-8") for value in values]
    return _bytes_array(encoded, pa.string())


def number_array(values: Sequence[float | None] | NDArray[Any], kind: Any) -> Any:
    """A `pyarrow.Array` of numbers, or of times given as numbers, of the type `kind`."""
    import pyarrow as pa

    dtype = np.int64 if pa.types.is_timestamp(kind) else _DTYPES[str(kind)]
    if isinstance(values, np.ndarray):
        data, validity = np.ascontiguousarray(values, dtype), None
    else:
        data = np.array([0 if value is None else value for value in values], dtype)
        validity = _validity(values)
    return pa.Array.from_buffers(kind, len(data), [validity, pa.py_buffer(data)])


def _bytes_array(values: Sequence[bytes | None], kind: Any) -> Any:
    import pyarrow as pa

    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum([0 if value is None else len(value) for value in values], out=offsets[1:])
    if offsets[-1] > np.iinfo(np.int32).max:
        raise BoardError(f"A column of the table would have {offsets[-1]:,} bytes, more than 2³¹.")
    data = b"".join(value for value in values if value is not None)
    buffers = [_validity(values), pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(kind, len(values), buffers)


def _bool_array(values: Sequence[bool | None]) -> Any:
    import pyarrow as pa

    bits = np.packbits(np.array([bool(value) for value in values], bool), bitorder="little")
    return pa.Array.from_buffers(
        pa.bool_(), len(values), [_validity(values), pa.py_buffer(bits.tobytes())]
    )


def _list_array(values: Sequence[Sequence[str] | None], kind: Any) -> Any:
    import pyarrow as pa

    lists = [value or () for value in values]
    offsets = np.zeros(len(lists) + 1, np.int32)
    np.cumsum([len(one) for one in lists], out=offsets[1:])
    child = string_array([text for one in lists for text in one])
    return pa.Array.from_buffers(
        kind, len(lists), [_validity(values), pa.py_buffer(offsets)], children=[child]
    )


def _validity(values: Sequence[Any]) -> Any:
    import pyarrow as pa

    if all(value is not None for value in values):
        return None
    present = np.array([value is not None for value in values], bool)
    return pa.py_buffer(np.packbits(present, bitorder="little").tobytes())
