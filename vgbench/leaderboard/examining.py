"""Checking one submission's folder: everything that it and a ground truth can tell."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vgbench.errors import SubmissionError
from vgbench.leaderboard.board import SUBMISSION_FILE
from vgbench.leaderboard.checks import card_problems, entry_problems
from vgbench.leaderboard.claims import (
    check_files,
    check_published,
    check_status,
    check_weights,
    name_problems,
)
from vgbench.leaderboard.copies import Trace, trace
from vgbench.leaderboard.document import Document, StoredDigests, read_document
from vgbench.leaderboard.entry import STATUSES, Entry
from vgbench.leaderboard.fields import LARGEST_JSON
from vgbench.leaderboard.findings import FAILED, PASSED, WARNING, Check, Verified, in_order
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
from vgbench.leaderboard.status import (
    believed_status,
)
from vgbench.leaderboard.text import clean_text
from vgbench.leaderboard.truths import Truths
from vgbench.leaderboard.verified import Verification
from vgbench.retrieval.statistics import percent_interval


@dataclass(frozen=True, eq=False)
class Examined:
    """A submission as far as its folder and the ground truths tell."""

    folder: Path
    digest: str
    document: Document | None
    entries: tuple[Entry, ...]
    checks: list[Check]
    traces: list[Trace]

    @property
    def slug(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def claims_reproduction(self) -> bool:
        """Whether it says of a result that the weights give it."""
        return any(entry.status == "reproduced" for entry in self.entries)

    def verified(self, checks: Sequence[Check]) -> Verified:
        """The submission with all its checks, for the report."""
        status = results = None
        if self.document is not None and self.entries:
            digest = self.document.card.weights_digest
            believed = [believed_status(entry, digest, self.folder) for entry in self.entries]
            if set(believed) <= set(STATUSES):
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


def examine(folder: Path, truths: Truths, known: Verification | None = None) -> Examined:
    """Check one submission's folder, whatever is in it; `known` is its record of earlier."""
    text = _read_text(folder)
    problems: list[str] = []
    document = None
    if text is None:
        problems.append(f"{SUBMISSION_FILE} is missing, or not a plain file")
    else:
        document = read_document(text, problems)
    digest = "" if text is None else hashlib.sha256(text).hexdigest()
    checks = [check_files(folder, document)]
    if document is None or problems:
        checks.append(Check("schema", FAILED, "; ".join(problems)))
        return Examined(folder, digest, None, (), checks, [])
    problems += name_problems(document, folder.name) + card_problems(document.card)
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
        checks += [labelled(check, label) for check in found.checks]
        checks += [labelled(check, label) for check in check_status(document, stated, folder)]
        if stored is not None and found.entry.rows.size:
            traces.append(trace(document, found.entry, stored.rows))
        # Only who is run again needs the predictions once more; a large board's take much memory.
        entries.append(found.entry if stated.status == "reproduced" else stated)
    checks.append(Check("schema", FAILED if problems else PASSED, "; ".join(problems)))
    checks += check_weights(document, folder)
    if known is not None and known["digest"] != digest:
        when = clean_text(f"on {known['at']} by vgbench {known['version']}")
        checks.append(
            Check("history", WARNING, f"{SUBMISSION_FILE} is not what was verified {when}")
        )
    return Examined(folder, digest, document, tuple(entries), checks, traces)


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
        return _Found(entry, problems, [] if problems else check_published(entry))
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


def traces_of(folder: Path) -> list[Trace]:
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


def labelled(check: Check, label: str) -> Check:
    """The check with a word before its message, where it has anything to say."""
    quiet = check.outcome == PASSED and not check.message
    return check if quiet else check._replace(message=label + check.message)
