"""Rank intervals and tiers, held against a slow account of the same rule."""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.multitest import multipletests

from vgbench.errors import UsageError
from vgbench.retrieval.standings import LARGEST_BOARD, pack_outcomes, standings, unpack_outcomes


def _board(seed: int, entries: int = 12, queries: int = 300) -> np.ndarray:
    """Methods of different strength that agree on which queries are hard."""
    random = np.random.default_rng(seed)
    hard = random.normal(size=queries)
    skill = random.normal(scale=0.6, size=(entries, 1))
    return skill + random.normal(scale=0.5, size=(entries, queries)) > hard


@pytest.mark.parametrize("seed", range(6))
def test_standings_follow_from_all_pairs_tested_one_by_one(seed: int) -> None:
    board = _board(seed)
    pairs = list(combinations(range(len(board)), 2))
    p_values = [
        binomtest(int((board[a] & ~board[b]).sum()), n).pvalue if n else 1.0
        for a, b in pairs
        for n in [int((board[a] ^ board[b]).sum())]
    ]
    adjusted = multipletests(p_values, method="holm")[1]
    better = {
        (a, b) if board[a].sum() > board[b].sum() else (b, a)
        for (a, b), p in zip(pairs, adjusted, strict=True)
        if p < 0.05
    }
    found = standings(board)
    for entry in range(len(board)):
        assert found.rank_low[entry] == 1 + sum(loser == entry for _, loser in better)
        assert found.rank_high[entry] == len(board) - sum(winner == entry for winner, _ in better)
    tier, best = 0, None
    for entry in sorted(range(len(board)), key=lambda entry: -board[entry].sum()):
        if best is None or (best, entry) in better:
            tier, best = tier + 1, entry
        assert found.tier[entry] == tier


def test_the_order_of_the_entries_changes_nothing() -> None:
    board = _board(7)
    order = np.random.default_rng(0).permutation(len(board))
    there, back = standings(board), standings(board[order])
    assert (there.rank_low[order] == back.rank_low).all()
    assert (there.rank_high[order] == back.rank_high).all()


def test_equal_entries_share_one_tier_and_every_rank() -> None:
    found = standings(np.repeat(_board(1)[:1], 5, axis=0))
    assert found.rank_low.tolist() == [1] * 5
    assert found.rank_high.tolist() == [5] * 5
    assert found.tier.tolist() == [1] * 5


def test_one_entry_alone_is_first() -> None:
    assert [x.tolist() for x in standings(np.ones((1, 9), bool))] == [[1], [1], [1]]


def test_a_board_too_large_is_refused() -> None:
    with pytest.raises(UsageError, match="too large"):
        standings(np.zeros((LARGEST_BOARD + 1, 1), bool))


@pytest.mark.parametrize("queries", [0, 1, 7, 8, 9, 315])
def test_outcomes_come_back_as_they_were_packed(queries: int) -> None:
    outcomes = np.random.default_rng(queries).random(queries) < 0.5
    assert (unpack_outcomes(pack_outcomes(outcomes), queries) == outcomes).all()


def test_outcomes_of_another_number_of_queries_are_refused() -> None:
    with pytest.raises(UsageError, match="take 40 bytes; found 2"):
        unpack_outcomes(b"ab", 315)


@pytest.mark.slow
def test_equal_methods_are_called_different_on_one_board_in_twenty_at_most() -> None:
    random = np.random.default_rng(0)
    wrong = 0
    for _ in range(2000):
        hard = random.random(315)
        board = random.random((6, 315)) < hard
        wrong += bool((standings(board).rank_low > 1).any())
    assert wrong / 2000 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)


def test_equal_methods_stay_equal_beside_others_that_are_really_better() -> None:
    """Three equally good ones and three equally bad ones: an error is what is not true of them."""
    random = np.random.default_rng(1)
    wrong = apart = 0
    for _ in range(2000):
        chance = random.beta(2, 2, 315)
        strong, weak = (random.random((3, 315)) < chance**power for power in (0.7, 1.6))
        found = standings(np.concatenate([strong, weak]))
        # A strong one that anything beats, or a weak one that beats anything.
        wrong += bool((found.rank_low[:3] > 1).any() or (found.rank_high[3:] < 6).any())
        apart += bool((found.rank_high[:3] == 3).all() and (found.rank_low[3:] == 4).all())
    assert wrong / 2000 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
    assert apart / 2000 > 0.5, "what is different was not told apart: the test says little"


@pytest.mark.slow
def test_a_thousand_entries_take_seconds_at_most() -> None:
    board = _board(0, 1000, 1000)
    started = time.perf_counter()
    standings(board)
    assert time.perf_counter() - started < 6
