"""The bootstrap against a loop that draws place by place, and against the truth it estimates."""

from __future__ import annotations

import numpy as np
import pytest

from vgbench.errors import UsageError
from vgbench.retrieval.bootstrap import bootstrap_recall

RANDOM_BOARDS = 20_000


def outcomes(seed: int, methods: int = 3, queries: int = 120) -> np.ndarray:
    random = np.random.default_rng(seed)
    easy = random.normal(size=queries)
    bar = np.linspace(-0.5, 0.5, methods)[:, None]
    return easy + random.normal(size=(methods, queries)) > bar


def slow(localized: list[np.ndarray], places: list[np.ndarray], samples: int) -> np.ndarray:
    """Mean recalls, drawing the places of each dataset one after another."""
    random = np.random.default_rng(99)
    drawn = np.zeros((samples, len(localized[0])))
    for sample in range(samples):
        for found, labels in zip(localized, places, strict=True):
            names = np.unique(labels)
            chosen: list[int] = []
            for place in random.choice(names, len(names) - 1):
                chosen += np.flatnonzero(labels == place).tolist()
            drawn[sample] += 100 * found[:, chosen].mean(axis=1) / len(localized)
    return drawn


def test_samples_are_distributed_as_those_of_the_slow_definition() -> None:
    from scipy.stats import ks_2samp

    localized = [outcomes(0), outcomes(1, queries=75)]
    places = [np.repeat(np.arange(40), 3), np.arange(75) % 20]
    expected = slow(localized, places, 1500)
    found = bootstrap_recall(localized, places, samples=4000)
    for method in range(3):
        assert ks_2samp(found.samples[:, method], expected[:, method]).pvalue > 0.001
    for a, b in ((0, 1), (1, 2)):
        apart = found.samples[:, b] - found.samples[:, a]
        assert ks_2samp(apart, expected[:, b] - expected[:, a]).pvalue > 0.001


def test_the_mean_is_that_of_the_recalls_and_datasets_weigh_the_same() -> None:
    localized = [outcomes(0), outcomes(1, queries=1000)]
    found = bootstrap_recall(localized, samples=100)
    expected = 50 * (localized[0].mean(axis=1) + localized[1].mean(axis=1))
    assert found.recall == pytest.approx(expected)


def test_one_seed_gives_one_result_whatever_the_order_of_the_queries() -> None:
    localized, places = outcomes(0), np.arange(120) // 4
    order = np.random.default_rng(5).permutation(120)
    one = bootstrap_recall([localized], [places], samples=500)
    again = bootstrap_recall([localized[:, order]], [places[order]], samples=500)
    other = bootstrap_recall([localized], [places], samples=500, seed=1)
    assert np.array_equal(one.samples, again.samples)
    assert not np.array_equal(one.samples, other.samples)


def test_differences_are_paired() -> None:
    localized = outcomes(0, methods=1, queries=400)
    better = localized.copy()
    better[0, np.flatnonzero(~localized[0])[:20]] = True
    found = bootstrap_recall([np.concatenate([localized, better])])
    difference, low, high = found.difference(0, 1)
    assert difference == pytest.approx(5.0) and low > 0
    (low_a, _), (_, high_b) = found.interval
    assert high - low < 0.6 * (high_b - low_a)


def test_places_widen_what_queries_alone_would_claim() -> None:
    each = np.repeat(outcomes(0, methods=1, queries=50), 8, axis=1)
    places = np.repeat(np.arange(50), 8)
    widths = []
    for groups in (None, [places]):
        low, high = bootstrap_recall([each], groups).interval
        widths.append(float((high - low)[0]))
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(8), rel=0.1)


def test_rank_intervals_hold_the_rank_and_separate_what_is_far_apart() -> None:
    queries = 500
    localized = np.arange(queries) < np.array([[450], [250], [247], [50]])
    shuffled = np.random.default_rng(0).permuted(localized, axis=1)
    low, high = bootstrap_recall([shuffled], samples=2000).rank_interval
    assert low.tolist() == [1, 2, 2, 4] and high.tolist() == [1, 3, 3, 4]


def test_one_place_alone_varies_in_nothing() -> None:
    found = bootstrap_recall([[[True, False, True]]], [[7, 7, 7]], samples=50)
    assert np.ptp(found.samples) == 0 and found.recall[0] == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("localized", "options", "message"),
    [
        ([], {}, "no dataset"),
        ([[True, False]], {}, "of shape"),
        ([np.zeros((2, 0))], {}, "of shape"),
        ([np.ones((2, 3)), np.ones((3, 3))], {}, "of shape"),
        ([np.ones((2, 3))], {"places": [[1, 2]]}, "as many places"),
        ([np.ones((2, 3))], {"places": []}, "as many arrays"),
        ([np.ones((2, 3))], {"samples": 0}, "one sample"),
        ([np.ones((2, 3))], {"confidence": 95}, "confidence"),
    ],
)
def test_nonsense_is_refused(localized: list, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        bootstrap_recall(localized, **options)


@pytest.mark.slow
def test_intervals_of_recalls_and_differences_cover_94_to_96_of_100_boards() -> None:
    """Two methods on two datasets of 315 and 500 queries, of correlated outcomes."""
    random = np.random.default_rng(3)
    shares = np.array(
        [[0.15, 0.08, 0.55, 0.22], [0.1, 0.2, 0.3, 0.4]]
    )  # only a, only b, both, none
    kinds = np.array([[True, False, True, False], [False, True, True, False]])
    truth = 50 * (shares @ kinds.T).sum(axis=0)
    covered = np.zeros(2)
    for board in range(RANDOM_BOARDS):
        localized = [
            np.repeat(kinds, random.multinomial(queries, share), axis=1)
            for queries, share in zip((315, 500), shares, strict=True)
        ]
        found = bootstrap_recall(localized, samples=1999, seed=board)
        low, high = found.interval
        covered[0] += low[0] <= truth[0] <= high[0]
        _, least, most = found.difference(0, 1)
        covered[1] += least <= truth[1] - truth[0] <= most
    assert ((covered >= 0.94 * RANDOM_BOARDS) & (covered <= 0.96 * RANDOM_BOARDS)).all(), covered


@pytest.mark.slow
def test_where_queries_share_places_only_resampling_places_covers_the_truth() -> None:
    """35 places of 9 queries, as in Tokyo-XS, whose queries nearly always succeed together."""
    random = np.random.default_rng(4)
    places = np.repeat(np.arange(35), 9)
    boards, covered = 4000, np.zeros(2)
    truth = 100 * 0.6
    for board in range(boards):
        chance = random.beta(0.6, 0.4, size=35)  # its mean is 0.6
        localized = random.random(315) < np.repeat(chance, 9)
        for index, groups in enumerate((None, [places])):
            found = bootstrap_recall([localized[None]], groups, samples=999, seed=board)
            low, high = found.interval
            covered[index] += low[0] <= truth <= high[0]
    by_queries, by_places = covered / boards
    assert by_queries < 0.75
    assert 0.925 <= by_places <= 0.965, by_places
