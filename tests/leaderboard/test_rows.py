"""Rows hold what predictions give against the pinned ground truth, whatever a submission states."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from vgbench.datasets import load_registry
from vgbench.datasets.ground_truth import load_ground_truth
from vgbench.leaderboard.columns import Row
from vgbench.leaderboard.document import write_document
from vgbench.leaderboard.entry import Card, Entry
from vgbench.leaderboard.predictions import encode_predictions
from vgbench.leaderboard.rows import recount, submission_rows
from vgbench.leaderboard.submission import read_submission
from vgbench.leaderboard.table import build
from vgbench.retrieval.standings import unpack_outcomes

MakeEntry = Callable[..., Entry]

TRUTH = load_ground_truth("demo-city", "val")
CONTENT = load_registry()["demo-city"].splits["val"].content
COUNTS = len(TRUTH.database_paths), len(TRUTH.query_paths)
NEAR: NDArray[np.bool_] = (
    np.linalg.norm(TRUTH.query_positions[:, None] - TRUTH.database_positions, axis=2) <= 25
)
"""(queries, database): what is a positive of what, counted here by plain comparison."""


def guesses(seed: int) -> NDArray[np.int32]:
    """20 different database images for each query, the near ones more likely than others."""
    random = np.random.default_rng(seed)
    order = random.random(NEAR.shape) * np.where(NEAR, 0.1, 1.0)
    return np.argsort(order, axis=1)[:, :20].astype(np.int32)


def localized(rows: NDArray[np.int32], n: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = NEAR[np.arange(len(rows))[:, None], rows[:, :n]].any(axis=1)
    return found


def honest(seed: int = 0, **changes: Any) -> Entry:
    rows = guesses(seed)
    distances = np.random.default_rng(seed).random(rows.shape).astype(np.float32)
    entry = Entry(
        dataset="demo-city", split="val", ground_truth=TRUTH.ground_truth, content=CONTENT,
        protocol=1, threshold=25.0, database=COUNTS[0], queries=COUNTS[1],
        queries_without_positives=int((~NEAR.any(axis=1)).sum()), distance="l2", dimension=8,
        hits={n: int(localized(rows, n).sum()) for n in (1, 5, 10, 20)},
        query_paths=list(TRUTH.query_paths), rows=rows,
        distances=np.sort(distances, axis=1),
        status="verified",
    )  # fmt: skip
    return replace(entry, **changes)


def forge(board: Path, entry: Entry, name: str = "mine") -> Path:
    """Write a folder whose digests all agree, whatever the entry says."""
    folder = board / "submissions" / name
    folder.mkdir(parents=True)
    text = write_document(name, 1, Card(name), [entry], "2026-01-31T12:00:00Z", {"vgbench": "0"})
    (folder / "submission.json").write_bytes(text)
    (folder / f"{entry.dataset}-{entry.split}.parquet").write_bytes(
        encode_predictions(entry.query_paths, entry.rows, entry.distances, entry.first_hit)
    )
    return folder


def row_of(board: Path, entry: Entry) -> Row:
    folder = forge(board, entry)
    found = read_submission(folder)
    (row,) = submission_rows(found.document, found.entries, found.digest, folder)
    return row


def test_outcomes_are_those_of_every_single_query(board: Path) -> None:
    row = row_of(board, honest())
    for n in (1, 5, 10, 20):
        expected = localized(guesses(0), n)
        assert 0 < expected.sum() <= COUNTS[1]
        assert np.array_equal(unpack_outcomes(row[f"outcomes_{n}"], COUNTS[1]), expected)
        assert row[f"hits_{n}"] == expected.sum()
        assert row[f"recall_{n}"] == 100 * expected.sum() / COUNTS[1]
        interval = binomtest(int(expected.sum()), COUNTS[1]).proportion_ci(method="wilson")
        assert row[f"low_{n}"] == pytest.approx(100 * interval.low)
        assert row[f"high_{n}"] == pytest.approx(100 * interval.high)
    assert row["status"] == "verified"


def test_recounting_gives_the_rank_of_each_querys_first_positive() -> None:
    entry = honest(3)
    ranks, recounted, problems = recount(entry)
    assert recounted
    assert problems == []
    assert ranks is not None
    positive = NEAR[np.arange(COUNTS[1])[:, None], entry.rows]
    assert np.array_equal(ranks, np.where(positive.any(axis=1), positive.argmax(axis=1), -1))


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        (lambda e: {"hits": e.hits | {5: e.hits[5] + 1}}, r"hits at 5 are stated as (\d+), and"),
        (
            lambda e: {"queries_without_positives": e.queries_without_positives + 1},
            "queries without a positive are stated; there are",
        ),
        (
            lambda e: {"first_hit": np.where(np.arange(e.queries) == 7, 19, recount(e)[0])},
            "the first positive of query 7 is stated at 19",
        ),
        (lambda e: {"database": e.database - 1}, "the dataset has 180 and 72"),
        (
            lambda e: {
                "query_paths": [*e.query_paths[:3], "queries/@1@2@.jpg", *e.query_paths[4:]]
            },
            "query 3 is called otherwise",
        ),
    ],
)
def test_what_is_stated_otherwise_than_it_was_counted_is_told(
    lie: Callable[[Entry], dict[str, Any]], message: str
) -> None:
    entry = honest()
    _, _, problems = recount(replace(entry, **lie(entry)))
    assert len(problems) == 1
    assert re.search(message, problems[0])


def test_a_lie_keeps_the_submission_off_the_board(board: Path) -> None:
    forge(board, honest())
    hits = honest(1).hits
    forge(board, honest(1, hits=hits | {1: hits[1] + 1}), "liar")
    table = build(board)
    assert [row["slug"] for row in table.rows] == ["mine"]
    assert f"hits at 1 are stated as {hits[1] + 1}, and the predictions give {hits[1]}" in (
        table.left_out["liar"].problem
    )


def test_conditions_are_the_datasets_own_whatever_was_submitted(board: Path) -> None:
    rows = guesses(0)
    own = {"night": {"queries": COUNTS[1], "hits": honest().hits}}
    row = row_of(board, honest(conditions=own, conditions_derived=True))
    labels = np.array(TRUTH.query_conditions)
    assert json.loads(row["conditions"]) == {
        label: {
            "queries": int((labels == label).sum()),
            "hits": {
                str(n): int(localized(rows, n)[labels == label].sum()) for n in (1, 5, 10, 20)
            },
        }
        for label in sorted(set(labels.tolist()))
    }
    assert row["conditions_derived"] is False


@pytest.mark.parametrize(
    "change",
    [{"ground_truth": "0" * 64}, {"protocol": 2}, {"dataset": "elsewhere"}, {"split": "other"}],
)
def test_without_pinned_ground_truth_the_stored_ranks_count_and_nothing_is_verified(
    board: Path, change: dict[str, Any]
) -> None:
    ranks = recount(honest())[0]
    row = row_of(board, honest(first_hit=ranks, **change))
    assert row["status"] == "unverified"
    assert np.array_equal(unpack_outcomes(row["outcomes_1"], COUNTS[1]), localized(guesses(0), 1))
    assert row["conditions"] is None


def test_without_ranks_and_ground_truth_outcomes_are_unknown(board: Path) -> None:
    row = row_of(board, honest(ground_truth="0" * 64))
    assert [row[f"outcomes_{n}"] for n in (1, 5, 10, 20)] == [None] * 4
    assert row["hits_1"] == honest().hits[1]


def test_another_threshold_is_counted_by_it(board: Path) -> None:
    far = np.linalg.norm(TRUTH.query_positions[:, None] - TRUTH.database_positions, axis=2) <= 100
    rows = guesses(0)
    counts = {
        n: int(far[np.arange(len(rows))[:, None], rows[:, :n]].any(axis=1).sum())
        for n in (1, 5, 10, 20)
    }
    assert counts[1] > honest().hits[1]
    entry = honest(
        threshold=100.0, hits=counts, queries_without_positives=int((~far.any(axis=1)).sum())
    )
    assert row_of(board, entry)["hits_1"] == counts[1]
