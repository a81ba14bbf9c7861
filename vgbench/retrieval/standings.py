"""Rank intervals and tiers of a board, from exact paired tests between all of its entries."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgbench.errors import UsageError
from vgbench.retrieval.statistics import holm, mcnemar

LARGEST_BOARD = 2000
"""Entries of a board with standings; pairs grow with the square of them."""


class Standings(NamedTuple):
    """Where each entry stands, int32 arrays of length E.

    `rank_low` is 1 + the number of entries that are significantly better, `rank_high` E − the
    number of those significantly worse. `tier` is a rule for display, because "not significantly
    different" is not transitive: going down the entries by recall, a new tier begins at the first
    one that the best of the present tier is significantly better than.
    """

    rank_low: NDArray[np.int32]
    rank_high: NDArray[np.int32]
    tier: NDArray[np.int32]


def standings(localized: NDArray[np.bool_], level: float = 0.05) -> Standings:
    """Compare all pairs of a board's entries by exact McNemar tests, with Holm's correction.

    Parameters
    ----------
    localized
        Bool of shape (E, Q): whether entry e localizes query q.
    level
        The chance that any pair of equally good entries is called different.

    Raises
    ------
    UsageError
        When there are more than `LARGEST_BOARD` entries.

    Examples
    --------
    >>> board = np.zeros((3, 100), bool)
    >>> board[0, :90] = board[1, :88] = board[2, :40] = True
    >>> standings(board).rank_high.tolist(), standings(board).tier.tolist()
    ([2, 2, 3], [1, 1, 2])
    """
    localized = np.asarray(localized, bool)
    entries, _ = localized.shape
    if entries > LARGEST_BOARD:
        raise UsageError(f"A board of {entries:,} entries is too large for standings.")
    hits = localized.sum(axis=1)
    # Products of 0 and 1 in float32 are exact up to 2²⁴ queries, and run at the processor's speed.
    ones = localized.astype(np.float32)
    both = (ones @ ones.T).astype(np.int64)
    only = hits[:, None] - both  # only[a, b]: queries that a localizes and b does not
    upper = np.triu_indices(entries, 1)
    adjusted = holm(_p_values(only[upper], only.T[upper]))
    better = np.zeros((entries, entries), bool)  # better[a, b]: a is significantly better than b
    significant = adjusted < level
    first, second = upper[0][significant], upper[1][significant]
    ahead = hits[first] > hits[second]
    better[np.where(ahead, first, second), np.where(ahead, second, first)] = True
    return Standings(
        (1 + better.sum(axis=0)).astype(np.int32),
        (entries - better.sum(axis=1)).astype(np.int32),
        _tiers(hits, better),
    )


def pack_outcomes(localized: NDArray[np.bool_]) -> bytes:
    """Bits of which queries are localized: bit i of the whole, from the low end of each byte.

    >>> pack_outcomes(np.array([True, False, True])).hex()
    '05'
    """
    return np.packbits(np.asarray(localized, bool), bitorder="little").tobytes()


def unpack_outcomes(data: bytes, queries: int) -> NDArray[np.bool_]:
    """Bool of shape (Q,): what `pack_outcomes` packed.

    Raises
    ------
    UsageError
        When the bytes are not those of so many queries.
    """
    if len(data) != (queries + 7) // 8:
        raise UsageError(
            f"{queries:,} outcomes take {(queries + 7) // 8:,} bytes; found {len(data)}."
        )
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=queries, bitorder="little")
    return bits.astype(bool)


def _p_values(only_a: NDArray[np.int64], only_b: NDArray[np.int64]) -> NDArray[np.float64]:
    """p-values of pairs, computed once for each pair of counts: a board has few different ones."""
    few, many = np.minimum(only_a, only_b), np.maximum(only_a, only_b)
    width = int(many.max(initial=0)) + 1
    codes, where = np.unique(few * width + many, return_inverse=True)
    return np.asarray(mcnemar(codes // width, codes % width), np.float64)[where]


def _tiers(hits: NDArray[np.int64], better: NDArray[np.bool_]) -> NDArray[np.int32]:
    tiers = np.zeros(len(hits), np.int32)
    tier, best = 0, -1
    for entry in np.argsort(-hits, kind="stable"):
        if best < 0 or better[best, entry]:
            tier, best = tier + 1, int(entry)
        tiers[entry] = tier
    return tiers
