"""What is said of rankings and their rows wherever they are shown: titles, notes, numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vgbench.leaderboard.columns import Row
from vgbench.leaderboard.entry import PROVENANCE, STATUS_MEANING, STATUSES
from vgbench.leaderboard.ranking import Ranking
from vgbench.leaderboard.text import clean_text
from vgbench.retrieval.statistics import smallest_difference

EMPTY = "The board is empty. Enter a first result with: vgbench evaluate reference"


def footnotes(rankings: Sequence[Ranking]) -> list[str]:
    """What the reader of these rankings needs to know to read them."""
    used = {place.row["status"] for ranking in rankings for place in ranking.places}
    meanings = "; ".join(
        f"{status}: {STATUS_MEANING[status]}" for status in STATUSES if status in used
    )
    notes = [f"Recalls in percent, with 95 % Wilson intervals. {meanings}." if meanings else ""]
    if used - {"published"}:
        notes.append(PROVENANCE)
    return [note for note in notes if note]


def standing_notes(rankings: Sequence[Ranking]) -> list[str]:
    """How ranks and tiers are to be read, where any of these rankings has them."""
    notes = []
    if any(place.standing for ranking in rankings for place in ranking.places):
        notes.append(
            "Ranks are the range at R@1 that the data allows among all entries on the same images: "
            "exact McNemar tests of all pairs, corrected by Holm's method at 5 %. Rules divide "
            "tiers: a tier ends where its best entry is significantly better."
        )
    if any(ranking.queries and not ranking.published for ranking in rankings):
        notes.append(
            "The smallest difference is that of one pair which a fifth of the queries tell apart; "
            "where fewer do, smaller ones show."
        )
    return notes


def left_out_notes(left_out: Mapping[str, Any]) -> list[str]:
    """One line per submission that is not on the board because it does not read.

    `left_out` is that of `vgbench.leaderboard.table.Table`.
    """
    return [f"Left out: {clean_text(found.problem)[:300]}" for _, found in sorted(left_out.items())]


def title_parts(ranking: Ranking) -> list[str]:
    """What stands above a ranking: dataset, sizes, threshold and what a single query makes."""
    parts = [clean_text(ranking.title)]
    if ranking.queries and not ranking.published:
        parts += [
            f"{ranking.queries:,} queries",
            f"{ranking.database:,} database images",
            f"positives within {ranking.key.threshold:g} m",
            f"one query is {ranking.smallest_step:.2g} points",
        ]
        if without := ranking.places[0].row["queries_without_positives"]:
            parts.append(
                "one query has no positive"
                if without == 1
                else f"{without:,} queries have no positive"
            )
    if ranking.apart:
        parts.append(clean_text(ranking.apart))
    return parts


def full_title(ranking: Ranking) -> list[str]:
    """The same, with the smallest difference that it can show, or that it has no ranks."""
    parts = title_parts(ranking)
    if ranking.published:
        parts.insert(1, "never ranked")
    elif ranking.queries and (least := smallest_difference(ranking.queries)) is not None:
        parts.append(f"the smallest difference it can show is {least:.1f} points")
    return parts


def rank_texts(ranking: Ranking) -> list[str]:
    """What stands before each place: rank intervals where any is known, else ranks by recall."""
    if any(place.standing for place in ranking.places):
        return [place.standing or "–" for place in ranking.places]
    return [place.label for place in ranking.places]


def source_numbers(ranking: Ranking) -> dict[str, int]:
    """Numbers for the sources of published numbers, in the order in which they are met."""
    found: dict[str, int] = {}
    for place in ranking.places:
        if source := clean_text(place.row.get("source") or ""):
            found.setdefault(source, len(found) + 1)
    return found


def name_of(row: Row) -> str:
    """The entry's name, with its revision from the second on."""
    name = clean_text(row["name"] or row["slug"])
    return name if (row["revision"] or 1) == 1 else f"{name} (r{row['revision']})"


def recall_text(row: Row, n: int) -> str:
    """A recall in percent as it is shown everywhere, "–" where unknown."""
    recall = row[f"recall_{n}"]
    return "–" if recall is None else f"{recall:.1f}"


def interval_text(row: Row, n: int) -> str:
    """The interval of a recall, "" where there is none."""
    low, high = row[f"low_{n}"], row[f"high_{n}"]
    return "" if low is None or high is None else f"{low:.1f}–{high:.1f}"


def oddities(row: Row) -> list[str]:
    """What a reader should know of a row before believing it."""
    found = []
    if remark := clean_text(row.get("remark") or ""):
        found.append(remark)
    if (reason := row.get("withdrawn")) is not None:
        found.append(f"withdrawn: {clean_text(reason)}")
    if (later := row.get("superseded_by")) is not None:
        found.append(f"superseded by {clean_text(later)}")
    return found
