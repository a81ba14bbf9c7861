"""What is compared: an entry, a submission's folder or a result, as the outcomes of its queries.

Outcomes are counted from predictions and a ground truth wherever one is here, so that nothing rests
on what an entry says of itself; otherwise the ranks are taken that were kept with the predictions.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vgbench.datasets import Dataset, load_registry
from vgbench.datasets.conditions import conditions
from vgbench.datasets.names import positions
from vgbench.errors import BoardError, ImageError, SubmissionError, UsageError
from vgbench.evaluation import PROTOCOL, Result
from vgbench.leaderboard.board import SUBMISSION_FILE, submissions_folder
from vgbench.leaderboard.entry import Entry
from vgbench.leaderboard.ranking import Key
from vgbench.leaderboard.rows import recount
from vgbench.leaderboard.slugs import SLUG
from vgbench.leaderboard.sources import LONGEST_REASON, WITHDRAWN_FILE, plain_bytes
from vgbench.leaderboard.submission import read_submission
from vgbench.leaderboard.text import clean_text
from vgbench.leaderboard.truths import Truth, Truths
from vgbench.places import board_root
from vgbench.retrieval.recall import first_hit


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of each query of one dataset and split.

    Attributes
    ----------
    key
        What two of these must share to be compared.
    ns
        The values of N that it was evaluated at.
    ranks
        int32 (Q,), the 0-based rank of each query's first positive, −1 where there is none; None
        where it is not known, and `unknown` says why.
    query_paths
        Length Q, in the dataset's order.
    rows
        int32 (Q, K), predicted database rows, the nearest first.
    query_positions, database_positions
        float64 (Q, 2) and (N, 2), metres; None where unknown.
    conditions
        Length Q, "unknown" where a query has none; None where no query has one.
    dataset
        With the images, of a result only: of an entry they may be installed here or not.
    """

    key: Key
    ns: tuple[int, ...]
    ranks: NDArray[np.int32] | None
    query_paths: Sequence[str]
    rows: NDArray[np.int32] = field(repr=False)
    query_positions: NDArray[np.float64] | None = None
    database_positions: NDArray[np.float64] | None = None
    conditions: NDArray[np.str_] | None = None
    dataset: Dataset | None = None
    unknown: str | None = None


@dataclass(frozen=True, eq=False)
class Opponent:
    """One side of a comparison.

    `label` is how it is called: the slug of an entry, the name of a result. `name` is what the
    entry calls itself; `withdrawn` says why it was taken off the board, None where it was not.
    """

    label: str
    name: str
    outcomes: tuple[Outcomes, ...]
    withdrawn: str | None = None


def find_opponent(
    given: Result | str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    data_root: str | os.PathLike[str] | None = None,
) -> Opponent:
    """Read one side of a comparison.

    Parameters
    ----------
    given
        A result, the slug of an entry of the board, or the path of a submission's folder.
    root, data_root
        The board's folder, and where datasets are; see `vgbench.places`.

    Raises
    ------
    UsageError
        When the board has no such entry, with the names that are nearest to it.
    SubmissionError
        When the folder is not a valid submission, or states other hits than its predictions give.
    """
    if isinstance(given, Result):
        return _of_result(given)
    submission = read_submission(_folder(given, board_root(root)))
    truths = Truths(data_root)
    return Opponent(
        submission.slug,
        clean_text(submission.card.name),
        tuple(_of_entry(submission.slug, entry, truths) for entry in submission.entries),
        _withdrawn(submission.folder),
    )


def _folder(given: str | os.PathLike[str], root: Path) -> Path:
    text = os.fspath(given)
    if isinstance(given, str) and SLUG.fullmatch(text):
        folder = submissions_folder(root) / text
        if folder.is_dir():
            return folder
    path = Path(text).expanduser().absolute()
    if (path / SUBMISSION_FILE).is_file():
        return path
    shown = clean_text(text)[:200]
    if not SLUG.fullmatch(text) and path.is_dir():
        raise UsageError(f"{shown} is no submission: there is no {SUBMISSION_FILE} in it.")
    raise UsageError(f"The board {root} has no entry {shown!r}. {_nearest(text, root)}")


def _nearest(text: str, root: Path) -> str:
    try:
        held = sorted(
            entry.name for entry in submissions_folder(root).iterdir() if SLUG.fullmatch(entry.name)
            and entry.is_dir()
        )  # fmt: skip
    except FileNotFoundError:
        held = []
    except OSError as error:
        raise BoardError(f"Cannot read the board {root}: {error.strerror}.") from error
    if not held:
        return "It has none at all: name its folder with --root."
    near = difflib.get_close_matches(text.lower(), held, n=3, cutoff=0.6)
    near += [name for name in held if text and text.lower() in name and name not in near]
    if near:
        return f"Did you mean {' or '.join(near[:3])}?"
    more = f", and {len(held) - 10:,} more" if len(held) > 10 else ""
    return f"It has {', '.join(held[:10])}{more}."


def _withdrawn(folder: Path) -> str | None:
    reason = plain_bytes(str(folder / WITHDRAWN_FILE), 4 * LONGEST_REASON)
    if reason is None:
        return None
    return clean_text(reason.decode("utf-8", "replace"))[:LONGEST_REASON] or "no reason given"


def _of_result(result: Result) -> Opponent:
    dataset = result.dataset
    labels = dataset.query_conditions
    name = clean_text(result.model.source or result.model.architecture or "")
    outcomes = Outcomes(
        key=Key(
            dataset.id, dataset.split, dataset.ground_truth, dataset.content, result.threshold,
            result.protocol,
        ),
        ns=result.ns,
        ranks=result.first_hits,
        query_paths=dataset.query_paths,
        rows=result.predictions.rows,
        query_positions=dataset.query_positions,
        database_positions=dataset.database_positions,
        conditions=None if labels is None else np.array([label or "unknown" for label in labels]),
        dataset=dataset,
    )  # fmt: skip
    return Opponent(name, name, (outcomes,))


def _of_entry(slug: str, entry: Entry, truths: Truths) -> Outcomes:
    ns = tuple(sorted(entry.hits))
    key = Key(
        entry.dataset, entry.split, entry.ground_truth, entry.content, entry.threshold,
        entry.protocol,
    )  # fmt: skip
    if entry.status == "published":
        why = f"{slug} has a published number only, which says nothing of single queries"
        return Outcomes(key, ns, None, (), entry.rows, unknown=why)
    ranks, recounted, problems = recount(entry)
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise SubmissionError(
            f"{slug} is not what its predictions give on {entry.dataset}/{entry.split}:\n{lines}\n"
            f"See: vgbench verify {slug}"
        )
    truth = truths.find(entry.dataset, entry.split)
    if truth is not None and not _fits(entry, truth):
        truth = None
    if truth is not None and not recounted:
        ranks = first_hit(
            entry.rows, truth.database_positions, truth.query_positions, entry.threshold
        )
    where = truth.query_positions if truth else _positions(entry.query_paths)
    return Outcomes(
        key=key,
        ns=ns,
        ranks=ranks,
        query_paths=entry.query_paths,
        rows=entry.rows,
        query_positions=where,
        database_positions=truth.database_positions if truth else None,
        conditions=truth.conditions if truth else _conditions(entry),
        unknown=None if ranks is not None else (
            f"{slug} keeps no ranks of first hits, and the ground truth is not here: install the "
            f"dataset to count them (vgbench datasets info {entry.dataset})"
        ),
    )  # fmt: skip


def _fits(entry: Entry, truth: Truth) -> bool:
    """Whether predictions can be counted against a ground truth by this vgbench."""
    return (
        truth.ground_truth == entry.ground_truth
        and entry.protocol == PROTOCOL
        and list(entry.query_paths) == truth.query_paths
        and entry.database == len(truth.database_positions)
    )


def _positions(paths: Sequence[str]) -> NDArray[np.float64] | None:
    try:
        return positions(paths)
    except ImageError:
        return None


def _conditions(entry: Entry) -> NDArray[np.str_] | None:
    """Labels that the registry's rule reads from the names."""
    spec = load_registry().get(entry.dataset)
    labels = conditions(spec.condition, entry.query_paths) if spec else None
    return None if labels is None else np.array([label or "unknown" for label in labels])
