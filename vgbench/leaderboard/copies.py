"""Entries whose predictions are another entry's: the same, or nearly.

The measure is the share of (query, rank) pairs, over the first 20 ranks, that hold the same
database row. On demo-city, with the included model, it is 99.8 % for the same descriptors rounded
to float16, 88 % for a run in bfloat16, 13 % for the same weights on smaller images and 10 % for
cosine in place of L2, although these last two agree on the first image of seven queries in ten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vgbench.leaderboard.document import Document
from vgbench.leaderboard.entry import Entry
from vgbench.leaderboard.findings import FAILED, PASSED, WARNING, Check
from vgbench.leaderboard.slugs import slugify

NEARLY = 0.8
"""The share from which on two entries are called nearly identical."""

SAMPLE = 1024
"""How many (query, rank) pairs the share is estimated from: its standard error is at most 0.016."""

_RANKS = 20


@dataclass(frozen=True, eq=False)
class Trace:
    """What of one result tells a copy: the digest of its rows and a sample of them.

    `sample` is int32 (S,), S at most `SAMPLE`; `credit` is whom the card names; `base` is what its
    revisions have in common.
    """

    slug: str
    base: str
    credit: str | None
    submitted: str
    key: tuple[str, ...]
    rows: str
    sample: NDArray[np.int32]


def trace(document: Document, entry: Entry, rows_digest: str) -> Trace:
    """What to remember of one result of a submission."""
    queries, top = entry.rows.shape
    columns = min(top, _RANKS)
    places = _places(queries, columns)
    return Trace(
        slug=document.slug,
        base=slugify(document.card.name),
        credit=document.card.authors,
        submitted=document.submitted,
        key=(entry.dataset, entry.split, entry.ground_truth or "", f"{queries}x{columns}"),
        rows=rows_digest,
        sample=entry.rows[:, :columns].ravel()[places],
    )


def find_copies(
    traces: Iterable[Trace], wanted: Collection[str], newcomers: Collection[str] = ()
) -> dict[str, list[Check]]:
    """Compare every wanted submission's results with those of all others.

    An exact copy, by all rows or by the whole sample, fails, unless both name the same authors (or
    none): then it is the same work twice, which is said and let be. Of the two, the one submitted
    later is the copy; `newcomers` are later than everything else, whatever they say of themselves.
    Nearly identical predictions are a warning: the same descriptors rounded otherwise give them.

    Returns
    -------
    dict
        Checks named "copies" by slug; none for a submission without predictions.
    """
    groups: dict[tuple[str, ...], list[Trace]] = {}
    for one in traces:
        groups.setdefault(one.key, []).append(one)
    found: dict[str, list[Check]] = {}
    for members in groups.values():
        members.sort(key=lambda one: (one.slug in newcomers, one.submitted, one.slug))
        samples = np.stack([one.sample for one in members])
        for index, one in enumerate(members):
            if one.slug in wanted:
                shares = (samples == samples[index]).mean(axis=1).tolist()
                found.setdefault(one.slug, []).append(_compare(index, members, shares))
    return found


def _compare(index: int, members: Sequence[Trace], shares: Sequence[float]) -> Check:
    """One result among those of the same split, the earliest first, and its share with each."""
    one = members[index]
    exact = [
        other
        for other, share in zip(members[:index], shares, strict=False)
        if other.rows == one.rows or share == 1
    ]
    stolen = [other for other in exact if other.credit != one.credit]
    if stolen:
        message = f"the predictions are those of {stolen[0].slug}, which names other authors"
        return Check("copies", FAILED, message)
    if exact:
        revision = "an earlier revision, " if exact[0].base == one.base else ""
        return Check("copies", WARNING, f"the predictions are those of {revision}{exact[0].slug}")
    near = [
        (share, other.slug)
        for other, share in zip(members, shares, strict=True)
        if other is not one and share < 1
    ]
    share, slug = max(near, default=(0.0, ""))
    if share >= NEARLY:
        message = f"rank by rank, {100 * share:.1f} % of the predictions are those of {slug}"
        return Check("copies", WARNING, message)
    return Check("copies", PASSED, "")


def _places(queries: int, columns: int) -> NDArray[np.int64]:
    """The same (query, rank) pairs for every entry of one shape."""
    size = queries * columns
    if size <= SAMPLE:
        return np.arange(size)
    chosen: NDArray[np.int64] = np.random.default_rng(size).choice(size, SAMPLE, replace=False)
    return np.sort(chosen)
