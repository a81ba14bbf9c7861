"""The board with the columns that a question is about, and whole rows for those that are shown.

A board of a hundred thousand rows has sixty columns; ranking takes a fifth of them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vgbench.leaderboard.board import table_path
from vgbench.leaderboard.columns import PLAIN_COLUMNS, Row
from vgbench.leaderboard.stored import INDEX, LeftOut, Stored, read_stored
from vgbench.leaderboard.table import is_up_to_date, read_board


@dataclass(frozen=True)
class OpenBoard:
    """The rows of a board, of which some columns were read so far.

    `rows` have the columns that were asked for, or more; `whole` gives all but the outcomes of
    single queries.
    """

    rows: list[Row]
    left_out: Mapping[str, LeftOut]
    stored: Stored | None = None

    def whole(self, rows: Sequence[Row]) -> list[Row]:
        """The same rows, of this board, with every column."""
        if self.stored is None:
            return list(rows)
        return self.stored.some_rows([row[INDEX] for row in rows])


def open_board(root: str | os.PathLike[str], columns: Collection[str]) -> OpenBoard:
    """Read these columns of the board, as its submissions are now.

    Raises
    ------
    BoardError
        When the table is a newer vgbench's.
    """
    root = Path(root)
    stored = read_stored(table_path(root), [column.name for column in PLAIN_COLUMNS])
    if stored and is_up_to_date(root, stored):
        return OpenBoard(stored.some_columns(columns), stored.left_out, stored)
    table = read_board(root)
    return OpenBoard(table.rows, table.left_out)
