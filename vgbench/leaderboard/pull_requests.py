"""Whether commits may be merged: entries are added whole, and nothing that is there is moved.

What git says is read first, into a `Proposal`; `review` decides on it and touches nothing. Names
and addresses of commits are what their authors say of themselves: they tell honest people apart,
and a person still merges.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from vgbench.leaderboard.board import SUBMISSION_FILE, submission_digests
from vgbench.leaderboard.findings import Report
from vgbench.leaderboard.proposals import Change, Proposal, read_proposal
from vgbench.leaderboard.slugs import REVISION, SLUG, slugify
from vgbench.leaderboard.text import clean_text
from vgbench.leaderboard.verification import verify_board
from vgbench.leaderboard.withdrawing import WITHDRAWN_FILE

_PLAIN_FILE = "100644"
_NOTHING = "000000"
_COUNTS_BY = ("vgbench/datasets/ground_truth/", "vgbench/datasets/registry.toml")


class Review(NamedTuple):
    """Why the change may not be made, what else to know, and the entries that it adds or edits."""

    problems: list[str]
    notes: list[str]
    new: list[str]
    edited: list[str]


def verify_change(
    root: str | os.PathLike[str],
    ref: str,
    *,
    data_root: str | os.PathLike[str] | None = None,
    reproduce: bool = False,
) -> Report:
    """Review the commits since `ref` and verify the entries that they touch.

    Raises
    ------
    UsageError
        When `ref` is no commit, or has no ancestor in common with what is checked out.
    BoardError
        When the board is not in a git work tree.
    """
    root = Path(root)
    found = review(read_proposal(root, ref))
    there = submission_digests(root)
    slugs = [slug for slug in (*found.new, *found.edited) if slug in there]
    report = verify_board(
        root, slugs, data_root=data_root, newcomers=found.new, reproduce=reproduce
    )
    return Report(report.entries, tuple(found.problems), tuple(found.notes))


def review(proposal: Proposal) -> Review:
    """Decide whether a change may be made; see `Proposal` for what it goes by."""
    review = Review([], [], [], [])
    others: list[str] = []
    by_entry: dict[str, list[Change]] = {}
    for change in proposal.changes:
        parts = change.path.split("/")
        if parts[0] == "leaderboard":
            review.problems.append(
                f"{_shown(change.path)} is derived: leave leaderboard/ out of the commit, it is "
                f"made again when this is merged"
            )
        elif parts[0] == "submissions" and len(parts) > 2:
            by_entry.setdefault(parts[1], []).append(change)
        elif parts[0] == "submissions":
            _review_plain_file(change, proposal, review)
        else:
            others.append(change.path)
    for slug, changes in by_entry.items():
        if slug in proposal.existing:
            _review_existing(slug, changes, proposal, review)
        else:
            _review_new(slug, changes, proposal, review)
    if others:
        shown = ", ".join(_shown(path) for path in others[:5])
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        review.notes.append(f"it also changes {shown}{more}: a person should read that")
    if any(path.startswith(".github/") for path in others):
        review.notes.append("it changes the workflows: what they say of it proves nothing")
    if any(path.startswith(_COUNTS_BY) for path in others):
        review.notes.append("it changes what every entry is counted against")
    review.notes.extend(
        f"{_shown(path)} is not committed: commit it, or what is verified here is not what is "
        f"proposed"
        for path in proposal.uncommitted[:5]
    )
    return review


def _review_plain_file(change: Change, proposal: Proposal, review: Review) -> None:
    path = _shown(change.path)
    if change.path == "submissions/README.md":
        review.notes.append(f"it changes {path}")
    elif not change.path.endswith(".csv") or change.after not in (_PLAIN_FILE, _NOTHING):
        review.problems.append(f"{path} is not an entry: an entry is a folder of submissions/")
    elif change.kind == "A":
        review.notes.append(f"it adds published numbers, {path}: compare them with their source")
    elif removed := proposal.removed_lines.get(change.path, 0):
        review.problems.append(
            f"{path}: {removed} published {'number is' if removed == 1 else 'numbers are'} changed "
            f"or removed; add rows, or leave this to a maintainer"
        )
    else:
        review.notes.append(f"it adds rows to {path}: compare them with their source")


def _review_new(slug: str, changes: Sequence[Change], proposal: Proposal, review: Review) -> None:
    review.new.append(slug)
    match = REVISION.fullmatch(slug)
    base = match[1] if match else slug
    if not SLUG.fullmatch(slug) or slugify(base) != base:
        review.problems.append(
            f"submissions/{_shown(slug)}: an entry is called by lower-case ASCII words joined by "
            f"'-', as vgbench submit names it"
        )
    for change in changes:
        if change.after not in (_PLAIN_FILE, _NOTHING):
            review.problems.append(
                f"{_shown(change.path)} is {_kind(change.after)}: plain files only"
            )
    if match is None or base not in proposal.existing:
        review.notes.append(f"it adds {_shown(slug)}")
        return
    review.notes.append(f"it adds {_shown(slug)}, which supersedes {base}")
    _check_owner(base, "supersede", proposal, review)


def _review_existing(
    slug: str, changes: Sequence[Change], proposal: Proposal, review: Review
) -> None:
    shown = f"submissions/{_shown(slug)}"
    review.edited.append(slug)
    if [(change.kind, change.path) for change in changes] == [
        ("A", f"submissions/{slug}/{WITHDRAWN_FILE}")
    ]:
        reason = clean_text(proposal.reasons.get(slug, ""))[:300]
        if changes[0].after != _PLAIN_FILE or not reason:
            review.problems.append(f"{shown}/{WITHDRAWN_FILE} should be a plain file with a reason")
        review.notes.append(f"it withdraws {_shown(slug)}: {reason}")
        _check_owner(slug, "withdraw", proposal, review)
        return
    if moved := proposal.scores.get(slug):
        review.problems.append(f"{shown}: it moves an existing score, {'; '.join(moved)}")
    by = proposal.added_by.get(slug)
    whose = f", which {_shown(by.name)} added" if by and by.name else ""
    if any(
        change.path.endswith(f"/{SUBMISSION_FILE}") and change.kind == "D" for change in changes
    ):
        review.problems.append(
            f"{shown} is deleted{whose}: entries stay, withdraw it instead "
            f"(vgbench withdraw {_shown(slug)} --reason …)"
        )
    elif any(change.path.endswith(f"/{WITHDRAWN_FILE}") for change in changes):
        review.problems.append(
            f"{shown}: a withdrawal stays as it was written; submit again to return"
        )
    else:
        files = ", ".join(_shown(PurePosixPath(change.path).name) for change in changes[:5])
        review.problems.append(
            f"{shown} is an existing entry{whose}, and {files} is changed: entries are never "
            f"edited; submit again, which makes a revision"
        )


def _check_owner(slug: str, verb: str, proposal: Proposal, review: Review) -> None:
    by = proposal.added_by.get(slug)
    if by is None or by.address.casefold() not in proposal.authors:
        whose = f"{_shown(by.name)} added" if by and by.name else "somebody else added"
        review.problems.append(
            f"it would {verb} {slug}, which {whose}: only who added an entry does that (the "
            f"commits' addresses differ)"
        )


def _kind(mode: str) -> str:
    kinds = {"120000": "a link", "160000": "another repository", "100755": "executable"}
    return kinds.get(mode, f"of mode {mode}")


def _shown(text: str) -> str:
    return clean_text(text)[:120] or "(a name without visible characters)"
