"""Arrow arrays to and from NumPy, buffer by buffer.

pyarrow's own conversions import pandas where it is installed, which costs more than all the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vgbench.datasets.pathlist import PathList

if TYPE_CHECKING:
    import pyarrow as pa


def text_array(values: Sequence[str | None]) -> pa.Array:
    """Make a column of strings; None is null."""
    import pyarrow as pa

    encoded = [b"" if value is None else value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)]).astype(np.int32)
    present = np.packbits([value is not None for value in values], bitorder="little")
    buffers = [pa.py_buffer(part) for part in (present, ends, b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def path_array(paths: PathList, prefix: str = "") -> pa.Array:
    """Make a column of paths, each with `prefix` put before it."""
    import pyarrow as pa

    offsets, data = paths.arrow_buffers(prefix)
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(paths), buffers)


def number_array(kind: pa.DataType, values: NDArray[Any]) -> pa.Array:
    """Make a column of numbers (n,), or of fixed-size bytes (n, width)."""
    import pyarrow as pa

    contiguous = np.ascontiguousarray(values)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(contiguous)])


def numbers(
    batch: pa.RecordBatch, name: str, dtype: type[np.generic], width: int = 1
) -> NDArray[Any]:
    """A column's values without a copy: (n,), or (n, width) of a column of fixed-size bytes."""
    column = batch.column(name)
    values = np.frombuffer(column.buffers()[1], dtype)
    rows = values[column.offset * width : (column.offset + len(column)) * width]
    return rows if width == 1 else rows.reshape(-1, width)


def texts(column: pa.Array) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Offsets (n + 1,) and bytes of a column of strings, without a copy."""
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    return bounds, np.frombuffer(data, np.uint8)
