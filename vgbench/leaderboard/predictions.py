"""Predictions as a Parquet file: one row per query, with its nearest database images.

Columns: `query` (string), `rows` (list of K int32: database rows, the best first), `distances`
(list of K float32) and, in files since schema 2, `first_hit` (int32: the 0-based rank of the first
positive, −1 where there is none). Neither writing nor reading imports pandas.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgbench.errors import SubmissionError

LARGEST_FILE = 512 * 2**20
"""Bytes, packed or unpacked, beyond which a stranger's file is not opened."""


class StoredPredictions(NamedTuple):
    """`query_paths` of length Q, `rows` int32 (Q, K) and `distances` float32 (Q, K).

    `first_hit` is int32 (Q,), or None in files that do not have it.
    """

    query_paths: list[str]
    rows: NDArray[np.int32]
    distances: NDArray[np.float32]
    first_hit: NDArray[np.int32] | None


def predictions_digest(rows: NDArray[Any]) -> str:
    """SHA-256 over the database rows as little-endian int32, query after query.

    >>> predictions_digest(np.array([[0, 1]], np.int32))[:12]
    '01acecb507ab'
    """
    return hashlib.sha256(np.ascontiguousarray(rows, "<i4").data).hexdigest()


def distances_digest(distances: NDArray[Any]) -> str:
    """SHA-256 over the distances as little-endian float32, query after query."""
    return hashlib.sha256(np.ascontiguousarray(distances, "<f4").data).hexdigest()


def first_hit_digest(first_hit: NDArray[Any]) -> str:
    """SHA-256 over the ranks of first positives as little-endian int32."""
    return hashlib.sha256(np.ascontiguousarray(first_hit, "<i4").data).hexdigest()


def paths_digest(query_paths: Sequence[str]) -> str:
    """SHA-256 over the queries' names, each followed by a line feed, in UTF-8."""
    text = "".join(f"{path}\n" for path in query_paths)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def encode_predictions(
    query_paths: Sequence[str],
    rows: NDArray[np.int32],
    distances: NDArray[np.float32],
    first_hit: NDArray[np.int32] | None = None,
) -> bytes:
    """The bytes of a predictions file; the same input gives the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from vgbench.leaderboard.columns import number_array, string_array

    top = rows.shape[1]
    item_rows = pa.field("element", pa.int32(), nullable=False)
    item_distances = pa.field("element", pa.float32(), nullable=False)
    fields = [
        pa.field("query", pa.string(), nullable=False),
        pa.field("rows", pa.list_(item_rows), nullable=False),
        pa.field("distances", pa.list_(item_distances), nullable=False),
    ]
    if first_hit is not None:
        fields.append(pa.field("first_hit", pa.int32(), nullable=False))
    schema = pa.schema(fields, {"vgbench.schema": "1" if first_hit is None else "2"})
    offsets = np.arange(0, rows.size + 1, top, dtype=np.int32)
    lists = [
        pa.Array.from_buffers(kind, len(rows), [None, pa.py_buffer(offsets)], children=[child])
        for kind, child in (
            (schema.field("rows").type, number_array(np.ravel(rows), pa.int32())),
            (schema.field("distances").type, number_array(np.ravel(distances), pa.float32())),
        )
    ]
    arrays = [string_array(list(query_paths)), *lists]
    if first_hit is not None:
        arrays.append(number_array(first_hit, pa.int32()))
    table = pa.Table.from_arrays(arrays, schema=schema)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", use_dictionary=False, store_schema=True)
    return sink.getvalue()


def read_predictions(path: Path) -> StoredPredictions:
    """Read a predictions file that a stranger may have made.

    Raises
    ------
    SubmissionError
        When it is not such a file, has other columns or types, gaps, or lists of unequal length.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.is_symlink() or not path.is_file():
        raise SubmissionError(f"{path.name} is missing, or not a plain file.")
    if path.stat().st_size > LARGEST_FILE:
        raise SubmissionError(f"{path.name} has more than {LARGEST_FILE:,} bytes.")
    try:
        with pq.ParquetFile(path) as file:
            _check_layout(file, path.name)
            table = file.read()
        names = table.column("query").to_pylist()
        rows = _matrix(table.column("rows"), path.name)
        distances = _matrix(table.column("distances"), path.name)
        first_hit = (
            _vector(table.column("first_hit"), path.name)
            if "first_hit" in table.column_names
            else None
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SubmissionError(f"{path.name} is not a readable Parquet file: {reason}") from error
    if table.column("query").null_count:
        raise SubmissionError(f"{path.name} has rows without a query's name.")
    return StoredPredictions(names, rows, distances, first_hit)


def _check_layout(file: Any, name: str) -> None:
    import pyarrow as pa

    schema = file.schema_arrow
    expected = {
        "query": (False, pa.string()),
        "rows": (True, pa.int32()),
        "distances": (True, pa.float32()),
        "first_hit": (False, pa.int32()),
    }
    if "first_hit" not in schema.names:
        del expected["first_hit"]
    found = {
        field.name: (True, field.type.value_type)
        if pa.types.is_list(field.type)
        else (False, field.type)
        for field in schema
    }
    if found != expected or len(schema) != len(found):
        raise SubmissionError(
            f"{name} should have the columns query (string), rows (list of int32), distances "
            f"(list of float32) and perhaps first_hit (int32); it has "
            f"{', '.join(f'{f.name} ({f.type})' for f in schema)}."
        )
    unpacked = 0
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        unpacked += group.total_byte_size
        # A dictionary or shared prefixes would let a few bytes unpack into very many.
        encodings = {e for i in range(group.num_columns) for e in group.column(i).encodings}
        if not encodings <= {"PLAIN", "RLE", "BIT_PACKED"}:
            raise SubmissionError(f"{name} should hold its values in plain encoding.")
    if unpacked > LARGEST_FILE:
        raise SubmissionError(f"{name} would unpack to more than {LARGEST_FILE:,} bytes.")


def _vector(column: Any, name: str) -> NDArray[np.int32]:
    """An int32 column as an array of shape (Q,), from its buffers."""
    if column.null_count:
        raise SubmissionError(f"{name} has queries whose first hit is missing.")
    parts = [
        np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in column.chunks
        if len(chunk)
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.int32)


def _matrix(column: Any, name: str) -> NDArray[Any]:
    """The lists of a column as an array of shape (Q, K), from their buffers."""
    if column.null_count:
        raise SubmissionError(f"{name} has queries without predictions.")
    parts = []
    for chunk in column.chunks:
        lengths = np.diff(np.frombuffer(chunk.offsets.buffers()[1], np.int32)[
            chunk.offsets.offset : chunk.offsets.offset + len(chunk) + 1
        ])  # fmt: skip
        values = chunk.flatten()
        if values.null_count:
            raise SubmissionError(f"{name} has gaps among its predictions.")
        if len(lengths) and (lengths != lengths[0]).any():
            raise SubmissionError(f"{name} has queries with different numbers of predictions.")
        kind = {"int32": np.int32, "float": np.float32}[str(values.type)]
        data = values.buffers()[1]
        flat = np.frombuffer(data if data is not None else b"", kind)
        flat = flat[values.offset : values.offset + len(values)]
        if len(chunk):
            parts.append(flat.reshape(len(chunk), -1))
    if len({part.shape[1] for part in parts}) > 1:
        raise SubmissionError(f"{name} has queries with different numbers of predictions.")
    kind = np.int32 if str(column.type.value_type) == "int32" else np.float32
    return np.concatenate(parts) if parts else np.empty((0, 0), kind)
