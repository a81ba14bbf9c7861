"""Queries of one place are found, whatever their order, and streets do not become one place."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from vgbench.errors import DatasetError, UsageError
from vgbench.retrieval.places import PLACE_RADIUS, group_places, mcnemar_by_place
from vgbench.retrieval.statistics import mcnemar


def scattered(seed: int, count: int = 300) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 400, (count, 2)) + np.array([548e3, 4180e3])


def test_queries_of_one_spot_are_one_place_and_numbers_follow_their_order() -> None:
    spots = np.array([[900.0, 0.0], [0.0, 0.0], [900.0, 0.0], [0.0, 0.0], [450.0, 9.0]])
    assert group_places(spots, 0).tolist() == [0, 1, 0, 1, 2]


@pytest.mark.parametrize("seed", range(5))
def test_no_place_is_wider_than_two_radii_and_no_two_begin_within_one(seed: int) -> None:
    points = scattered(seed)
    labels = group_places(points)
    assert set(labels.tolist()) == set(range(labels.max() + 1))
    leaders = []
    for place in range(labels.max() + 1):
        members = points[labels == place]
        # Whoever began the place is the first of its members by easting, then northing.
        leader = members[np.lexsort((members[:, 1], members[:, 0]))[0]]
        assert np.linalg.norm(members - leader, axis=1).max() <= PLACE_RADIUS
        leaders.append(leader)
    apart = np.linalg.norm(np.array(leaders)[:, None] - leaders, axis=2)
    assert apart[np.triu_indices(len(leaders), 1)].min() > PLACE_RADIUS


@pytest.mark.parametrize("seed", range(5))
def test_the_groups_do_not_depend_on_the_order_of_the_queries(seed: int) -> None:
    points = scattered(seed)
    order = np.random.default_rng(seed).permutation(len(points))
    labels, shuffled = group_places(points), group_places(points[order])
    assert np.array_equal(shuffled[:, None] == shuffled, labels[order][:, None] == labels[order])


def test_a_street_photographed_every_metre_is_several_places() -> None:
    street = np.column_stack([np.arange(1000.0), np.zeros(1000)])
    assert 20 <= group_places(street).max() + 1 <= 40


def test_none_at_all_and_nonsense() -> None:
    assert group_places(np.empty((0, 2))).shape == (0,)
    with pytest.raises(DatasetError, match="shape"):
        group_places([[0.0, 1.0, 2.0]])
    with pytest.raises(DatasetError, match="finite"):
        group_places([[0.0, np.nan]])
    with pytest.raises(UsageError, match="radius"):
        group_places([[0.0, 0.0]], -1)


@pytest.mark.parametrize("seed", range(20))
def test_the_test_by_place_is_the_count_over_all_signs(seed: int) -> None:
    differences = np.random.default_rng(seed).integers(-4, 5, size=9)
    total = abs(differences.sum())
    sums = [abs(np.dot(signs, differences)) for signs in product((-1, 1), repeat=9)]
    expected = np.mean([value >= total for value in sums])
    assert mcnemar_by_place(differences) == pytest.approx(expected)


def test_places_of_one_query_each_give_mcnemars_p_value() -> None:
    for only_a, only_b in ((0, 0), (0, 3), (15, 4), (50, 61), (400, 300), (0, 900)):
        expected = mcnemar(only_a, only_b)
        assert mcnemar_by_place([-1] * only_a + [1] * only_b + [0] * 7) == pytest.approx(expected)


@pytest.mark.slow
def test_where_outcomes_hang_together_only_the_test_by_place_keeps_its_level() -> None:
    """35 places of 9 queries; of two equally good methods, each is better at some of the places."""
    random = np.random.default_rng(0)
    boards, wrong = 4000, np.zeros(2)
    for _ in range(boards):
        chance = random.beta(0.5, 0.5, size=(2, 35, 1))
        a, b = random.random((2, 35, 9)) < chance
        only_a, only_b = (a & ~b).sum(axis=1), (b & ~a).sum(axis=1)
        wrong[0] += mcnemar(int(only_a.sum()), int(only_b.sum())) < 0.05
        wrong[1] += mcnemar_by_place(only_b - only_a) < 0.05
    assert wrong[0] > 0.3 * boards
    assert 0.03 * boards < wrong[1] <= 0.057 * boards, wrong / boards
