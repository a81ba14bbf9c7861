"""Paired tests, Holm's correction, and what a board of so many queries can show."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from vgbench.errors import UsageError
from vgbench.retrieval.statistics import holm, mcnemar, possible_count, smallest_difference


def test_mcnemar_is_the_exact_binomial_test() -> None:
    for a in range(0, 40, 3):
        for b in range(0, 60, 7):
            expected = binomtest(a, a + b).pvalue if a + b else 1.0
            assert mcnemar(a, b) == pytest.approx(expected, rel=1e-11)


def test_mcnemar_agrees_with_statsmodels() -> None:
    table = [[50, 14], [3, 33]]
    assert mcnemar(14, 3) == pytest.approx(statsmodels_mcnemar(table, exact=True).pvalue, rel=1e-12)


def test_mcnemar_of_arrays_is_that_of_each_pair() -> None:
    random = np.random.default_rng(0)
    a, b = random.integers(0, 30, (2, 4, 5))
    found = mcnemar(a, b)
    assert isinstance(found, np.ndarray) and found.shape == (4, 5)
    for index in np.ndindex(4, 5):
        assert found[index] == mcnemar(int(a[index]), int(b[index]))


def test_mcnemar_holds_where_powers_of_two_underflow() -> None:
    assert mcnemar(9_900, 10_100) == pytest.approx(binomtest(9_900, 20_000).pvalue, rel=1e-9)
    assert mcnemar(0, 20_000) == 0.0


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(UsageError, match="not negative"):
        mcnemar(-1, 3)


@pytest.mark.parametrize("seed", range(20))
def test_holm_is_that_of_statsmodels(seed: int) -> None:
    random = np.random.default_rng(seed)
    given = random.random(random.integers(1, 30)) ** 3
    assert holm(given) == pytest.approx(multipletests(given, method="holm")[1], abs=1e-15)


def test_holm_of_nothing_is_nothing() -> None:
    assert holm([]).shape == (0,)


def test_holm_keeps_the_family_wise_error_at_5_of_100_whatever_else_is_true() -> None:
    """20,000 families of 10 tests of which some are of nothing: their p-values are uniform."""
    families = 20_000
    random = np.random.default_rng(1)
    for nothing in (1, 6, 10):
        p_values = random.random((families, 10)) * np.where(np.arange(10) < nothing, 1.0, 1e-6)
        adjusted = np.array([holm(family) for family in p_values])
        errors = (adjusted[:, :nothing] < 0.05).any(axis=1).mean()
        assert 0.044 <= errors <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / families), (nothing, errors)
        assert (adjusted[:, nothing:] < 0.05).all()
    assert (p_values < 0.05).any(axis=1).mean() > 0.35, "uncorrected, two boards in five are wrong"


def test_every_count_is_possible_as_it_would_be_printed() -> None:
    for queries in (7, 105, 240, 315, 1000):
        for count in range(queries + 1):
            for decimals in (1, 2):
                rounded = round(100 * count / queries, decimals)
                cut = 100 * 10**decimals * count // queries / 10**decimals
                assert possible_count(rounded, queries, decimals)
                assert possible_count(cut, queries, decimals)


def test_numbers_between_two_counts_are_impossible() -> None:
    assert not possible_count(28.32, 315)  # 89 of 315 are 28.25, 90 are 28.57
    assert not possible_count(26.18, 315)
    assert possible_count(32.06, 315) and possible_count(58.1, 315, 1)
    assert not possible_count(101, 315) and not possible_count(50, 0)


@pytest.mark.parametrize("queries", [30, 72, 240, 315, 1000])
def test_the_smallest_difference_is_significant_and_the_next_smaller_is_not(queries: int) -> None:
    discordant = round(0.2 * queries)
    points = smallest_difference(queries)
    assert points is not None
    ahead = round(points * queries / 100)
    fewer = (discordant - ahead) // 2
    assert binomtest(fewer, discordant).pvalue < 0.05
    assert binomtest(fewer + 1, discordant).pvalue >= 0.05


def test_so_few_queries_show_nothing() -> None:
    assert smallest_difference(10) is None


@pytest.mark.slow
def test_wilson_intervals_hold_what_they_promise_on_average() -> None:
    """20,000 boards of 315 queries, their true recalls drawn evenly from 5 % to 95 %."""
    from vgbench.retrieval.statistics import wilson_interval

    random = np.random.default_rng(0)
    truth = random.uniform(0.05, 0.95, 20_000)
    low, high = wilson_interval(random.binomial(315, truth), 315)
    assert 0.94 <= np.mean((low <= truth) & (truth <= high)) <= 0.96


@pytest.mark.parametrize("queries", [240, 315, 1000])
@pytest.mark.parametrize("truth", [0.1, 0.35, 0.5, 0.8, 0.95])
def test_the_interval_of_one_recall_holds_it_on_94_to_96_of_100_of_20_000_boards(
    queries: int, truth: float
) -> None:
    """Of recalls within two points: counts are whole, so at one alone the share jumps about."""
    from vgbench.retrieval.statistics import wilson_interval

    random = np.random.default_rng(queries)
    near = truth + random.uniform(-0.02, 0.02, 20_000)
    low, high = wilson_interval(random.binomial(queries, near), queries)
    assert 0.94 <= np.mean((low <= near) & (near <= high)) <= 0.96
