"""Descriptor files: what opens, and what each bad file is told."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vgbench.descriptors.files import (
    DATABASE_FILE,
    QUERIES_FILE,
    DescriptorInput,
    digest,
    read_descriptors,
)
from vgbench.errors import DescriptorError, UsageError

ROWS = np.random.default_rng(0).standard_normal((10, 6)).astype(np.float32)


def dataset(database: int, queries: int) -> Any:
    """What `split` asks of a dataset."""
    return SimpleNamespace(
        id="tokyo-xs",
        split="test",
        database_paths=[f"database/{i}.jpg" for i in range(database)],
        query_paths=[f"queries/{i}.jpg" for i in range(queries)],
    )


def saved(path: Path, array: Any, **options: Any) -> Path:
    np.save(path, array, **options)
    return path


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_float_array_opens_as_it_was_saved(dtype: str, order: Any, tmp_path: Path) -> None:
    array = ROWS.astype(dtype, order=order)
    found = read_descriptors([saved(tmp_path / "mine.npy", array)])
    assert found.combined is not None
    np.testing.assert_array_equal(found.combined, array)
    assert (found.rows, found.dimension, found.dtype, found.stem) == (10, 6, array.dtype, "mine")
    assert found.sources == (tmp_path / "mine.npy",)


def test_the_file_is_mapped_and_not_read(tmp_path: Path) -> None:
    found = read_descriptors(saved(tmp_path / "rows.npy", ROWS)).combined
    assert found is not None and not found.flags.writeable and not found.flags.owndata
    base: Any = found
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    assert type(base).__name__ == "mmap"


def test_one_array_is_split_without_a_copy(tmp_path: Path) -> None:
    found = read_descriptors([saved(tmp_path / "rows.npy", ROWS)])
    database, queries = found.split(dataset(7, 3))
    np.testing.assert_array_equal(database, ROWS[:7])
    np.testing.assert_array_equal(queries, ROWS[7:])
    assert np.shares_memory(database, found.combined) and np.shares_memory(queries, found.combined)


def of_folder(folder: Path) -> DescriptorInput:
    return read_descriptors([folder])


def of_two_files(folder: Path) -> DescriptorInput:
    return read_descriptors([folder / QUERIES_FILE, folder / DATABASE_FILE])


def of_roles(folder: Path) -> DescriptorInput:
    return read_descriptors(database=folder / DATABASE_FILE, queries=folder / QUERIES_FILE)


@pytest.mark.parametrize("read", [of_folder, of_two_files, of_roles])
def test_two_files_open_by_folder_by_name_and_by_role(
    read: Callable[[Path], DescriptorInput], tmp_path: Path
) -> None:
    folder = tmp_path / "2026-01-31_12-00-00"
    folder.mkdir()
    saved(folder / DATABASE_FILE, ROWS[:7])
    saved(folder / QUERIES_FILE, ROWS[7:].astype(np.float16))
    found = read(folder)
    assert found.rows == (7, 3) and found.dimension == 6 and found.dtype == np.float32
    assert found.stem == "2026-01-31_12-00-00" and found.combined is None
    database, queries = found.split(dataset(7, 3))
    np.testing.assert_array_equal(database, ROWS[:7])
    np.testing.assert_array_equal(queries, ROWS[7:].astype(np.float16))


def test_a_folder_with_one_array_stands_for_it(tmp_path: Path) -> None:
    saved(tmp_path / "descriptors.npy", ROWS)
    assert read_descriptors([tmp_path]).sources == (tmp_path / "descriptors.npy",)


@pytest.mark.parametrize("names", [[], ["a.npy", "b.npy"]])
def test_any_other_folder_is_refused(names: list[str], tmp_path: Path) -> None:
    for name in names:
        saved(tmp_path / name, ROWS)
    with pytest.raises(DescriptorError, match=r"neither database_descriptors\.npy and queries"):
        read_descriptors([tmp_path])


def test_a_folder_with_half_of_the_pair_says_what_is_missing(tmp_path: Path) -> None:
    saved(tmp_path / DATABASE_FILE, ROWS)
    with pytest.raises(DescriptorError, match=f"no file .*{QUERIES_FILE}"):
        read_descriptors([tmp_path])


def test_which_file_is_which_is_never_guessed(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "a.npy", ROWS), saved(tmp_path / "b.npy", ROWS)
    with pytest.raises(UsageError, match="--database FILE --queries FILE"):
        read_descriptors([first, second])
    with pytest.raises(UsageError, match="not clear"):
        read_descriptors([first, second, first])
    with pytest.raises(UsageError, match="either"):
        read_descriptors([first], database=first, queries=second)
    with pytest.raises(UsageError, match="of the queries is missing"):
        read_descriptors(database=first)
    with pytest.raises(UsageError, match="of the database is missing"):
        read_descriptors(queries=first)
    with pytest.raises(UsageError, match="Give a file"):
        read_descriptors([])


def test_two_files_of_different_dimension_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / DATABASE_FILE, ROWS)
    saved(tmp_path / QUERIES_FILE, ROWS[:, :5])
    with pytest.raises(DescriptorError, match=r"has 6 columns and .* has 5\."):
        read_descriptors([tmp_path])


def test_a_wrong_number_of_rows_says_what_the_dataset_needs(tmp_path: Path) -> None:
    found = read_descriptors([saved(tmp_path / "rows.npy", ROWS)])
    with pytest.raises(DescriptorError, match=r"10 rows.*\n.*10 \+ 2 = 12 rows: tokyo-xs/test"):
        found.split(dataset(10, 2))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (ROWS.ravel(), r"shape \(60,\).*One row per image"),
        (ROWS.reshape(10, 1, 6), r"shape \(10, 1, 6\).*reshape\(10, -1\)"),
        (np.float32(3), r"shape \(\)"),
        (ROWS[:0], "neither may be 0"),
        (ROWS[:, :0], "neither may be 0"),
        (ROWS.astype(np.int8), "int8.*quantised.*float32"),
        (ROWS.astype(np.uint64), "uint64"),
        (ROWS > 0, "bool.*float16, float32 or float64"),
        (ROWS.astype(np.complex64), "complex64"),
        (ROWS.astype(np.longdouble), "float128"),
        (ROWS.view(np.dtype([("größe", np.float32)])), "größe|header"),
        (ROWS.view(np.dtype([("x", np.float32)])), "'x'"),
        (ROWS.astype("S4"), "S4"),
    ],
)
def test_an_array_that_is_no_descriptors_is_refused(array: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(DescriptorError, match=said):
        read_descriptors([saved(tmp_path / "rows.npy", array)])


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_pickled_objects_are_refused_and_never_loaded(tmp_path: Path) -> None:
    trap = np.empty((2, 2), dtype=object)
    trap[:] = [[Trap(tmp_path / "sprung")] * 2] * 2
    np.save(tmp_path / "objects.npy", trap, allow_pickle=True)
    (tmp_path / "plain.npy").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(DescriptorError, match=r"pickled Python objects.*never loaded"):
        read_descriptors([tmp_path / "objects.npy"])
    with pytest.raises(DescriptorError, match=r"pickle.*never loaded"):
        read_descriptors([tmp_path / "plain.npy"])
    assert not (tmp_path / "sprung").exists()


def test_other_formats_are_named_with_a_way_to_convert(tmp_path: Path) -> None:
    path = tmp_path / "descriptors.npy"
    with path.open("wb") as file:
        np.savez(file, rows=ROWS)
    with pytest.raises(DescriptorError, match=r"\.npz archive.*numpy\.load"):
        read_descriptors([path])
    for content, said in [
        (b"", "empty"),
        (b"PK\x03\x04 damaged", "npz"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"PAR1....", "Parquet"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"0.1,0.2\n", "not a .npy array"),
        (b"\x93NUM", "not a .npy array"),
    ]:
        path.write_bytes(content)
        with pytest.raises(DescriptorError, match=said):
            read_descriptors([path])


def test_a_torch_file_is_named_with_a_way_to_convert(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "descriptors.npy", "w") as archive:  # torch.save's layout
        archive.writestr("descriptors/data.pkl", b"\x80\x02.")
        archive.writestr("descriptors/data/0", b"1234")
    with pytest.raises(DescriptorError, match=r"PyTorch.*weights_only=True"):
        read_descriptors([tmp_path / "descriptors.npy"])


@pytest.mark.parametrize("change", [-1, -240, +1, +4096])
def test_a_file_of_the_wrong_length_is_refused(change: int, tmp_path: Path) -> None:
    path = saved(tmp_path / "rows.npy", ROWS)
    content = path.read_bytes()
    path.write_bytes(content[:change] if change < 0 else content + bytes(change))
    said = "truncated" if change < 0 else "longer"
    with pytest.raises(DescriptorError, match=f"{said}.*368 bytes, the file has {368 + change:,}"):
        read_descriptors([path])


def test_a_header_that_promises_more_than_any_memory_is_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 10**9)}
    )
    (tmp_path / "rows.npy").write_bytes(header.getvalue() + bytes(64))
    with pytest.raises(DescriptorError, match="truncated"):
        read_descriptors([tmp_path / "rows.npy"])


@given(st.integers(6, 127), st.binary(min_size=1, max_size=40))
@settings(max_examples=150, deadline=None)
def test_a_damaged_header_is_an_error_of_ours_or_opens(position: int, damage: bytes) -> None:
    import tempfile

    buffer = io.BytesIO()
    np.save(buffer, ROWS)
    content = bytearray(buffer.getvalue())
    content[position : position + len(damage)] = damage
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        path.write_bytes(content)
        try:
            found = read_descriptors([path])
        except DescriptorError as error:
            assert str(path) in str(error)
        else:
            assert found.combined is not None and found.combined.ndim == 2


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DescriptorError, match=r"no file .*nowhere\.npy"):
        read_descriptors([tmp_path / "nowhere.npy"])
    with pytest.raises(DescriptorError, match="is a folder"):
        read_descriptors(database=tmp_path, queries=tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DescriptorError, match="Cannot read"):
        read_descriptors([tmp_path / "file" / "rows.npy"])


def variants(rows: NDArray[Any]) -> list[NDArray[Any]]:
    return [
        rows,
        rows.astype(rows.dtype.newbyteorder(">")),
        np.asfortranarray(rows),
        np.repeat(rows, 2, axis=0)[::2],
    ]


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
def test_the_digest_is_of_the_values_and_not_of_how_they_lie(dtype: str) -> None:
    rows = np.random.default_rng(1).standard_normal((5000, 300)).astype(dtype)  # several chunks
    expected = hashlib.sha256(rows.tobytes()).hexdigest()
    for variant in variants(rows):
        assert digest(variant[:4000], variant[4000:]) == expected
    changed = rows.copy()
    changed[4999, 299] = np.nextafter(changed[4999, 299], np.array(np.inf, dtype))
    assert digest(changed[:4000], changed[4000:]) != expected


def test_files_open_without_torch_pandas_or_faiss(tmp_path: Path) -> None:
    import subprocess
    import sys

    saved(tmp_path / "rows.npy", ROWS)
    script = (
        "import sys; from vgbench.descriptors.files import read_descriptors;"
        "from vgbench.descriptors.validation import check_descriptors;"
        "rows = read_descriptors(sys.argv[1]).combined;"
        "check_descriptors(rows[:7], rows[7:], 'abcdefg', 'hij');"
        "print(*{'torch', 'pandas', 'faiss', 'scipy', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "rows.npy")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == ""
