"""Verifying submissions: everything that a folder, a ground truth and the other entries can tell.

Neither an image nor a model is needed; `vgbench.leaderboard.reproducing` adds what running the
weights tells.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vgbench.errors import SubmissionError
from vgbench.evaluation import percent_interval
from vgbench.leaderboard.board import SUBMISSION_FILE, submission_digests, submissions_folder
from vgbench.leaderboard.checks import card_problems, entry_problems
from vgbench.leaderboard.copies import Trace, find_copies, trace
from vgbench.leaderboard.document import Document, StoredDigests, read_document
from vgbench.leaderboard.entry import STATUSES, Entry
from vgbench.leaderboard.fields import LARGEST_JSON
from vgbench.leaderboard.findings import FAILED, PASSED, WARNING, Check, Report, Verified, in_order
from vgbench.leaderboard.predictions import (
    StoredPredictions,
    distances_digest,
    first_hit_digest,
    paths_digest,
    predictions_digest,
    read_predictions,
)
from vgbench.leaderboard.recounting import (
    check_content,
    check_ground_truth,
    check_predictions,
    recount,
)
from vgbench.leaderboard.slugs import SLUG
from vgbench.leaderboard.status import (
    LARGEST_WEIGHTS,
    WEIGHTS_FILE,
    believed_status,
    find_weights,
    kept_weights,
)
from vgbench.leaderboard.text import clean_text
from vgbench.leaderboard.truths import Truths
from vgbench.leaderboard.verified import Verification, read_verified
from vgbench.leaderboard.withdrawing import WITHDRAWN_FILE
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
    others = [slug for slug in there if slug not in set(wanted)] if wanted else []
    with (
        ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool,
        progress("Verifying", len(wanted), "entries") as advance,
    ):

        def examine(slug: str) -> _Examined:
            found = _examine(submissions_folder(root) / slug, truths, history.get(slug))
            advance(1)
            return found

        examined = list(pool.map(examine, wanted))
        traces = [one for found in examined for one in found.traces]
        for more in pool.map(_traces, (submissions_folder(root) / slug for slug in others)):
            traces += more
    copies = find_copies(traces, set(wanted), newcomers)
    entries = []
    for found in examined:
        checks = [*found.checks, *copies.get(found.slug, ())]
        if found.document and found.claims_reproduction:
            checks += _reproduce(found, data_root, reproduce and not _fails(checks))
        entries.append(found.verified(checks))
    return Report(tuple(entries))


@dataclass(frozen=True, eq=False)
class _Examined:
    """A submission as far as its folder and the ground truths tell."""

    folder: Path
    digest: str
    document: Document | None
    entries: tuple[Entry, ...]
    checks: list[Check]
    traces: list[Trace]

    @property
    def slug(self) -> str:
        return self.folder.name

    @property
    def claims_reproduction(self) -> bool:
        return any(entry.status == "reproduced" for entry in self.entries)

    def verified(self, checks: Sequence[Check]) -> Verified:
        status = results = None
        if self.document is not None and self.entries:
            digest = self.document.card.weights_digest
            believed = [believed_status(entry, digest, self.folder) for entry in self.entries]
            status = max(believed, key=STATUSES.index)
            results = tuple(
                _result_json(entry, stored, self.folder)
                for entry, stored in zip(self.entries, self.document.predictions, strict=True)
            )
        return Verified(
            submission=self.slug,
            name=self.document.card.name if self.document else None,
            status=status,
            digest=self.digest,
            checks=in_order(checks),
            results=results or (),
        )


def _examine(folder: Path, truths: Truths, known: Verification | None) -> _Examined:
    text = _read_text(folder)
    problems: list[str] = []
    document = None
    if text is None:
        problems.append(f"{SUBMISSION_FILE} is missing, or not a plain file")
    else:
        document = read_document(text, problems)
    digest = "" if text is None else hashlib.sha256(text).hexdigest()
    checks = [_check_files(folder, document)]
    if document is None or problems:
        checks.append(Check("schema", FAILED, "; ".join(problems)))
        return _Examined(folder, digest, None, (), checks, [])
    problems += _name_problems(document, folder.name) + card_problems(document.card)
    entries: list[Entry] = []
    traces: list[Trace] = []
    splits = [(entry.dataset, entry.split) for entry in document.entries]
    if not splits or len(set(splits)) < len(splits):
        problems.append("one result for each dataset and split is expected, and one at least")
    for stated, stored in zip(document.entries, document.predictions, strict=True):
        where = clean_text(f"{stated.dataset}/{stated.split}")
        found = _check_entry(stated, stored, folder, truths)
        problems += [f"{where}: {problem}" for problem in found.problems]
        label = "" if len(splits) == 1 else f"{where}: "
        checks += [_labelled(check, label) for check in found.checks]
        checks += [_labelled(check, label) for check in _check_claims(document, stated, folder)]
        if stored is not None and found.entry.rows.size:
            traces.append(trace(document, found.entry, stored.rows))
        # Only who is run again needs the predictions once more; a large board's take much memory.
        entries.append(found.entry if stated.status == "reproduced" else stated)
    checks.append(Check("schema", FAILED if problems else PASSED, "; ".join(problems)))
    checks += _check_weights(document, folder)
    if known is not None and known["digest"] != digest:
        when = clean_text(f"on {known['at']} by vgbench {known['version']}")
        checks.append(
            Check("history", WARNING, f"{SUBMISSION_FILE} is not what was verified {when}")
        )
    return _Examined(folder, digest, document, tuple(entries), checks, traces)


class _Found(NamedTuple):
    """An entry with its arrays, what is wrong with its other fields, and the checks by name."""

    entry: Entry
    problems: list[str]
    checks: list[Check]


def _check_entry(
    entry: Entry, stored: StoredDigests | None, folder: Path, truths: Truths
) -> _Found:
    if stored is None:
        problems = entry_problems(entry)
        return _Found(entry, problems, [] if problems else _check_published(entry))
    try:
        found = read_predictions(folder / stored.file)
    except SubmissionError as error:
        return _Found(entry, [], [Check("digests", FAILED, str(error))])
    checks = [_check_digests(found, stored), check_ground_truth(entry), check_content(entry)]
    shape = (entry.queries, stored.top)
    if not found.rows.size or {found.rows.shape, found.distances.shape} != {shape}:
        message = (
            f"rows of shape {found.rows.shape} and distances of shape {found.distances.shape}, "
            f"where {shape} is stated: queries, and predictions for each"
        )
        return _Found(entry, [], [*checks, Check("ranges", FAILED, message)])
    entry = replace(entry, **found._asdict())
    checks += check_predictions(entry)
    problems = entry_problems(_with_right_arrays(entry))
    if not 0 < entry.threshold < math.inf:
        return _Found(entry, problems, checks)
    truth = truths.find(entry.dataset, entry.split)
    checks += recount(entry, truth)
    if truth is None or truth.ground_truth != entry.ground_truth:
        others = entry_problems(_with_right_arrays(entry, entry.query_paths))
        wrong = [problem for problem in others if problem not in problems]
        checks += [Check("query paths", FAILED, problem) for problem in wrong]
    return _Found(entry, problems, checks)


def _check_digests(found: StoredPredictions, stored: StoredDigests) -> Check:
    differing = [
        what
        for what, expected, actual in (
            ("database rows", stored.rows, predictions_digest(found.rows)),
            ("distances", stored.distances, distances_digest(found.distances)),
            ("query names", stored.query_paths, paths_digest(found.query_paths)),
            (
                "first hits",
                stored.first_hit,
                None if found.first_hit is None else first_hit_digest(found.first_hit),
            ),
        )
        if expected != actual
    ]
    if not differing:
        return Check("digests", PASSED, "")
    return Check(
        "digests",
        FAILED,
        f"{stored.file}: the {', '.join(differing)} are not those that {SUBMISSION_FILE} gives the "
        f"digest of",
    )


def _check_published(entry: Entry) -> list[Check]:
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


def _check_claims(document: Document, entry: Entry, folder: Path) -> list[Check]:
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


def _check_weights(document: Document, folder: Path) -> list[Check]:
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


def _check_files(folder: Path, document: Document | None) -> Check:
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


def _name_problems(document: Document, folder: str) -> list[str]:
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


def _with_right_arrays(entry: Entry, paths: Sequence[str] | None = None) -> Entry:
    """The entry with predictions that nothing can be said against: its other fields are left."""
    queries, top = entry.rows.shape
    return replace(
        entry,
        query_paths=[f"{i:08d}" for i in range(queries)] if paths is None else paths,
        rows=np.tile(np.arange(top, dtype=np.int32), (queries, 1)),
        distances=np.zeros((queries, top), np.float32),
        first_hit=None,
    )


def _traces(folder: Path) -> list[Trace]:
    """What tells copies of a submission that is not verified itself; nothing where it is broken."""
    text = _read_text(folder)
    problems: list[str] = []
    document = None if text is None else read_document(text, problems)
    if document is None or problems:
        return []
    found = []
    for entry, stored in zip(document.entries, document.predictions, strict=True):
        if stored is None:
            continue
        try:
            rows = read_predictions(folder / stored.file).rows
        except SubmissionError:
            continue
        if rows.size:
            found.append(trace(document, replace(entry, rows=rows), stored.rows))
    return found


def _reproduce(found: _Examined, data_root: Any, run: bool) -> list[Check]:
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
        _labelled(
            reproduce(weights, entry, data_root),
            "" if len(found.entries) == 1 else f"{entry.dataset}/{entry.split}: ",
        )
        for entry in claiming
    ]


def _result_json(entry: Entry, stored: StoredDigests | None, folder: Path) -> dict[str, Any]:
    """One result as `vgbench evaluate` prints it, without what only an evaluation knows."""
    total = entry.queries or 0
    # Of an entry that contradicts itself, numbers that are none are not shown as if they were.
    hits = {n: count for n, count in entry.hits.items() if 0 <= count <= total and total}
    recalls = {n: 100 * count / total for n, count in hits.items()} or dict(entry.recalls)
    return {
        "dataset": entry.dataset,
        "split": entry.split,
        "fingerprint": entry.ground_truth,
        "content": entry.content,
        "database": entry.database,
        "queries": entry.queries,
        "queries_without_positives": entry.queries_without_positives,
        "distance": entry.distance,
        "dimension": entry.dimension,
        "hits": {str(n): count for n, count in hits.items()},
        "recall": {str(n): round(value, 4) for n, value in recalls.items()},
        "interval": {
            str(n): [round(x, 4) for x in percent_interval(count, total)]
            for n, count in hits.items()
        },
        "predictions": str(folder / stored.file) if stored else None,
        "seconds": dict(entry.seconds),
    }


def _read_text(folder: Path) -> bytes | None:
    path = folder / SUBMISSION_FILE
    if folder.is_symlink() or path.is_symlink() or not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_JSON + 1)
    except OSError:
        return None


def _labelled(check: Check, label: str) -> Check:
    quiet = check.outcome == PASSED and not check.message
    return check if quiet else check._replace(message=label + check.message)


def _fails(checks: Sequence[Check]) -> bool:
    return any(check.outcome == FAILED for check in checks)
