"""From a submission to its rows of the table, with every hit counted again where that can be done.

Where the registry pins a split's ground truth and vgbench keeps it, hits come from the predictions
and the ground truth alone; what a submission states is held against them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgbench.datasets.ground_truth import GroundTruth, load_ground_truth
from vgbench.errors import DatasetError, SubmissionError
from vgbench.evaluation import PROTOCOL
from vgbench.leaderboard.columns import COLUMNS, RECALL_VALUES, Row
from vgbench.leaderboard.document import TIME_FORMAT, Document
from vgbench.leaderboard.entry import STATUSES, Card, Entry
from vgbench.leaderboard.status import believed_status
from vgbench.retrieval.positives import count_without_positives
from vgbench.retrieval.recall import first_hit, hits
from vgbench.retrieval.standings import pack_outcomes
from vgbench.retrieval.statistics import percent_interval


def submission_rows(
    document: Document, entries: Sequence[Entry], digest: str, folder: Path | None = None
) -> list[Row]:
    """The table's rows of one submission.

    Parameters
    ----------
    document
        Its `submission.json`.
    entries
        Those of the document, with their predictions.
    digest
        SHA-256 of its `submission.json`.
    folder
        Where it is, if it is there already: weights in it count for its status.

    Raises
    ------
    SubmissionError
        When what it states is not what its predictions give against the pinned ground truth.
    """
    submitted = datetime.strptime(document.submitted, TIME_FORMAT)
    shared: Row = {
        **{column.name: None for column in COLUMNS},
        "slug": document.slug,
        "revision": document.revision,
        "submitted": submitted.replace(tzinfo=timezone.utc),
        "submission_digest": digest,
        "versions": _json(document.versions),
    }
    problems: list[str] = []
    rows = []
    for entry in entries:
        ranks, recounted, wrong = recount(entry)
        problems += [f"{entry.dataset}/{entry.split}: {problem}" for problem in wrong]
        status = believed_status(entry, document.card.weights_digest, folder)
        if not recounted and status != "published":
            status = max(status, "unverified", key=STATUSES.index)
        rows.append(
            shared
            | _card_columns(document.card)
            | _entry_columns(entry)
            | _outcome_columns(ranks, entry)
            | {"status": status, "top": entry.top or None}
        )
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise SubmissionError(f"{document.slug} is not what its predictions give:\n{lines}")
    return rows


def recount(entry: Entry) -> tuple[NDArray[np.int32] | None, bool, list[str]]:
    """Count an entry's hits again, from its predictions and the pinned ground truth.

    Returns
    -------
    first_hit
        int32 (Q,), the 0-based rank of each query's first positive, −1 where there is none: counted
        where the ground truth is pinned and kept, as stored otherwise; None where unknown.
    recounted
        Whether it was counted.
    problems
        What the entry states otherwise than it was counted, one line each.
    """
    truth = _truth_of(entry)
    if truth is None:
        return entry.first_hit, False, []
    counts = len(truth.database_paths), len(truth.query_paths)
    if (entry.database, entry.queries) != counts:
        stated = f"{entry.database:,} database images and {entry.queries:,} queries are stated"
        return None, False, [f"{stated}; the dataset has {counts[0]:,} and {counts[1]:,}"]
    paths = _paths(entry.dataset, entry.split)
    if list(entry.query_paths) != paths:
        other = next(i for i, path in enumerate(entry.query_paths) if path != paths[i])
        return None, False, [f"query {other} is called otherwise than the dataset's"]
    ranks = first_hit(entry.rows, truth.database_positions, truth.query_positions, entry.threshold)
    problems = [
        f"hits at {n} are stated as {entry.hits[n]:,}, and the predictions give {count:,}"
        for n, count in hits(ranks, entry.hits).items()
        if count != entry.hits[n]
    ]
    without = _without_positives(entry.dataset, entry.split, entry.threshold)
    if without != entry.queries_without_positives:
        problems.append(
            f"{entry.queries_without_positives} queries without a positive are stated; there are "
            f"{without}"
        )
    if entry.first_hit is not None and not np.array_equal(entry.first_hit, ranks):
        query = int(np.flatnonzero(entry.first_hit != ranks)[0])
        problems.append(
            f"the first positive of query {query} is stated at {entry.first_hit[query]}, and the "
            f"predictions give {ranks[query]}"
        )
    return ranks, True, problems


def _truth_of(entry: Entry) -> GroundTruth | None:
    if entry.status == "published" or entry.protocol != PROTOCOL:
        return None
    truth = _kept_truth(entry.dataset, entry.split)
    return truth if truth is not None and truth.ground_truth == entry.ground_truth else None


@lru_cache(maxsize=64)
def _kept_truth(dataset: str, split: str) -> GroundTruth | None:
    """The pinned ground truth of a split; None where vgbench keeps none."""
    try:
        truth = load_ground_truth(dataset, split)
    except DatasetError:
        return None
    return truth if truth.pinned else None


@lru_cache(maxsize=64)
def _paths(dataset: str, split: str) -> list[str]:
    truth = _kept_truth(dataset, split)
    return [] if truth is None else list(truth.query_paths)


@lru_cache(maxsize=256)
def _without_positives(dataset: str, split: str, threshold: float) -> int:
    truth = _kept_truth(dataset, split)
    assert truth is not None
    return count_without_positives(truth.database_positions, truth.query_positions, threshold)


def _card_columns(card: Card) -> Row:
    return {
        "name": card.name,
        "method": card.method,
        "backbone": card.backbone,
        "architecture": card.architecture,
        "parameters": card.parameters,
        "training_data": card.training_data,
        "licence": card.licence,
        "authors": card.authors,
        "links": list(card.links),
        "notes": card.notes,
    }


def _entry_columns(entry: Entry) -> Row:
    row: Row = {
        name: getattr(entry, name)
        for name in (
            "dataset", "split", "ground_truth", "content", "protocol", "threshold",
            "database", "queries", "queries_without_positives", "distance", "dimension",
            "image_size", "resize", "device",
        )
    }  # fmt: skip
    for n in RECALL_VALUES:
        count, total = entry.hits.get(n), entry.queries
        row[f"hits_{n}"] = count
        row[f"recall_{n}"] = entry.recalls.get(n)
        row[f"low_{n}"] = row[f"high_{n}"] = None
        if count is not None and total:
            row[f"recall_{n}"] = 100 * count / total
            row[f"low_{n}"], row[f"high_{n}"] = percent_interval(count, total)
    conditions = entry.conditions and {
        name: {"queries": part["queries"], "hits": {str(n): c for n, c in part["hits"].items()}}
        for name, part in entry.conditions.items()
    }
    row["conditions"] = _json(conditions) if conditions else None
    row["conditions_derived"] = entry.conditions_derived if conditions else None
    row["seconds"] = _json(entry.seconds) if entry.seconds else None
    return row


def _outcome_columns(ranks: NDArray[np.int32] | None, entry: Entry) -> Row:
    """Outcomes of the single queries, and hits by condition where the ground truth knows it."""
    if ranks is None:
        return {}
    found: Row = {
        f"outcomes_{n}": pack_outcomes((ranks >= 0) & (ranks < n))
        for n in RECALL_VALUES
        if n in entry.hits
    }
    truth = _truth_of(entry)
    if truth is not None and truth.query_conditions is not None:
        # What was submitted may follow labels of the submitter's own: rows are compared by the
        # dataset's.
        labels = np.array([label or "unknown" for label in truth.query_conditions])
        parts = {
            label: {
                "queries": int(np.count_nonzero(labels == label)),
                "hits": {str(n): c for n, c in hits(ranks[labels == label], entry.hits).items()},
            }
            for label in sorted(set(labels.tolist()))
        }
        found |= {"conditions": _json(parts), "conditions_derived": False}
    return found


def _json(value: Any) -> str:
    return json.dumps(dict(value), ensure_ascii=False)
