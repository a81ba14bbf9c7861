"""Entering results on the leaderboard: from `Result` values to a submission folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgbench.errors import UsageError
from vgbench.evaluation import Result
from vgbench.leaderboard.submission import Card, Entry, list_submissions, write_submission
from vgbench.places import board_root


@dataclass(frozen=True)
class Entered:
    """Where a submission is and what it claims."""

    slug: str
    folder: Path
    status: str
    results: tuple[Result, ...]
    new: bool = True  # False when the board had the same predictions of the same weights already

    def to_json(self) -> dict[str, Any]:
        """What `evaluate` and `submit` print."""
        listed = []
        for result in self.results:
            listed.append(
                result.to_json()
                | {"predictions": str(self.folder / _predictions_name(result))}
            )
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
    splits = [(result.dataset.id, result.dataset.split) for result in results]
    if not results or len(set(splits)) != len(splits):
        raise UsageError("A submission holds one result for each dataset and split.")
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
    status = weakest_status(results)
    entries = [_entry(result, image_size, resize) for result in results]
    folder = write_submission(card, entries, root=board_root(root), status=status)
    return Entered(folder.name, folder, status, results)


def already_entered(
    results: Sequence[Result], root: str | os.PathLike[str] | None = None
) -> Entered | None:
    """The submission that holds these very predictions of these very weights, if there is one."""
    from vgbench.leaderboard.submission import predictions_digest

    wanted = {
        (r.dataset.id, r.dataset.split, r.dataset.content, r.distance,
         predictions_digest(r.predictions.rows))
        for r in results
    }  # fmt: skip
    for submission in list_submissions(board_root(root)):
        held = {
            (e.dataset, e.split, e.content, e.distance, predictions_digest(e.rows))
            for e in submission.entries
        }
        if held == wanted and submission.card.weights_digest == results[0].model.weights_digest:
            return Entered(
                submission.slug, submission.folder, submission.status, tuple(results), new=False
            )
    return None


def weakest_status(results: Sequence[Result]) -> str:
    """What a submission of several results may claim as a whole."""
    order = ("unverified", "verified", "reproduced")
    return min((result.status for result in results), key=order.index)


def _predictions_name(result: Result) -> str:
    return f"{result.dataset.id}-{result.dataset.split}.parquet"


def _entry(result: Result, image_size: str | None, resize: str | None) -> Entry:
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
        query_paths=result.dataset.query_paths,
        rows=result.predictions.rows,
        distances=result.predictions.distances,
        descriptors_digest=result.descriptors_digest,
        seconds=dict(result.seconds),
        device=result.device,
    )
