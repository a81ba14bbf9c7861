"""What a submission says of itself, held against what lies in its folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from vgbench.leaderboard.board import SUBMISSION_FILE
from vgbench.leaderboard.document import Document
from vgbench.leaderboard.entry import Entry
from vgbench.leaderboard.findings import FAILED, PASSED, WARNING, Check
from vgbench.leaderboard.slugs import SLUG
from vgbench.leaderboard.status import (
    LARGEST_WEIGHTS,
    WEIGHTS_FILE,
    believed_status,
    find_weights,
    kept_weights,
)
from vgbench.leaderboard.text import clean_text
from vgbench.leaderboard.withdrawing import WITHDRAWN_FILE


def check_files(folder: Path, document: Document | None) -> Check:
    """Whether plain files of a submission are in the folder, and nothing else."""
    if folder.is_symlink():
        return Check("files", FAILED, "the folder is a link")
    expected = {SUBMISSION_FILE, WITHDRAWN_FILE, WEIGHTS_FILE}
    if document is not None:
        expected |= {stored.file for stored in document.predictions if stored}
    wrong = []
    with os.scandir(folder) as found:
        for item in sorted(found, key=lambda item: item.name):
            name = clean_text(item.name)[:80]
            facts = item.stat(follow_symlinks=False)
            if not stat.S_ISREG(facts.st_mode):
                wrong.append(f"{name} is not a plain file")
            elif item.name not in expected:
                wrong.append(f"{name} does not belong to a submission")
            elif item.name == WEIGHTS_FILE and facts.st_size > LARGEST_WEIGHTS:
                wrong.append(f"{name} has {facts.st_size:,} bytes, more than {LARGEST_WEIGHTS:,}")
    if len(wrong) > 10:
        wrong[10:] = [f"and {len(wrong) - 10:,} more"]
    return Check("files", FAILED if wrong else PASSED, "; ".join(wrong))


def name_problems(document: Document, folder: str) -> list[str]:
    """What is wrong with slug, revision and names of files, one line each."""
    problems = []
    if not SLUG.fullmatch(document.slug) or len(document.slug) > 80:
        problems.append("slug should be lower-case ASCII words joined by '-'")
    elif document.slug != folder:
        problems.append(f"the folder is called {clean_text(folder)!r}, the slug {document.slug!r}")
    if not 1 <= document.revision < 10**9:
        problems.append("revision should be a whole number from 1, of at most 9 digits")
    elif document.revision > 1 and not document.slug.endswith(f"-r{document.revision}"):
        problems.append(f"revision is {document.revision}, and the slug does not end in it")
    files = [stored.file.lower() for stored in document.predictions if stored]
    if len(set(files)) < len(files):
        problems.append("two results have the same predictions file")
    return problems


def check_status(document: Document, entry: Entry, folder: Path) -> list[Check]:
    """Whether one result claims no more than can be checked."""
    claimed = entry.status or "unverified"
    believed = believed_status(entry, document.card.weights_digest, folder)
    if claimed == believed:
        return [Check("status", PASSED, "")]
    why = (
        "no weights are here that could be run"
        if believed == "verified"
        else "its ground truth is not one that the registry pins"
    )
    return [Check("status", FAILED, f"it says {claimed}, and counts as {believed}: {why}")]


def check_weights(document: Document, folder: Path) -> list[Check]:
    """Hold the stated digest against the weights in the folder and those that come with vgbench."""
    stated = document.card.weights_digest
    claims = any(entry.status == "reproduced" for entry in document.entries)
    here = kept_weights(folder)
    if find_weights(stated, folder) is not None:
        return [Check("weights", PASSED, "")]
    if here is not None or claims:
        found = f"{here[:12]}… in {WEIGHTS_FILE}" if here else "those that come with vgbench"
        digest = "none" if stated is None else f"{stated[:12]}…"
        message = f"the digest of the weights is {digest}, which is not that of {found}"
        return [Check("weights", FAILED, message)]
    if stated is None:
        return []
    return [Check("weights", WARNING, "unknown: the weights are not here")]


def check_published(entry: Entry) -> list[Check]:
    """Whether printed percentages can be counts of that many queries."""
    if not entry.queries:
        return [Check("numbers", WARNING, "unknown: of how many queries the percentages are")]
    from vgbench.retrieval.statistics import possible_count

    impossible = [
        f"{recall:g} % at {n}"
        for n, recall in entry.recalls.items()
        if not possible_count(recall, entry.queries, _decimals(recall))
    ]
    if not impossible:
        return [Check("numbers", PASSED, "")]
    # The entry quotes what was printed, and rightly so: it is not the entry that is wrong.
    message = f"{', '.join(impossible)}: no count of {entry.queries:,} queries gives this"
    return [Check("numbers", WARNING, message)]


def _decimals(percent: float) -> int:
    return max(1, len(repr(percent).partition(".")[2]))
