"""What is reported on: an entry, a submission's folder or a result, with positions and pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vgbench.datasets import Dataset, load_dataset, load_registry
from vgbench.datasets.ground_truth import GroundTruth, load_ground_truth
from vgbench.errors import DatasetNotFound, SubmissionError, UsageError, VgbenchError
from vgbench.evaluation import PROTOCOL, Result
from vgbench.leaderboard.board import SUBMISSION_FILE, submissions_folder
from vgbench.leaderboard.entry import Entry
from vgbench.leaderboard.slugs import SLUG, slugify
from vgbench.leaderboard.submission import Submission, read_submission
from vgbench.leaderboard.text import clean_text
from vgbench.places import board_root
from vgbench.retrieval.recall import first_hit, hits


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One method on one split: its predictions, and where everything is.

    Attributes
    ----------
    slug, name
        What files and readers call it.
    dataset, split
        Names.
    query_paths, database_paths
        Canonical paths, Q and N of them.
    query_positions, database_positions
        float64 (Q, 2) and (N, 2), metres.
    conditions
        Length Q, "unknown" where a query has none; None where no query has one.
    rows
        int32 (Q, K), predicted database rows, the nearest descriptor first.
    distances
        float32 (Q, K), between descriptors, by `distance`.
    first_hits
        int32 (Q,), the 0-based rank of each query's first positive, −1 where there is none.
    images
        The split as it is installed here, for its pictures; None where it is not.
    other_images
        Whether those pictures are of another edition than the one that was evaluated.
    facts
        What is known of the evaluation, as pairs of name and text.
    command
        The line that makes the same report again; None where no command line would.
    """

    slug: str
    name: str
    dataset: str
    split: str
    threshold: float
    distance: str
    query_paths: Sequence[str]
    database_paths: Sequence[str]
    query_positions: NDArray[np.float64]
    database_positions: NDArray[np.float64]
    conditions: NDArray[np.str_] | None
    rows: NDArray[np.int32] = field(repr=False)
    distances: NDArray[np.float32] = field(repr=False)
    first_hits: NDArray[np.int32] = field(repr=False)
    images: Dataset | None = None
    other_images: bool = False
    facts: tuple[tuple[str, str], ...] = ()
    command: str | None = None

    @property
    def title(self) -> str:
        """The dataset and split, as everywhere."""
        return f"{self.dataset}/{self.split}"


def read_evaluation(
    given: Result | str | os.PathLike[str],
    dataset: str | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    data_root: str | os.PathLike[str] | None = None,
    pictures: bool = True,
) -> Evaluation:
    """Read what a report is about.

    Parameters
    ----------
    given
        A result, the slug of an entry of the board, or the path of a submission's folder.
    dataset
        `NAME` or `NAME/SPLIT` of one of its results, or the path of the folder that was evaluated.
    root, data_root
        The board's folder, and where datasets are; see `vgbench.places`.
    pictures
        Whether the split's images are wanted; included datasets are unpacked for them.

    Raises
    ------
    UsageError
        When the board has no such entry, or it has several results and none was chosen.
    DatasetNotFound
        When the positions of the database are not here.
    SubmissionError
        When the folder is no valid submission, or its predictions give other hits than it states.
    """
    if isinstance(given, Result):
        return _of_result(given)
    submission = read_submission(submission_folder(given, board_root(root)))
    entry, opened = _choose(submission, dataset, data_root)
    return _of_entry(submission, entry, opened, data_root, pictures)


def is_submission(given: str, root: str | os.PathLike[str] | None = None) -> bool:
    """Whether a word on the command line names a submission here, by its slug or its folder."""
    folder = submissions_folder(board_root(root)) / given
    return (bool(SLUG.fullmatch(given)) and folder.is_dir()) or (
        Path(given).expanduser() / SUBMISSION_FILE
    ).is_file()


def submission_folder(given: str | os.PathLike[str], root: Path) -> Path:
    """The folder of a submission, from its path or its slug."""
    text = os.fspath(given)
    if SLUG.fullmatch(text) and (submissions_folder(root) / text).is_dir():
        return submissions_folder(root) / text
    path = Path(text).expanduser().absolute()
    if (path / SUBMISSION_FILE).is_file():
        return path
    from vgbench.leaderboard.opponents import find_opponent

    find_opponent(text, root)  # refuses it, with the names that are nearest
    raise UsageError(f"{clean_text(text)[:200]} is no submission.")


def _of_result(result: Result) -> Evaluation:
    dataset = result.dataset
    label = result.model.source or result.model.architecture or "descriptors"
    return Evaluation(
        slug=slugify(Path(label).stem),
        name=clean_text(label),
        dataset=dataset.id,
        split=dataset.split,
        threshold=result.threshold,
        distance=result.distance,
        query_paths=dataset.query_paths,
        database_paths=dataset.database_paths,
        query_positions=dataset.query_positions,
        database_positions=dataset.database_positions,
        conditions=_labels(dataset),
        rows=result.predictions.rows,
        distances=result.predictions.distances,
        first_hits=result.first_hits,
        images=dataset,
        facts=_facts(
            ("architecture", result.model.architecture),
            ("dimension", f"{result.dimension:,}"),
            ("images", result.image_size),
            ("resized", result.resize),
        ),
    )


def _choose(
    submission: Submission, dataset: str | None, data_root: str | os.PathLike[str] | None
) -> tuple[Entry, Dataset | None]:
    """The result that is meant, and its split where a folder was named."""
    entries = [entry for entry in submission.entries if entry.status != "published"]
    if not entries:
        raise UsageError(
            f"{submission.slug} has published numbers only, which say nothing of single queries."
        )
    held = ", ".join(f"{entry.dataset}/{entry.split}" for entry in entries)
    if dataset is None:
        if len(entries) > 1:
            raise UsageError(f"{submission.slug} has several results: choose one by -d: {held}.")
        return entries[0], None
    found = [e for e in entries if dataset in (f"{e.dataset}/{e.split}", e.dataset)]
    tests = [entry for entry in found if entry.split == "test"]
    if len(found) == 1 or len(tests) == 1:
        return (tests or found)[0], None
    if found:
        raise UsageError(f"{submission.slug} has several results on {dataset}: {held}.")
    if Path(dataset).expanduser().is_dir():
        opened = load_dataset(Path(dataset), data_root=data_root)
        for entry in entries:
            if entry.ground_truth == opened.ground_truth:
                return entry, opened
        raise UsageError(
            f"The images in {clean_text(dataset)[:200]} have other names than those that "
            f"{submission.slug} was evaluated on: {held}."
        )
    raise UsageError(
        f"{submission.slug} has no result on {clean_text(dataset)[:200]}, only {held}."
    )


def _of_entry(
    submission: Submission,
    entry: Entry,
    opened: Dataset | None,
    data_root: str | os.PathLike[str] | None,
    pictures: bool,
) -> Evaluation:
    title = f"{entry.dataset}/{entry.split}"
    if entry.protocol != PROTOCOL:
        raise SubmissionError(
            f"{submission.slug} was evaluated by protocol {entry.protocol}; this vgbench knows "
            f"protocol {PROTOCOL}."
        )
    images = opened or (_installed(entry, data_root) if pictures else None)
    truth: Dataset | GroundTruth | None = images or _kept(entry) or _installed(entry, data_root)
    if truth is None:
        raise DatasetNotFound(
            f"The positions of {title} are not here, or its images have other names than those "
            f"that {submission.slug} was evaluated on. Install it (vgbench datasets info "
            f"{entry.dataset}), or name its folder: -d FOLDER"
        )
    if entry.database != len(truth.database_paths) or entry.queries != len(truth.query_paths):
        raise SubmissionError(f"{submission.slug} has other numbers of images than {title}.")
    ranks = first_hit(entry.rows, truth.database_positions, truth.query_positions, entry.threshold)
    if hits(ranks, tuple(entry.hits)) != dict(entry.hits):
        raise SubmissionError(
            f"{submission.slug} states other hits than its predictions give on {title}. "
            f"See: vgbench verify {submission.slug}"
        )
    card = submission.card
    return Evaluation(
        slug=submission.slug,
        name=clean_text(card.name),
        dataset=entry.dataset,
        split=entry.split,
        threshold=entry.threshold,
        distance=entry.distance or "unknown",
        query_paths=truth.query_paths,
        database_paths=truth.database_paths,
        query_positions=truth.query_positions,
        database_positions=truth.database_positions,
        conditions=_labels(truth),
        rows=entry.rows,
        distances=entry.distances,
        first_hits=ranks,
        images=images,
        other_images=images is not None and images.content != entry.content,
        command=f"vgbench report {submission.slug} -d {title}",
        facts=_facts(
            ("method", card.method),
            ("authors", card.authors),
            ("architecture", card.architecture or card.backbone),
            ("trained on", card.training_data),
            ("dimension", None if entry.dimension is None else f"{entry.dimension:,}"),
            ("images", entry.image_size),
            ("resized", entry.resize),
            ("notes", card.notes),
        ),
    )


def _installed(entry: Entry, data_root: str | os.PathLike[str] | None) -> Dataset | None:
    """The split as it is installed, if it has the very names that were evaluated."""
    try:
        found = load_dataset(f"{entry.dataset}/{entry.split}", data_root=data_root)
    except VgbenchError:
        return None
    return found if found.ground_truth == entry.ground_truth else None


def _kept(entry: Entry) -> GroundTruth | None:
    """The ground truth that comes with vgbench, if it has the very names that were evaluated."""
    if entry.dataset not in load_registry():
        return None
    try:
        found = load_ground_truth(entry.dataset, entry.split)
    except DatasetNotFound:
        return None
    return found if found.ground_truth == entry.ground_truth else None


def _labels(truth: Dataset | GroundTruth) -> NDArray[np.str_] | None:
    labels = truth.query_conditions
    return None if labels is None else np.array([label or "unknown" for label in labels])


def _facts(*pairs: tuple[str, str | None]) -> tuple[tuple[str, str], ...]:
    return tuple((name, clean_text(text)) for name, text in pairs if text)
