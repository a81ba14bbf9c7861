"""What depends on all rows of the board together: withdrawals, revisions, rank intervals, tiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vgbench.leaderboard.columns import Row
from vgbench.leaderboard.ranking import Key, row_key
from vgbench.retrieval.standings import LARGEST_BOARD, standings


def settle(rows: Sequence[Row], withdrawn: Mapping[str, str]) -> list[Row]:
    """The rows in the table's order, with what they are among each other.

    Parameters
    ----------
    rows
        Of all submissions, and published numbers.
    withdrawn
        Reasons by slug.
    """
    settled = [
        row
        | {
            "withdrawn": withdrawn.get(row["slug"]) if row.get("submission_digest") else None,
            "superseded_by": None,
            "rank_low": None,
            "rank_high": None,
            "tier": None,
        }
        for row in rows
    ]
    _supersede(settled)
    _stand(settled)
    return sorted(settled, key=lambda row: (row["dataset"], row["split"], row["slug"] or ""))


def is_current(row: Row) -> bool:
    """Whether a row counts: neither withdrawn nor superseded by a later revision."""
    return row.get("withdrawn") is None and row.get("superseded_by") is None


def _supersede(rows: Sequence[Row]) -> None:
    """Mark all but the latest revision of a name, on each dataset and split.

    A withdrawn revision supersedes nothing; one that lacks a dataset leaves the earlier row there.
    """
    latest: dict[tuple[str, ...], Row] = {}
    for row in rows:
        if row.get("submission_digest") and row["withdrawn"] is None:
            held = latest.setdefault(_name_key(row), row)
            if row["revision"] > held["revision"]:
                latest[_name_key(row)] = row
    for row in rows:
        if row.get("submission_digest") and row["withdrawn"] is None:
            newest = latest[_name_key(row)]
            if newest["slug"] != row["slug"]:
                row["superseded_by"] = newest["slug"]


def _name_key(row: Row) -> tuple[str, ...]:
    slug: str = row["slug"]
    base = slug.removesuffix(f"-r{row['revision']}") if row["revision"] > 1 else slug
    return base, row["dataset"], row["split"]


def _stand(rows: Sequence[Row]) -> None:
    """Rank intervals and tiers at R@1, among the current rows on the same images."""
    groups: dict[tuple[Key, Any], list[Row]] = {}
    for row in rows:
        if (
            is_current(row)
            and row["status"] != "published"
            and row["content"] is not None
            and row.get("outcomes_1") is not None
        ):
            groups.setdefault((row_key(row), row["queries"]), []).append(row)
    for (_, queries), members in groups.items():
        if len(members) > LARGEST_BOARD:
            continue
        packed = np.frombuffer(b"".join(row["outcomes_1"] for row in members), np.uint8)
        bits = np.unpackbits(packed.reshape(len(members), -1), axis=1, bitorder="little")
        found = standings(bits[:, :queries].astype(np.bool_))
        columns = ("rank_low", "rank_high", "tier")
        for name, values in zip(
            columns, (found.rank_low, found.rank_high, found.tier), strict=True
        ):
            for row, value in zip(members, values.tolist(), strict=True):
                row[name] = value
