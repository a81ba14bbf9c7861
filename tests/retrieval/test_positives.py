"""Positives are scikit-learn's radius neighbours, found faster."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from vgbench.errors import DatasetError, UsageError
from vgbench.retrieval import count_without_positives, find_positives
from vgbench.retrieval.positives import within

Positions = NDArray[np.float64]


def assert_as_sklearn(database: Positions, queries: Positions, threshold: float) -> None:
    tree = NearestNeighbors(n_jobs=1).fit(database)
    expected = tree.radius_neighbors(queries, radius=threshold, return_distance=False)
    found = find_positives(database, queries, threshold)
    assert found.rows.dtype == np.int32 and found.indptr.dtype == np.int64
    assert len(found) == len(queries)
    for query, rows in enumerate(expected):
        np.testing.assert_array_equal(found[query], np.sort(rows))
    assert found.counts.tolist() == [len(rows) for rows in expected]
    without = sum(len(rows) == 0 for rows in expected)
    assert count_without_positives(database, queries, threshold) == without


@pytest.mark.parametrize("extent", [30.0, 500.0, 20_000.0])
@pytest.mark.parametrize("threshold", [5.0, 25.0, 100.0])
def test_they_are_those_of_scikit_learn(extent: float, threshold: float) -> None:
    generator = np.random.default_rng(0)
    corner = np.array([543_210.98, 4_182_345.67])
    database = corner + generator.uniform(0, extent, (3000, 2))
    queries = corner + generator.uniform(-50, extent + 50, (100, 2))
    assert_as_sklearn(database, queries, threshold)


def test_a_positive_at_exactly_the_threshold_counts() -> None:
    database = np.array([[15, 20], [20, 15], [25, 0], [0, -25], [15, 20.0000001], [25.0001, 0]])
    found = find_positives(database, [[0, 0]])
    assert found[0].tolist() == [0, 1, 2, 3]
    assert_as_sklearn(database, np.zeros((1, 2)), 25.0)


@given(
    st_numpy.arrays(np.int64, (40, 2), elements=st.integers(-60, 60)),
    st_numpy.arrays(np.int64, (8, 2), elements=st.integers(-60, 60)),
)
@settings(max_examples=60, deadline=None)
def test_on_whole_metres_they_are_those_of_integer_arithmetic(
    database: NDArray[np.int64], queries: NDArray[np.int64]
) -> None:
    # Duplicates, negative coordinates and distances of exactly 25 m (7-24-25, 15-20-25) abound.
    found = find_positives(database, queries)
    for query, (east, north) in enumerate(queries.tolist()):
        expected = [
            row for row, (x, y) in enumerate(database.tolist())
            if (x - east) ** 2 + (y - north) ** 2 <= 625
        ]  # fmt: skip
        assert found[query].tolist() == expected


@pytest.mark.parametrize("threshold", [0.0, 1e-9, 1e6])
def test_thresholds_of_any_size_work(threshold: float) -> None:
    generator = np.random.default_rng(1)
    database = generator.uniform(-1000, 1000, (200, 2))
    assert_as_sklearn(database, np.concatenate([database[:5], database[:5] + 3]), threshold)


def test_positions_all_over_the_world_work() -> None:
    generator = np.random.default_rng(2)
    database = np.concatenate(
        [generator.uniform(0, 100, (50, 2)), generator.uniform(0, 100, (50, 2)) + 1e7]
    )
    assert_as_sklearn(database, database[::7] + 1, 25.0)
    rows = np.arange(1000)
    mock = np.stack([0.0 * rows, 1000.0 * rows], axis=1)  # one place per kilometre, as AmsterTime
    assert find_positives(mock, mock).rows.tolist() == rows.tolist()


def test_everything_in_one_place_works() -> None:
    found = find_positives(np.zeros((2000, 2)), np.zeros((1500, 2)))  # more than one part
    assert (found.counts == 2000).all()
    np.testing.assert_array_equal(found[1499], np.arange(2000))


def test_empty_sides_have_no_positives() -> None:
    assert find_positives(np.empty((0, 2)), [[0, 0], [1, 1]]).counts.tolist() == [0, 0]
    assert len(find_positives([[0, 0]], [])) == 0
    assert count_without_positives([], [[0, 0]]) == 1


def test_queries_index_as_a_sequence() -> None:
    found = find_positives([[0, 0], [100, 0]], [[0, 0], [100, 0]])
    assert found[-1].tolist() == [1]
    with pytest.raises(IndexError):
        found[2]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_positions_that_are_not_finite_are_refused_by_row(bad: float) -> None:
    with pytest.raises(DatasetError, match="database positions must be finite; row 1"):
        find_positives([[0, 0], [0, bad]], [[0, 0]])
    with pytest.raises(DatasetError, match="query positions must be finite; row 0"):
        count_without_positives([[0, 0]], [[bad, 0]])


@pytest.mark.parametrize("shape", [(3,), (3, 3), (1, 3, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DatasetError, match="shape"):
        find_positives(np.zeros(shape), [[0, 0]])


@pytest.mark.parametrize("threshold", [-1.0, np.nan, np.inf])
def test_a_threshold_that_is_no_distance_is_refused(threshold: float) -> None:
    with pytest.raises(UsageError, match="metres"):
        find_positives([[0, 0]], [[0, 0]], threshold)


def test_the_rule_is_inclusive_and_plain_float64() -> None:
    offsets: Any = np.array([[7.0, 24.0], [np.nextafter(25.0, 30), 0.0], [0.0, -25.0]])
    assert within(offsets, 25.0).tolist() == [True, False, True]


@pytest.mark.slow
def test_millions_of_positions_take_seconds() -> None:
    generator = np.random.default_rng(3)
    database = generator.uniform(0, 15_000, (2_800_000, 2))
    queries = generator.uniform(0, 15_000, (1000, 2))
    started = time.perf_counter()
    found = find_positives(database, queries)
    assert time.perf_counter() - started < 10
    for query in range(0, 1000, 100):
        np.testing.assert_array_equal(
            found[query], np.flatnonzero(within(database - queries[query], 25.0))
        )
