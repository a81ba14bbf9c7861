"""What a reader asks of the board, and the rankings that answer it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from vgbench.leaderboard.board import submissions_folder
from vgbench.leaderboard.conditions import has_conditions
from vgbench.leaderboard.filters import Filter
from vgbench.leaderboard.ranking import (
    RANKED_COLUMNS,
    Ranking,
    limited,
    narrowed,
    rank_rows,
    sort_key,
)
from vgbench.leaderboard.reading import OpenBoard, open_board
from vgbench.leaderboard.standing import is_current
from vgbench.leaderboard.stored import LeftOut


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
    columns = {*RANKED_COLUMNS, sort_key(question.sort), *question.filter.columns}
    if question.by_condition:
        columns.add("conditions")
    board = open_board(root, columns)
    rows = board.rows if question.everything else [row for row in board.rows if is_current(row)]
    rankings = rank_rows(rows, question.dataset, question.sort)
    notes = []
    none = None
    if not board.rows and not submissions_folder(Path(root)).is_dir():
        notes.append(f"There is no submissions folder in {Path(root).absolute()}.")
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
    shown = [_whole(board, ranking) for ranking in limited(rankings, question.limit)]
    return Answer(shown, notes, board.left_out, none)


def _whole(board: OpenBoard, ranking: Ranking) -> Ranking:
    rows = board.whole([place.row for place in ranking.places])
    places = zip(ranking.places, rows, strict=True)
    return replace(ranking, places=tuple(place._replace(row=row) for place, row in places))
