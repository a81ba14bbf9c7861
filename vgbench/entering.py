"""Entering results on the leaderboard: from `Result` values to a submission folder."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgbench.datasets import Dataset
from vgbench.errors import UsageError
from vgbench.evaluation import Result
from vgbench.leaderboard.document import file_names
from vgbench.leaderboard.entry import STATUSES
from vgbench.leaderboard.slugs import REVISION
from vgbench.leaderboard.submission import Card, Entry, check_card, find_same, write_submission
from vgbench.places import board_root


@dataclass(frozen=True)
class Entered:
    """Where a submission is and what it claims."""

    folder: Path
    status: str
    results: tuple[Result, ...]
    new: bool = True  # False when the board had the same predictions of the same weights already

    @property
    def slug(self) -> str:
        """The submission's name on the board."""
        return self.folder.name

    @property
    def revision_of(self) -> str | None:
        """The first submission of this name, whose place it takes in the ranking, or None."""
        match = REVISION.fullmatch(self.slug)
        return match[1] if match and (self.folder.parent / match[1]).is_dir() else None

    def to_json(self) -> dict[str, Any]:
        """What `evaluate` and `submit` print."""
        files = file_names([entry_of(result) for result in self.results])
        listed = [
            result.to_json() | {"predictions": str(self.folder / file)}
            for result, file in zip(self.results, files, strict=True)
        ]
        return {"submission": self.slug, "status": self.status, "new": self.new, "results": listed}


def submit(
    results: Result | Sequence[Result],
    name: str,
    *,
    root: str | os.PathLike[str] | None = None,
    method: str | None = None,
    authors: str | None = None,
    links: Sequence[str] = (),
    licence: str | None = None,
    training_data: str | None = None,
    backbone: str | None = None,
    image_size: str | None = None,
    resize: str | None = None,
    notes: str | None = None,
) -> Entered:
    """Write a submission folder for one or several results of one method, and update the board.

    Parameters
    ----------
    results
        What `evaluate` or `score` returned, at most one per dataset and split.
    name
        Made a slug; where the board has it already, the entry becomes its next revision.
    root
        The board's folder; see `vgbench.places.board_root`.
    image_size, resize
        For descriptors made elsewhere: what the method was given. Taken from the result otherwise.

    Raises
    ------
    SubmissionError, BoardError
        When the entry contradicts itself, or the board cannot be written. Nothing is left behind.
    """
    results = (results,) if isinstance(results, Result) else tuple(results)
    _check_splits([result.dataset for result in results])
    made_by = results[0].model
    card = Card(
        name=name,
        method=method,
        authors=authors,
        links=tuple(links),
        licence=licence,
        training_data=training_data,
        backbone=backbone,
        architecture=made_by.architecture,
        parameters=made_by.parameters,
        weights_digest=made_by.weights_digest,
        notes=notes,
    )
    size = None if image_size is None else _plain_size(image_size)
    entries = [entry_of(result, size, resize) for result in results]
    folder = write_submission(card, entries, root=board_root(root))
    return Entered(folder, weakest_status(results), results)


def check_submission(splits: Sequence[Dataset], **card: Any) -> None:
    """Refuse before hours of work what `submit` would refuse after them.

    Parameters
    ----------
    splits
        What results are to be made of.
    card
        What `submit` will be told of the method: `name`, `links`, …

    Raises
    ------
    UsageError
        When a split is there twice, or there is none.
    SubmissionError
        When a link or text cannot be entered.
    """
    _check_splits(splits)
    check_card(Card(**card))


def already_entered(
    results: Sequence[Result], root: str | os.PathLike[str] | None = None
) -> Entered | None:
    """The submission that holds these very predictions of these very weights, if there is one."""
    card = Card(name="", weights_digest=results[0].model.weights_digest)
    found = find_same(card, [entry_of(result) for result in results], board_root(root))
    return Entered(found.folder, found.status, tuple(results), new=False) if found else None


def weakest_status(results: Sequence[Result]) -> str:
    """What a submission of several results may claim as a whole."""
    return max((result.status for result in results), key=STATUSES.index)


def _check_splits(splits: Sequence[Dataset]) -> None:
    names = [f"{dataset.id}/{dataset.split}" for dataset in splits]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"A submission holds one result for each dataset and split; {', '.join(twice)} is "
            "given more than once."
        )
    if not names:
        raise UsageError("A submission holds at least one result.")


def _plain_size(text: str) -> str:
    """Write a size as all others are written; other words stay as they are.

    >>> _plain_size("480 × 640"), _plain_size("native")
    ('480x640', 'native')
    """
    return re.sub(r"(\d)\s*[x×*]\s*(\d)", r"\1x\2", text.strip(), flags=re.IGNORECASE)


def entry_of(result: Result, image_size: str | None = None, resize: str | None = None) -> Entry:
    """A result as a submission keeps it."""
    return Entry(
        dataset=result.dataset.id,
        split=result.dataset.split,
        ground_truth=result.dataset.ground_truth,
        content=result.dataset.content,
        protocol=result.protocol,
        threshold=result.threshold,
        database=len(result.dataset.database_paths),
        queries=result.queries,
        queries_without_positives=result.queries_without_positives,
        distance=result.distance,
        dimension=result.dimension,
        image_size=result.image_size or image_size,
        resize=result.resize or resize,
        hits=result.hits,
        conditions=result.conditions,
        conditions_derived=result.dataset.conditions_from == "derived",
        query_paths=result.dataset.query_paths,
        rows=result.predictions.rows,
        distances=result.predictions.distances,
        first_hit=result.first_hits,
        descriptors_digest=result.descriptors_digest,
        seconds=dict(result.seconds),
        device=result.device,
        status=result.status,
    )
