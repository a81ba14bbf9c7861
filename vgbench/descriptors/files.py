"""Descriptors from files that anybody can write: NumPy arrays, memory-mapped, never unpickled."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vgbench.descriptors.validation import match_dataset
from vgbench.errors import DescriptorError, UsageError

if TYPE_CHECKING:
    from vgbench.datasets import Dataset

DATABASE_FILE = "database_descriptors.npy"
QUERIES_FILE = "queries_descriptors.npy"
"""The names that VPR-methods-evaluation saves descriptors under (`--save_descriptors`)."""

_CHUNK_BYTES = 1 << 22  # hashed at once


@dataclass(frozen=True, eq=False)
class DescriptorInput:
    """Descriptors as they lie in one file, or in one for the database and one for the queries.

    Attributes
    ----------
    database, queries
        Float arrays (N, D) and (Q, D), or None where one file holds both.
    combined
        Float array (N + Q, D), database rows first, or None where there are two files.
    sources
        The files read.
    """

    database: NDArray[Any] | None
    queries: NDArray[Any] | None
    combined: NDArray[Any] | None
    sources: tuple[Path, ...]

    @property
    def rows(self) -> int | tuple[int, int]:
        """Number of rows: one number for a combined array, else database and queries."""
        if self.combined is not None:
            return len(self.combined)
        assert self.database is not None and self.queries is not None
        return len(self.database), len(self.queries)

    @property
    def dimension(self) -> int:
        """D, the number of columns."""
        return int(self._first.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the combined array or of the database."""
        return self._first.dtype

    @property
    def stem(self) -> str:
        """What an entry is called if nobody says: the file's name, or the folder's of a pair."""
        first = self.sources[0].absolute()
        return first.stem if self.combined is not None else first.parent.name

    @property
    def _first(self) -> NDArray[Any]:
        first = self.combined if self.combined is not None else self.database
        assert first is not None
        return first

    def split(self, dataset: Dataset) -> tuple[NDArray[Any], NDArray[Any]]:
        """Database and query descriptors of a dataset; nothing is copied.

        Raises
        ------
        DescriptorError
            When the number of rows is not the dataset's, saying what it needs.
        """
        sizes = len(dataset.database_paths), len(dataset.query_paths)
        match_dataset(self.rows, [(dataset.id, dataset.split, *sizes)], self.dimension)
        if self.combined is not None:
            return self.combined[: sizes[0]], self.combined[sizes[0] :]
        assert self.database is not None and self.queries is not None
        return self.database, self.queries


def read_descriptors(
    files: Sequence[str | os.PathLike[str]] | str | os.PathLike[str] = (),
    database: str | os.PathLike[str] | None = None,
    queries: str | os.PathLike[str] | None = None,
) -> DescriptorInput:
    """Open descriptor files, memory-mapped, and check all that needs no dataset.

    Parameters
    ----------
    files
        One `.npy` of shape (N + Q, D), database rows first, each part in the dataset's order; or
        two of them whose names say which is the `database` and which the `queries`; or a folder
        that holds `database_descriptors.npy` and `queries_descriptors.npy`, as
        VPR-methods-evaluation saves them.
    database, queries
        Instead of `files`: the two files by their role.

    Returns
    -------
    DescriptorInput
        Arrays of float16, float32 or float64, of either byte and memory order, as in the file.

    Raises
    ------
    DescriptorError
        When a file is missing, truncated, too long, of another format, holds pickled objects, is
        not a two-dimensional array of floats, or the two differ in dimension.
    UsageError
        When it is not clear which file is which.
    """
    given = [Path(files)] if isinstance(files, (str, os.PathLike)) else [Path(f) for f in files]
    pair = _pair(given, database, queries)
    if pair is None:
        source = given[0]
        if source.is_dir():
            source = _only_array(source)
        return DescriptorInput(None, None, _open_npy(source), (source,))
    first, second = _open_npy(pair[0]), _open_npy(pair[1])
    if first.shape[1] != second.shape[1]:
        raise DescriptorError(
            f"Database and queries must have the same dimension, but {pair[0]} has "
            f"{first.shape[1]:,} columns and {pair[1]} has {second.shape[1]:,}. Make both with "
            "the same model."
        )
    return DescriptorInput(first, second, None, pair)


def digest(database: NDArray[Any], queries: NDArray[Any]) -> str:
    """SHA-256 of the rows' bytes: database, then queries, little-endian, row by row.

    For an array in C2 order this is `sha256(array.tobytes())` on most machines, however the file
    arranged it: byte order, memory order and one file or two do not matter, the float type does.

    >>> rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    >>> digest(rows[:2], rows[2:]) == hashlib.sha256(rows.astype("<f4").tobytes()).hexdigest()
    True
    """
    hashed = hashlib.sha256()
    for rows in (database, queries):
        step = max(1, _CHUNK_BYTES // max(1, rows.itemsize * rows.shape[1]))
        canonical = rows.dtype.newbyteorder("<")
        for start in range(0, len(rows), step):
            part = np.ascontiguousarray(rows[start : start + step], dtype=canonical)
            hashed.update(part.view(np.uint8).data)
    return hashed.hexdigest()


def _pair(
    files: Sequence[Path],
    database: str | os.PathLike[str] | None,
    queries: str | os.PathLike[str] | None,
) -> tuple[Path, Path] | None:
    """The database's and the queries' file, or None when one file is to hold both."""
    if database is not None or queries is not None:
        if files:
            raise UsageError("Give either files, or one for the database and one for the queries.")
        if database is None or queries is None:
            missing = "database" if database is None else "queries"
            raise UsageError(f"The file with the descriptors of the {missing} is missing.")
        return Path(database), Path(queries)
    if not files:
        raise UsageError("Give a file with descriptors, or two: of the database and the queries.")
    if len(files) == 1:
        folder = files[0]
        if folder.is_dir() and (
            (folder / DATABASE_FILE).exists() or (folder / QUERIES_FILE).exists()
        ):
            return folder / DATABASE_FILE, folder / QUERIES_FILE
        return None
    by_role = {_role(path): path for path in files}
    if len(files) == 2 and by_role.keys() == {"database", "queries"}:
        return by_role["database"], by_role["queries"]
    raise UsageError(
        f"It is not clear which of these is the database and which the queries: "
        f"{', '.join(str(path) for path in files)}. Give them as --database FILE --queries FILE, "
        f"or name them {DATABASE_FILE} and {QUERIES_FILE}."
    )


def _role(path: Path) -> str | None:
    name = path.stem.lower()
    is_database = "database" in name or name.startswith("db") or name.endswith("db")
    is_queries = "quer" in name or name in ("q", "q_descriptors")
    if is_database == is_queries:
        return None
    return "database" if is_database else "queries"


def _only_array(folder: Path) -> Path:
    arrays = sorted(folder.glob("*.npy"))
    if len(arrays) == 1:
        return arrays[0]
    found = f"{len(arrays)} .npy files" if arrays else "no .npy file"
    raise DescriptorError(
        f"{folder} is a folder with neither {DATABASE_FILE} and {QUERIES_FILE} nor one single "
        f".npy file in it ({found}). Name the file."
    )


def _open_npy(path: Path) -> NDArray[Any]:
    """Map a `.npy` file into memory after holding its header against what we take and its size."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(8)
            if not head.startswith(b"\x93NUMPY"):
                raise DescriptorError(_other_format(path, head, size))
            file.seek(0)
            shape, fortran, dtype = _read_header(path, file)
            offset = file.tell()
    except FileNotFoundError as error:
        raise DescriptorError(f"There is no file {path}.") from error
    except IsADirectoryError as error:
        raise DescriptorError(f"{path} is a folder; name the .npy file in it.") from error
    except OSError as error:
        raise DescriptorError(f"Cannot read {path}: {error.strerror or error}.") from error
    _check_type(path, dtype)
    _check_shape(path, shape)
    expected = offset + dtype.itemsize * shape[0] * shape[1]
    if size != expected:
        what = "truncated" if size < expected else "longer than it should be"
        raise DescriptorError(
            f"{path} is {what}: {shape[0]:,} × {shape[1]:,} {dtype.name} need {expected:,} bytes, "
            f"the file has {size:,}. Copy or save it again."
        )
    mapped = np.memmap(
        path, dtype=dtype, mode="r", offset=offset, shape=shape, order="F" if fortran else "C"
    )
    return np.asarray(mapped)


def _read_header(path: Path, file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            header = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            header = np.lib.format.read_array_header_2_0(file)
        else:  # 3.0 is written only for named fields, which are no descriptors
            raise ValueError(f"format version {version[0]}.{version[1]} is not for plain arrays")
    except Exception as error:  # numpy lets errors of Python's tokenizer and parser through
        raise DescriptorError(
            f"{path} has a damaged .npy header: {error}. Save the array again with numpy.save."
        ) from error
    shape, fortran, dtype = header
    return shape, fortran, dtype


def _check_type(path: Path, dtype: np.dtype[Any]) -> None:
    if dtype.kind == "f" and dtype.itemsize in (2, 4, 8):
        return
    if dtype.hasobject:
        raise DescriptorError(
            f"{path} holds pickled Python objects, which can run code and are never loaded. Save "
            "one plain array: numpy.save(path, numpy.stack(list_of_rows).astype('float32'))."
        )
    hint = "Save it as float32: numpy.save(path, array.astype('float32'))."
    if dtype.kind in "iu":
        hint = "If they are quantised, undo that first. " + hint
    raise DescriptorError(
        f"{path} holds {dtype} values; descriptors are float16, float32 or float64. {hint}"
    )


def _check_shape(path: Path, shape: tuple[int, ...]) -> None:
    if len(shape) == 2 and min(shape) > 0:
        return
    problem = f"{path} holds an array of shape {shape}; descriptors have shape (images, dimension)"
    if 0 in shape:
        raise DescriptorError(f"{problem}, and neither may be 0.")
    if len(shape) > 2:
        raise DescriptorError(
            f"{problem}. If each image has one descriptor: array.reshape({shape[0]}, -1)."
        )
    raise DescriptorError(f"{problem}. One row per image is needed.")


def _other_format(path: Path, head: bytes, size: int) -> str:
    """What a file is that is not a `.npy`, and how to make one of it."""
    if size == 0:
        return f"{path} is empty."
    if head.startswith(b"PK"):
        if _is_torch(path):
            return (
                f"{path} is a PyTorch file, not a .npy array. Convert it where you trust it: "
                "numpy.save('descriptors.npy', torch.load(path, weights_only=True).cpu().numpy())."
            )
        return (
            f"{path} is a .npz archive, not a .npy array. Take the array out: "
            "numpy.save('descriptors.npy', numpy.load(path)['NAME'])."
        )
    if head.startswith(b"\x80"):
        return (
            f"{path} is a pickle, which can run code and is never loaded. Save the array itself: "
            "numpy.save('descriptors.npy', array)."
        )
    known = {b"\x89HDF": "an HDF5 file", b"PAR1": "a Parquet file", b"\x1f\x8b": "a gzip archive"}
    for start, name in known.items():
        if head.startswith(start):
            return f"{path} is {name}, not a .npy array. Save one: numpy.save(path, array)."
    return (
        f"{path} is not a .npy array: it begins with {head!r}. Save the descriptors with "
        "numpy.save(path, array), database rows first, then queries."
    )


def _is_torch(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.rpartition("/")[2] == "data.pkl" for name in archive.namelist())
    except zipfile.BadZipFile:
        return False
