"""Submissions, the table derived from them, rankings, and how they are shown."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vgbench.leaderboard.comparing import compare
    from vgbench.leaderboard.comparison import Comparison
    from vgbench.leaderboard.ranking import Ranking, rank_rows
    from vgbench.leaderboard.submission import (
        Card,
        Entry,
        Submission,
        list_submissions,
        read_submission,
        write_submission,
    )
    from vgbench.leaderboard.table import Table, build, load_leaderboard, read_board

_HOMES = {
    "Card": "submission",
    "Comparison": "comparison",
    "Entry": "submission",
    "Ranking": "ranking",
    "Submission": "submission",
    "Table": "table",
    "build": "table",
    "compare": "comparing",
    "list_submissions": "submission",
    "load_leaderboard": "table",
    "rank_rows": "ranking",
    "read_board": "table",
    "read_submission": "submission",
    "write_submission": "submission",
}

__all__ = [
    "Card",
    "Comparison",
    "Entry",
    "Ranking",
    "Submission",
    "Table",
    "build",
    "compare",
    "list_submissions",
    "load_leaderboard",
    "rank_rows",
    "read_board",
    "read_submission",
    "write_submission",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vgbench.leaderboard' has no attribute {name!r}")
    value = getattr(import_module(f"vgbench.leaderboard.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
