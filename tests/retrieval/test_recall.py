"""Recall equals the field's own evaluation loop on the same descriptors."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from vgbench.errors import DatasetError, UsageError
from vgbench.retrieval import (
    RECALL_VALUES,
    count_without_positives,
    find_positives,
    first_hit,
    hits,
    search,
)


def field_loop(
    database: NDArray[np.float32],
    queries: NDArray[np.float32],
    database_positions: NDArray[np.float64],
    query_positions: NDArray[np.float64],
) -> list[float]:
    """Recalls in percent as the field's evaluation scripts compute them."""
    tree = NearestNeighbors(n_jobs=-1).fit(database_positions)
    positives = tree.radius_neighbors(query_positions, radius=25, return_distance=False)
    index = faiss.IndexFlatL2(database.shape[1])
    index.add(database)
    _, predictions = index.search(queries, max(RECALL_VALUES))
    found = np.zeros(len(RECALL_VALUES))
    for query, predicted in enumerate(predictions):
        for place, n in enumerate(RECALL_VALUES):
            if np.any(np.isin(predicted[:n], positives[query])):
                found[place:] += 1
                break
    return list(found / len(queries) * 100)


def city(
    seed: int, dimension: int, noise: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], Any, Any]:
    """Places whose descriptors resemble their neighbours', and queries from some of them."""
    generator = np.random.default_rng(seed)
    database_positions = generator.uniform(0, 1500, (2000, 2))
    chosen = generator.integers(0, 2000, 150)
    query_positions = database_positions[chosen] + generator.uniform(-60, 60, (150, 2))
    query_positions[:10] += 5000  # without positives
    directions = generator.standard_normal((2, dimension)) / 40
    database = np.sin(database_positions @ directions)
    queries = np.sin(query_positions @ directions)
    database += noise * generator.standard_normal(database.shape)
    queries += noise * generator.standard_normal(queries.shape)
    return (
        database.astype(np.float32), queries.astype(np.float32),
        database_positions, query_positions,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("dimension", "noise"), [(8, 0.3), (64, 1.0), (256, 1.5)])
def test_recalls_are_those_of_the_field(seed: int, dimension: int, noise: float) -> None:
    database, queries, database_positions, query_positions = city(seed, dimension, noise)
    expected = field_loop(database, queries, database_positions, query_positions)
    ranks = first_hit(search(database, queries).rows, database_positions, query_positions)
    found = [count / 150 * 100 for count in hits(ranks).values()]
    assert found == expected
    assert 5 < expected[0] < expected[-1] < 100  # a case that could go wrong


def test_queries_without_positives_stay_in_the_denominator() -> None:
    database, queries, database_positions, query_positions = city(0, 64, 0.1)
    ranks = first_hit(search(database, queries).rows, database_positions, query_positions)
    assert count_without_positives(database_positions, query_positions) >= 10
    assert len(ranks) == 150 and (ranks[:10] == -1).all()
    assert hits(ranks, [2000])[2000] <= 140


@pytest.mark.parametrize("distance", ["l2", "cosine", "ip"])
def test_permuting_images_with_their_names_changes_no_recall(distance: str) -> None:
    database, queries, database_positions, query_positions = city(1, 16, 0.5)
    generator = np.random.default_rng(5)
    expected = hits(
        first_hit(
            search(database, queries, distance=distance).rows, database_positions, query_positions
        )
    )
    rows, columns = generator.permutation(2000), generator.permutation(150)
    found = search(database[rows], queries[columns], distance=distance).rows
    ranks = first_hit(found, database_positions[rows], query_positions[columns])
    assert hits(ranks) == expected


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_the_first_hit_is_the_first_prediction_among_the_positives(
    seed: int, count: int, k: int
) -> None:
    generator = np.random.default_rng(seed)
    database_positions = generator.integers(0, 5, (12, 2)) * 12.5  # 25 m apart is frequent
    query_positions = generator.integers(0, 5, (count, 2)) * 12.5
    predicted = generator.integers(-1, 12, (count, k))
    positives = find_positives(database_positions, query_positions)
    found = first_hit(predicted, database_positions, query_positions)
    assert found.dtype == np.int32
    for query in range(count):
        expected = [rank for rank in range(k) if predicted[query, rank] in positives[query]]
        assert found[query] == (expected[0] if expected else -1)


def test_hits_count_every_query_up_to_each_n() -> None:
    assert hits([0, 0, 1, 4, 5, 9, 10, 19, 20, -1]) == {1: 2, 5: 4, 10: 6, 20: 8}
    assert hits([0, -1], ns=[20, 1]) == {20: 1, 1: 1}  # any order
    assert hits([], ns=[1]) == {1: 0}
    with pytest.raises(UsageError, match="at least 1"):
        hits([0], ns=[0])


def test_predictions_outside_the_database_are_refused() -> None:
    for row in (2, -2):  # −2 would silently be the last but one
        with pytest.raises(DatasetError, match="from 0 to 1"):
            first_hit([[row]], [[0, 0], [0, 0]], [[0, 0]])
    with pytest.raises(DatasetError, match="2 queries"):
        first_hit([[0]], [[0, 0]], [[0, 0], [0, 0]])


def test_many_queries_are_worked_on_in_parts() -> None:
    count = 70_000
    positions = np.stack([np.arange(count) * 100.0, np.zeros(count)], axis=1)
    predicted = np.arange(count)[:, None] + np.array([[1, 0]])
    predicted[-1] = [-1, count - 1]
    assert (first_hit(predicted, positions, positions) == 1).all()
    assert first_hit(np.empty((3, 0), int), positions, positions[:3]).tolist() == [-1, -1, -1]
