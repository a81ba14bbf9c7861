"""Descriptors that say nothing, or belong to nothing, are refused with the images they are of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vgbench.descriptors.validation import check_descriptors, match_dataset, unit_length
from vgbench.errors import DescriptorError

DATABASE_NAMES = [f"database/@{i}@0@.jpg" for i in range(300)]
QUERY_NAMES = [f"queries/@{i}@0@.jpg" for i in range(40)]
DATASETS = [("sf-xs", "test", 27_191, 1000), ("tokyo-xs", "test", 12_771, 315)]


def descriptors(dtype: Any = np.float32) -> tuple[NDArray[Any], NDArray[Any]]:
    rows = np.random.default_rng(0).standard_normal((340, 2000)).astype(dtype)
    return rows[:300], rows[300:]


def check(database: NDArray[Any], queries: NDArray[Any]) -> None:
    check_descriptors(database, queries, DATABASE_NAMES, QUERY_NAMES)


def message(database: NDArray[Any], queries: NDArray[Any]) -> str:
    with pytest.raises(DescriptorError) as caught:
        check(database, queries)
    return str(caught.value)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
def test_sound_descriptors_pass(dtype: str) -> None:
    check(*descriptors(dtype))
    check(*(np.asfortranarray(rows) for rows in descriptors(dtype)))


@pytest.mark.parametrize(
    ("dtype", "scale"), [("f2", 2e-7), ("f2", 6e4), ("f4", 1e-40), ("f4", 1e38)]
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_values_at_the_ends_of_a_type_are_values(dtype: str, scale: float, sign: int) -> None:
    database, queries = (np.sign(rows) * sign * scale for rows in descriptors("f8"))
    check(database.astype(dtype), queries.astype(dtype))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_inf_are_reported_with_row_and_image(dtype: str, bad: float) -> None:
    database, queries = descriptors(dtype)
    database[299, 1999] = bad
    queries[0, 0] = queries[0, 5] = bad
    said = message(database, queries)
    assert "2 descriptors have NaN or Inf" in said
    assert "database row 299, database/@299@0@.jpg: 1 of 2,000 values" in said
    assert "query row 0, queries/@0@0@.jpg: 2 of 2,000 values" in said


def test_ten_bad_rows_are_listed_and_the_rest_counted() -> None:
    database, queries = descriptors()
    database[5:42] = np.nan
    said = message(database, queries)
    assert said.count("database row") == 10 and "row 14," in said and "row 15," not in said
    assert "37 descriptors" in said and "and 27 more rows" in said


def test_zero_rows_and_nan_rows_are_reported_together() -> None:
    database, queries = descriptors()
    database[7] = 0
    database[8] = -0.0
    queries[3, 3] = np.nan
    said = message(database, queries)
    assert "1 descriptors have NaN" in said and "2 descriptors are all zero" in said
    assert "database row 7, database/@7@0@.jpg" in said and "query row 3," in said


def test_equal_rows_are_refused() -> None:
    database, queries = descriptors()
    assert "All 300 database descriptors are equal" in message(
        np.broadcast_to(database[0], database.shape), queries
    )
    assert "All 40 query descriptors are equal" in message(
        database, np.broadcast_to(queries[0], queries.shape)
    )


def test_one_odd_row_or_two_equal_queries_are_no_reason_to_refuse() -> None:
    database, queries = descriptors()
    nearly = np.repeat(database[:1], 300, axis=0)
    nearly[299, 1999] += 1
    check(nearly, queries)
    check(database[:1], np.repeat(queries[:1], 2, axis=0))


def test_different_dimensions_are_refused() -> None:
    database, queries = descriptors()
    assert "2,000 and 1,999 columns" in message(database, queries[:, :-1])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_unit_length_is_recognised_in_every_type(dtype: str) -> None:
    database, queries = descriptors("f8")
    database /= np.linalg.norm(database, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    assert unit_length(database.astype(dtype), queries.astype(dtype))
    assert not unit_length(database.astype(dtype), 1.01 * queries.astype(dtype))
    assert not unit_length(0.99 * database.astype(dtype), queries.astype(dtype))


@pytest.mark.filterwarnings("error")
def test_lengths_beyond_float64_are_simply_not_one() -> None:
    rows = np.full((3, 4), 1e200)
    assert not unit_length(rows, rows)


def test_the_single_dataset_that_fits_is_found() -> None:
    assert match_dataset(28_191, DATASETS) == ("sf-xs", "test")
    assert match_dataset((12_771, 315), DATASETS) == ("tokyo-xs", "test")


def test_two_datasets_that_fit_ask_which() -> None:
    twins = [("a", "val", 70, 30), ("b", "test", 60, 40)]
    with pytest.raises(DescriptorError, match=r"fits a/val and b/test.*-d a/val"):
        match_dataset(100, twins)
    assert match_dataset((60, 40), twins) == ("b", "test")


def test_no_dataset_that_fits_says_what_each_needs() -> None:
    with pytest.raises(DescriptorError) as caught:
        match_dataset(5000, DATASETS)
    assert "5,000 rows" in str(caught.value)
    assert "12,771 + 315 = 13,086 rows: tokyo-xs/test" in str(caught.value)
    assert "27,191 + 1,000 = 28,191 rows: sf-xs/test" in str(caught.value)
    with pytest.raises(DescriptorError, match="no dataset is installed"):
        match_dataset(5000, [])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (12_771, "exactly the database's rows of tokyo-xs/test: the queries are missing"),
        (1000, "exactly the queries' rows of sf-xs/test: the database is missing"),
        (28_190, "1 fewer than sf-xs/test has"),
        (13_089, "3 more than tokyo-xs/test has"),
        ((315, 12_771), "swapped for tokyo-xs/test"),
        ((12_772, 314), "not divided like it"),
        ((28_191, 1000), "first file holds all of sf-xs/test"),
        ((27_191, 999), "The database fits sf-xs/test; the queries do not"),
        ((27_190, 1000), "The queries fit sf-xs/test; the database does not"),
    ],
)
def test_near_misses_are_recognised(rows: Any, said: str) -> None:
    with pytest.raises(DescriptorError, match=said):
        match_dataset(rows, DATASETS)


def test_an_array_on_its_side_is_recognised() -> None:
    with pytest.raises(DescriptorError, match="transpose"):
        match_dataset(512, DATASETS, dimension=28_191)


def test_a_hopeless_number_gets_no_hint() -> None:
    with pytest.raises(DescriptorError) as caught:
        match_dataset(7, DATASETS)
    assert len(str(caught.value).splitlines()) == 4
