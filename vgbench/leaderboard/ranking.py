"""Rankings: which rows may be compared with each other, and in what order they stand.

A ranking holds rows of the same dataset, split, fingerprints, threshold and protocol version only.
What else there is of a dataset stands apart, and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgbench.errors import UsageError
from vgbench.leaderboard.columns import RECALL_VALUES, Row
from vgbench.leaderboard.text import clean_text

USUAL_THRESHOLD = 25.0
"""Metres; where two thresholds have equally many rows, the usual one's ranking comes first."""

RECALL_KEYS = tuple(f"recall_{n}" for n in RECALL_VALUES)

SORT_KEYS = (*RECALL_KEYS, "dimension", "parameters", "name", "submitted")
"""What rows can be put in order by; unknown values stand last."""


class Key(NamedTuple):
    """What two rows must share to be compared."""

    dataset: str
    split: str
    ground_truth: str | None
    content: str | None
    threshold: float
    protocol: int


_key_values = itemgetter(*Key._fields)

RANKED_COLUMNS = (*Key._fields, "slug", "status", *RECALL_KEYS, "withdrawn", "superseded_by")
"""The columns that `rank_rows` looks at, besides the one that it is asked to sort by."""


class Place(NamedTuple):
    """A row and its rank; None where it is not ranked, `tied` where others have the same."""

    rank: int | None
    tied: bool
    row: Row

    @property
    def label(self) -> str:
        """The rank as it is shown.

        >>> Place(3, True, {}).label
        '3='
        """
        return "–" if self.rank is None else f"{self.rank}{'=' if self.tied else ''}"

    @property
    def standing(self) -> str | None:
        """The ranks at R@1 that the data allows; None where that is unknown.

        >>> Place(2, False, {"rank_low": 1, "rank_high": 3}).standing
        '1–3'
        """
        low, high = self.row.get("rank_low"), self.row.get("rank_high")
        if low is None or high is None:
            return None
        return str(low) if low == high else f"{low}–{high}"


@dataclass(frozen=True)
class Ranking:
    """Rows that may be compared, in order.

    `apart` says why they are not in the ranking that stands before them; None for the main one of
    a dataset and split. Published numbers, rows whose images are unknown, and entries that were
    withdrawn or superseded have no ranks. `more` places follow that are left out of `places`.
    """

    key: Key
    places: tuple[Place, ...]
    apart: str | None = None
    sort: str = RECALL_KEYS[0]
    more: int = 0

    @property
    def title(self) -> str:
        """The dataset and split."""
        return f"{self.key.dataset}/{self.key.split}"

    @property
    def published(self) -> bool:
        """Whether these are numbers from publications."""
        return bool(self.places[0].row["status"] == "published")

    @property
    def queries(self) -> int | None:
        """Number of queries; None where unknown."""
        count: int | None = self.places[0].row["queries"]
        return count

    @property
    def database(self) -> int | None:
        """Number of database images; None where unknown."""
        count: int | None = self.places[0].row["database"]
        return count

    @property
    def recall(self) -> int:
        """The N of the recall that rows are in the order of; 1 where it is something else."""
        return int(self.sort.rpartition("_")[2]) if self.sort in RECALL_KEYS else RECALL_VALUES[0]

    @property
    def smallest_step(self) -> float | None:
        """The percentage points that one query makes."""
        return 100 / self.queries if self.queries else None


def rank_rows(
    rows: Iterable[Row], dataset: str | None = None, sort: str = "recall_1"
) -> list[Ranking]:
    """Put rows into rankings: by dataset and split, the main one first, then what stands apart.

    Parameters
    ----------
    rows
        Rows of the table.
    dataset
        `"tokyo-xs"` or `"tokyo-xs/test"`: this dataset only.
    sort
        One of `SORT_KEYS`, also written `R@5` or `recall@5`. By a recall, ranks are counted by it
        and then by the others in the order 1, 5, 10, 20; by anything else, ranks stay those of
        recall@1 and only the order changes.

    Raises
    ------
    UsageError
        When there is no such key, or no row of such a dataset.
    """
    sort = sort_key(sort)
    rows = list(rows)
    if dataset is not None:
        rows = _of_dataset(rows, dataset)
    splits: dict[tuple[str, str], dict[tuple[bool, Key], list[Row]]] = {}
    alike: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        alike.setdefault((row["status"] == "published", *_key_values(row)), []).append(row)
    for (published, *values), members in alike.items():
        key = Key(*values)
        splits.setdefault((key.dataset, key.split), {})[published, key] = members
    rankings: list[Ranking] = []
    for _, groups in sorted(splits.items()):
        main: Key | None = None
        for (published, key), members in sorted(groups.items(), key=_group_order):
            ranked = not published and key.content is not None
            apart = _why_apart(key, main, published)
            rankings.append(Ranking(key, _places(members, sort, ranked), apart, sort))
            if main is None and not published:
                main = key
    return rankings


def narrowed(rankings: Iterable[Ranking], keeps: Callable[[Row], bool]) -> list[Ranking]:
    """Only the rows that `keeps` keeps, with the ranks that they have among all."""
    found = []
    for ranking in rankings:
        places = tuple(place for place in ranking.places if keeps(place.row))
        if places:
            found.append(replace(ranking, places=places))
    return found


def limited(rankings: Iterable[Ranking], limit: int | None) -> list[Ranking]:
    """The first `limit` places of each ranking, which tells how many more there are."""
    if limit is None:
        return list(rankings)
    return [
        replace(
            ranking,
            places=ranking.places[:limit],
            more=ranking.more + max(0, len(ranking.places) - limit),
        )
        for ranking in rankings
    ]


def sort_key(text: str) -> str:
    """The column that a name for it means.

    >>> sort_key("R@5"), sort_key("name")
    ('recall_5', 'name')

    Raises
    ------
    UsageError
        When there is none.
    """
    plain = text.strip().lower().replace("@", "_").replace("-", "_")
    number = plain.removeprefix("recall").removeprefix("r").lstrip("_")
    if f"recall_{number}" in SORT_KEYS:
        return f"recall_{number}"
    if plain in SORT_KEYS:
        return plain
    known = ", ".join(key.replace("recall_", "R@") for key in SORT_KEYS)  # as they are typed
    raise UsageError(f"Cannot sort by {clean_text(text)!r}: choose one of {known}.")


def row_key(row: Row) -> Key:
    """What a row must share with another to be compared with it."""
    return Key(*_key_values(row))


def _of_dataset(rows: Sequence[Row], dataset: str) -> list[Row]:
    name, _, split = dataset.partition("/")
    found = [row for row in rows if row["dataset"] == name and split in ("", row["split"])]
    if not found:
        held = sorted({f"{row['dataset']}/{row['split']}" for row in rows})
        raise UsageError(
            f"The board has no results on {clean_text(dataset)!r}. "
            + (f"It has {', '.join(held)}." if held else "It is empty.")
        )
    return found


def _group_order(group: tuple[tuple[bool, Key], list[Row]]) -> tuple[Any, ...]:
    """The main group of a split comes first: pinned ground truth, then the most rows."""
    (published, key), members = group
    pinned = any(row["status"] in ("verified", "reproduced") for row in members)
    return (
        published, key.content is None, not pinned, -len(members), -key.protocol,
        abs(key.threshold - USUAL_THRESHOLD), key.threshold,
        key.ground_truth or "", key.content or "",
    )  # fmt: skip


def _why_apart(key: Key, main: Key | None, published: bool) -> str | None:
    if published:
        return "published numbers: nothing to recompute, and the images may be others"
    reasons = []
    if main is not None:
        if key.protocol != main.protocol:
            reasons.append(f"protocol {key.protocol}, not {main.protocol}")
        if key.threshold != main.threshold:
            reasons.append(f"threshold {key.threshold:g} m, not {main.threshold:g} m")
        if key.ground_truth != main.ground_truth:
            reasons.append(
                f"other ground truth ({_short(key.ground_truth)}, not {_short(main.ground_truth)})"
            )
        elif key.content is not None and key.content != main.content:
            reasons.append(
                f"other images under the same names ({_short(key.content)}, "
                f"not {_short(main.content)})"
            )
    if key.content is None:
        reasons.append("unknown which images were described, so not ranked")
    return "; ".join(reasons) or None


def _short(fingerprint: str | None) -> str:
    return "unknown" if fingerprint is None else f"{fingerprint[:8]}…"


def _places(rows: Sequence[Row], sort: str, ranked: bool) -> tuple[Place, ...]:
    by = sort if sort in RECALL_KEYS else RECALL_KEYS[0]
    order = [by, *(key for key in RECALL_KEYS if key != by)]
    rows = sorted(rows, key=lambda row: row["slug"] or "")
    scores = np.array(
        [[-1.0 if value is None else value for value in map(row.get, order)] for row in rows]
    )
    # Sorting is stable: what scores alike stays in the order of slugs.
    sequence = np.lexsort(-scores.T[::-1])
    scores = scores[sequence]
    rows = [rows[index] for index in sequence.tolist()]
    counted = np.array([ranked and _is_current(row) for row in rows], np.bool_)
    ranks, tied = _ranks(scores[counted])
    labels = iter(zip(ranks.tolist(), tied.tolist(), strict=True))
    places = []
    for row, counts in zip(rows, counted.tolist(), strict=True):
        rank, shared = next(labels) if counts else (None, False)
        places.append(Place(rank, shared, row))
    if sort not in RECALL_KEYS:
        places.sort(key=_orders(sort))
    return tuple(places)


def _ranks(scores: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Ranks of scores (n, m) in falling order, where the same have the same; and which do."""
    begins = np.ones(len(scores), np.bool_)
    begins[1:] = (scores[1:] != scores[:-1]).any(axis=1)
    starts = np.flatnonzero(begins)
    group = np.cumsum(begins) - 1
    sizes = np.diff(starts, append=len(scores))
    return starts[group] + 1, sizes[group] > 1


def _is_current(row: Row) -> bool:
    return row.get("withdrawn") is None and row.get("superseded_by") is None


def _orders(sort: str) -> Callable[[Place], tuple[Any, ...]]:
    def value(place: Place) -> tuple[Any, ...]:
        found = place.row[sort]
        if isinstance(found, datetime):  # the newest first
            found = -found.timestamp()
        elif isinstance(found, str):
            found = found.casefold()
        return (found is None, 0 if found is None else found)

    return value
