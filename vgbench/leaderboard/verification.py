"""Verifying submissions: everything that a folder, a ground truth and the other entries can tell.

Neither an image nor a model is needed; `vgbench.leaderboard.reproducing` adds what running the
weights tells.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from vgbench.errors import SubmissionError
from vgbench.leaderboard.board import submission_digests, submissions_folder
from vgbench.leaderboard.copies import find_copies
from vgbench.leaderboard.examining import Examined, examine, labelled, traces_of
from vgbench.leaderboard.findings import FAILED, WARNING, Check, Report
from vgbench.leaderboard.status import (
    find_weights,
)
from vgbench.leaderboard.text import clean_text
from vgbench.leaderboard.truths import Truths
from vgbench.leaderboard.verified import read_verified
from vgbench.progress import progress


def verify_board(
    root: str | os.PathLike[str],
    slugs: Sequence[str] | None = None,
    *,
    data_root: str | os.PathLike[str] | None = None,
    newcomers: Collection[str] = (),
    reproduce: bool = False,
) -> Report:
    """Verify submissions of a board.

    Parameters
    ----------
    root
        The board's folder.
    slugs
        Which of them; all when left out. Copies are looked for among all in any case.
    data_root
        Where datasets are whose ground truth is not kept in vgbench.
    newcomers
        Those that are not on the board yet: of two with equal predictions, they are the copies.
    reproduce
        Whether to run the weights of entries that claim to be reproduced; imports torch.

    Raises
    ------
    SubmissionError
        When there is no submission of such a name.
    """
    root = Path(root)
    there = submission_digests(root)
    wanted = list(there) if slugs is None else list(dict.fromkeys(slugs))
    missing = [slug for slug in wanted if slug not in there]
    if missing:
        names = ", ".join(clean_text(slug)[:80] for slug in missing[:10])
        raise SubmissionError(
            f"There is no submission {names} in {submissions_folder(root)}. "
            f"`vgbench leaderboard` lists those there are."
        )
    truths = Truths(data_root)
    history = read_verified(root)
    others = there.keys() - set(wanted) if wanted else set()
    with (
        ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool,
        progress("Verifying", len(wanted), "entries") as advance,
    ):

        def one(slug: str) -> Examined:
            found = examine(submissions_folder(root) / slug, truths, history.get(slug))
            advance(1)
            return found

        examined = list(pool.map(one, wanted))
        traces = [kept for found in examined for kept in found.traces]
        for more in pool.map(
            traces_of, (submissions_folder(root) / slug for slug in sorted(others))
        ):
            traces += more
    copies = find_copies(traces, set(wanted), newcomers)
    entries = []
    for found in examined:
        checks = [*found.checks, *copies.get(found.slug, ())]
        if found.document and found.claims_reproduction:
            checks += _reproduce(found, data_root, reproduce and not _fails(checks))
        entries.append(found.verified(checks))
    return Report(tuple(entries))


def _reproduce(found: Examined, data_root: Any, run: bool) -> list[Check]:
    """The checks named "reproduced"; with `run`, the weights are run."""
    if not run:
        return [Check("reproduced", WARNING, "unknown: the weights were not run (--reproduce)")]
    from vgbench.leaderboard.reproducing import reproduce

    assert found.document is not None
    weights = find_weights(found.document.card.weights_digest, found.folder)
    if weights is None:
        return [Check("reproduced", WARNING, "unknown: the weights are not here")]
    claiming = [entry for entry in found.entries if entry.status == "reproduced"]
    return [
        labelled(
            reproduce(weights, entry, data_root),
            "" if len(found.entries) == 1 else f"{entry.dataset}/{entry.split}: ",
        )
        for entry in claiming
    ]


def _fails(checks: Sequence[Check]) -> bool:
    return any(check.outcome == FAILED for check in checks)
