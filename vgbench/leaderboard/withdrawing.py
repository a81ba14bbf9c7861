"""Withdrawing an entry: it stays as it was, with the reason beside it, and leaves the rankings."""

from __future__ import annotations

import os
from pathlib import Path

from vgbench.durable import atomic_write
from vgbench.errors import SubmissionError
from vgbench.leaderboard.board import (
    board_errors,
    board_lock,
    submission_digests,
    submissions_folder,
)
from vgbench.leaderboard.text import clean_text

WITHDRAWN_FILE = "withdrawn.txt"
"""In a submission's folder: why it was withdrawn, in one line."""

LONGEST_REASON = 500
"""Characters."""


def withdraw(slug: str, reason: str, root: str | os.PathLike[str]) -> Path:
    """Withdraw a submission; its history stays, and its numbers can still be shown.

    Returns
    -------
    Path
        The file that says why.

    Raises
    ------
    SubmissionError
        When there is no such submission, it is withdrawn already, or no reason is given.
    BoardError
        When the board cannot be written.
    """
    root = Path(root)
    reason = clean_text(reason)
    if not reason or len(reason) > LONGEST_REASON:
        raise SubmissionError(
            f"A withdrawal says why, in 1 to {LONGEST_REASON} characters; found {len(reason):,}."
        )
    if slug not in submission_digests(root):
        raise SubmissionError(
            f"There is no submission {clean_text(slug)[:80]!r} in {submissions_folder(root)}."
        )
    path = submissions_folder(root) / slug / WITHDRAWN_FILE
    with board_lock(root), board_errors(root):
        if path.parent.is_symlink() or not path.parent.is_dir():
            raise SubmissionError(f"{path.parent} is not a submission's folder.")
        if path.exists() or path.is_symlink():
            raise SubmissionError(
                f"{slug} is withdrawn already: {path} says why. To return, submit again."
            )
        with atomic_write(path) as file:
            file.write(reason.encode("utf-8") + b"\n")
    return path
