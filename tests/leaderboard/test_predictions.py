from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vgbench.errors import SubmissionError
from vgbench.leaderboard.entry import Entry
from vgbench.leaderboard.predictions import (
    distances_digest,
    encode_predictions,
    paths_digest,
    predictions_digest,
    read_predictions,
)

MakeEntry = Callable[..., Entry]


def test_what_is_written_is_read_back_bit_by_bit(tmp_path: Path, make_entry: MakeEntry) -> None:
    entry = make_entry(3)
    path = tmp_path / "p.parquet"
    path.write_bytes(encode_predictions(entry.query_paths, entry.rows, entry.distances))
    found = read_predictions(path)
    assert found.query_paths == entry.query_paths
    assert found.rows.dtype == np.int32
    assert found.distances.dtype == np.float32
    np.testing.assert_array_equal(found.rows, entry.rows)
    np.testing.assert_array_equal(found.distances, entry.distances)


def test_other_tools_read_the_file_as_plain_lists(tmp_path: Path, make_entry: MakeEntry) -> None:
    entry = make_entry(3)
    path = tmp_path / "p.parquet"
    path.write_bytes(encode_predictions(entry.query_paths, entry.rows, entry.distances))
    frame = pq.read_table(path).to_pandas()
    assert list(frame.columns) == ["query", "rows", "distances"]
    assert frame["rows"][4].tolist() == entry.rows[4].tolist()


def test_the_same_predictions_give_the_same_bytes(make_entry: MakeEntry) -> None:
    one, other = make_entry(1), make_entry(1)
    assert encode_predictions(one.query_paths, one.rows, one.distances) == encode_predictions(
        other.query_paths, other.rows, other.distances
    )


def test_the_digest_is_that_of_little_endian_int32_row_by_row() -> None:
    rows = np.array([[7, 1], [258, 0]], np.int32)
    expected = hashlib.sha256(struct.pack("<4i", 7, 1, 258, 0)).hexdigest()
    assert predictions_digest(rows) == expected
    assert predictions_digest(np.asfortranarray(rows)) == expected
    assert predictions_digest(rows.astype(np.int64)) == expected
    assert predictions_digest(rows.astype(">i4")) == expected
    assert predictions_digest(rows[:, ::-1]) != expected


def test_digests_of_distances_and_names_see_every_change() -> None:
    distances = np.array([[0.5, 1.0]], np.float32)
    assert distances_digest(distances) == hashlib.sha256(struct.pack("<2f", 0.5, 1.0)).hexdigest()
    assert paths_digest(["a", "b"]) != paths_digest(["b", "a"])
    assert paths_digest(["ab"]) != paths_digest(["a", "b"])


def _table(**columns: Any) -> pa.Table:
    given: dict[str, Any] = {
        "query": pa.array(["q1", "q2"]),
        "rows": pa.array([[0, 1], [1, 0]], pa.list_(pa.int32())),
        "distances": pa.array([[0.0, 1.0], [0.5, 1.0]], pa.list_(pa.float32())),
    }
    return pa.table({name: value for name, value in (given | columns).items() if value is not None})


def _write(path: Path, table: pa.Table, **options: Any) -> Path:
    pq.write_table(table, path, **({"use_dictionary": False} | options))
    return path


def test_files_of_other_writers_are_read_too(tmp_path: Path) -> None:
    for options in ({"row_group_size": 1, "compression": "gzip"}, {"data_page_version": "2.0"}):
        path = _write(tmp_path / "p.parquet", _table(), **options)
        assert read_predictions(path).rows.tolist() == [[0, 1], [1, 0]]
        assert read_predictions(path).distances.tolist() == [[0.0, 1.0], [0.5, 1.0]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"rows": None}, "should have the columns"),
        ({"extra": pa.array([1, 2])}, "should have the columns"),
        ({"rows": pa.array([[0, 1], [1, 0]], pa.list_(pa.int64()))}, "list of int32"),
        ({"distances": pa.array([[0, 1], [1, 2]], pa.list_(pa.float64()))}, "list of float32"),
        ({"rows": pa.array([1, 2], pa.int32())}, "list of int32"),
        ({"query": pa.array([1, 2])}, "string"),
        ({"query": pa.array(["a", None])}, "without a query's name"),
        ({"rows": pa.array([[0, 1], None], pa.list_(pa.int32()))}, "without predictions"),
        ({"rows": pa.array([[0, 1], [0]], pa.list_(pa.int32()))}, "different numbers"),
        ({"rows": pa.array([[0, 1], [0, None]], pa.list_(pa.int32()))}, "gaps"),
    ],
)
def test_a_file_that_is_not_predictions_is_refused_with_the_reason(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    path = _write(tmp_path / "p.parquet", _table(**columns))
    with pytest.raises(SubmissionError, match=message):
        read_predictions(path)


def test_row_groups_with_different_numbers_of_predictions_are_refused(tmp_path: Path) -> None:
    rows = pa.array([[0, 1], [0]], pa.list_(pa.int32()))
    path = _write(tmp_path / "p.parquet", _table(rows=rows), row_group_size=1)
    with pytest.raises(SubmissionError, match="different numbers"):
        read_predictions(path)


def test_names_packed_by_a_dictionary_are_refused_before_they_unpack(tmp_path: Path) -> None:
    names = pa.array(["x" * 1_000_000] * 2)
    path = _write(tmp_path / "p.parquet", _table(query=names), use_dictionary=True)
    with pytest.raises(SubmissionError, match="plain encoding"):
        read_predictions(path)


def test_a_million_predictions_in_a_few_bytes_are_refused_before_they_unpack(
    tmp_path: Path,
) -> None:
    rows = pa.array([[0] * 1_000_000] * 2, pa.list_(pa.int32()))
    table = _table(rows=rows)
    path = _write(tmp_path / "p.parquet", table, use_dictionary=["rows.list.element"])
    assert path.stat().st_size < 5_000
    with pytest.raises(SubmissionError, match="plain encoding"):
        read_predictions(path)


def test_a_file_that_unpacks_to_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path / "p.parquet", _table(query=pa.array(["x" * 5_000_000] * 2)))
    assert path.stat().st_size < 1_000_000
    monkeypatch.setattr("vgbench.leaderboard.predictions.LARGEST_FILE", 1_000_000)
    with pytest.raises(SubmissionError, match="unpack"):
        read_predictions(path)


@pytest.mark.parametrize("size", [0, 3, 100, -40, -5])
def test_a_truncated_file_is_an_error_of_ours(
    tmp_path: Path, make_entry: MakeEntry, size: int
) -> None:
    entry = make_entry()
    content = encode_predictions(entry.query_paths, entry.rows, entry.distances)
    path = tmp_path / "p.parquet"
    path.write_bytes(content[:size])
    with pytest.raises(SubmissionError, match=r"p\.parquet is not a readable"):
        read_predictions(path)


def test_links_are_not_followed(tmp_path: Path) -> None:
    target = _write(tmp_path / "target.parquet", _table())
    link = tmp_path / "p.parquet"
    link.symlink_to(target)
    with pytest.raises(SubmissionError, match="not a plain file"):
        read_predictions(link)
