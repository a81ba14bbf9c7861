"""What a reader asks of the board, and the rankings that answer it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vgbench.leaderboard.conditions import has_conditions
from vgbench.leaderboard.filters import Filter
from vgbench.leaderboard.ranking import Ranking, limited, narrowed, rank_rows
from vgbench.leaderboard.standing import is_current
from vgbench.leaderboard.table import LeftOut, read_board


@dataclass(frozen=True)
class Question:
    """What to show of a board.

    Attributes
    ----------
    dataset, sort
        As `vgbench.leaderboard.ranking.rank_rows` takes them.
    everything
        Withdrawn entries and earlier revisions, too.
    filter
        Which rows; their ranks stay those among all.
    by_condition
        Only rankings whose rows are known by condition.
    limit
        The first so many of each ranking; all when None.
    """

    dataset: str | None = None
    sort: str = "recall_1"
    everything: bool = False
    filter: Filter = field(default_factory=Filter)
    by_condition: bool = False
    limit: int | None = None


@dataclass(frozen=True)
class Answer:
    """The rankings that were asked for, what there is to say of them, and what is left out.

    `none` says why there is no ranking on a board that is not empty; None where there is one.
    """

    rankings: list[Ranking]
    notes: list[str]
    left_out: Mapping[str, LeftOut]
    none: str | None = None


def ask(root: str | os.PathLike[str], question: Question) -> Answer:
    """Answer a question about the board in `root`.

    Raises
    ------
    UsageError
        When there is no such dataset on the board, or no such key to sort by.
    BoardError
        When the table is a newer vgbench's.
    """
    table = read_board(Path(root))
    rows = table.rows if question.everything else [row for row in table.rows if is_current(row)]
    rankings = rank_rows(rows, question.dataset, question.sort)
    notes = []
    none = None
    if rankings and not question.filter.empty:
        rankings = narrowed(rankings, question.filter.keeps)
        if not rankings:
            none = f"None of the {len(rows):,} rows is what was asked for."
    if rankings and question.by_condition:
        known = [ranking for ranking in rankings if has_conditions(ranking)]
        unknown = [ranking.title for ranking in rankings if not has_conditions(ranking)]
        if not known:
            none = f"No conditions are known of these rows ({', '.join(unknown)})."
        elif unknown:
            notes.append(f"Not known by condition: {', '.join(dict.fromkeys(unknown))}.")
        rankings = known
    return Answer(limited(rankings, question.limit), notes, table.left_out, none)
