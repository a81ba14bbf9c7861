"""Every lie that a folder can tell is caught, under the name of what is wrong."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgbench.datasets import load_registry
from vgbench.datasets.ground_truth import load_ground_truth
from vgbench.errors import SubmissionError
from vgbench.leaderboard.copies import NEARLY
from vgbench.leaderboard.document import write_document
from vgbench.leaderboard.entry import Card, Entry
from vgbench.leaderboard.findings import CHECKS, FAILED, PASSED, WARNING, Verified
from vgbench.leaderboard.predictions import encode_predictions, predictions_digest
from vgbench.leaderboard.submission import read_submission, write_submission
from vgbench.leaderboard.verification import verify_board
from vgbench.leaderboard.verified import read_verified, record, verified_path
from vgbench.models.included import reference_file
from vgbench.retrieval.positives import count_without_positives
from vgbench.retrieval.recall import RECALL_VALUES, first_hit, hits

TRUTH = load_ground_truth("demo-city", "val")
CONTENT = load_registry()["demo-city"].splits["val"].content
COUNT = len(TRUTH.database_paths)
WITHOUT = count_without_positives(TRUTH.database_positions, TRUTH.query_positions)
SEEDS = int(os.environ.get("VGBENCH_TEST_SEEDS", "60"))
VERSIONS = {"vgbench": "0.1.0"}


def predictions(seed: int, far: float = 40.0) -> np.ndarray:
    """Rows (Q, 20) by distance to a place that misses the query's own by about `far` metres."""
    noise = np.random.default_rng(seed).normal(scale=far, size=TRUTH.query_positions.shape)
    offsets = (TRUTH.query_positions + noise)[:, None] - TRUTH.database_positions
    return np.argsort((offsets**2).sum(axis=2), axis=1)[:, :20].astype(np.int32)


def honest(rows: np.ndarray | None = None, seed: int = 0, **changes: Any) -> Entry:
    """An entry whose every number is counted from its predictions."""
    rows = predictions(seed) if rows is None else rows
    ranks = first_hit(rows, TRUTH.database_positions, TRUTH.query_positions)
    labels = np.array(TRUTH.query_conditions)
    distances = np.sort(np.random.default_rng(seed).random(rows.shape).astype(np.float32), axis=1)
    entry = Entry(
        dataset="demo-city",
        split="val",
        ground_truth=TRUTH.ground_truth,
        content=CONTENT,
        protocol=1,
        threshold=25.0,
        database=COUNT,
        queries=len(rows),
        queries_without_positives=WITHOUT,
        distance="l2",
        dimension=8,
        hits=hits(ranks),
        conditions={
            label: {
                "queries": int((labels == label).sum()),
                "hits": hits(ranks[labels == label]),
            }
            for label in sorted(set(labels.tolist()))
        },
        query_paths=list(TRUTH.query_paths),
        rows=rows,
        distances=distances,
        first_hit=ranks,
        status="verified",
    )
    return replace(entry, **changes)


def enter(board: Path, name: str = "mine", entry: Entry | None = None, **card: Any) -> Path:
    return write_submission(Card(name, **card), [entry or honest()], board, versions=VERSIONS)


def forge(board: Path, entry: Entry, name: str = "mine", **card: Any) -> Path:
    """Write a folder whose digests all agree, whatever the entry says."""
    folder = board / "submissions" / name
    folder.mkdir(parents=True)
    text = write_document(name, 1, Card(name, **card), [entry], "2026-01-31T12:00:00Z", VERSIONS)
    (folder / "submission.json").write_bytes(text)
    (folder / "demo-city-val.parquet").write_bytes(
        encode_predictions(entry.query_paths, entry.rows, entry.distances, entry.first_hit)
    )
    return folder


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "submission.json"
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document), "utf-8")


def the(board: Path, slug: str = "mine", **options: Any) -> Verified:
    [found] = verify_board(board, [slug], **options).entries
    return found


def outcome(found: Verified, name: str) -> str:
    return " ".join(check.outcome for check in found.checks if check.name == name)


def message(found: Verified, name: str) -> str:
    return " ".join(check.message for check in found.checks if check.name == name)


def test_an_honest_entry_passes_every_check(board: Path) -> None:
    enter(board)
    found = the(board)
    assert found.ok and found.status == "verified"
    assert {check.outcome for check in found.checks} == {PASSED}
    assert {check.name for check in found.checks} == set(CHECKS) - {
        "numbers", "weights", "history", "reproduced",
    }  # fmt: skip
    [result] = found.results
    assert result["hits"] == {str(n): count for n, count in honest().hits.items()}


def test_what_cannot_be_checked_is_a_warning_and_never_a_pass(board: Path) -> None:
    entry = honest(
        dataset="elsewhere", status="unverified", content=None, conditions=None, first_hit=None
    )
    enter(board, entry=entry, weights_digest="a" * 64)
    found = the(board)
    assert found.ok
    for name in ("fingerprint", "content", "query paths", "hits", "weights"):
        assert outcome(found, name) == WARNING, name
        assert message(found, name).startswith("unknown"), name


def test_ground_truth_of_an_installed_dataset_is_counted_against(
    board: Path, city: Path, good_descriptors: np.ndarray, tmp_path: Path
) -> None:
    from vgbench import load_dataset, score, submit
    from vgbench.datasets import import_dataset

    data = tmp_path / "data root"
    import_dataset("my-city", city, data)
    result = score(good_descriptors, load_dataset("my-city", data_root=data))
    folder = submit(result, "mine", root=board).folder
    found = the(board, data_root=data)
    assert outcome(found, "hits") == outcome(found, "query paths") == PASSED
    assert outcome(found, "fingerprint") == WARNING
    assert outcome(the(board, data_root=tmp_path / "empty"), "hits") == WARNING
    edit(folder, lambda document: document["results"][0]["hits"].update({"1": 5}))
    assert outcome(the(board, data_root=data), "hits") == FAILED


@pytest.mark.parametrize("n", RECALL_VALUES)
@pytest.mark.parametrize("by", [-1, 1])
def test_one_hit_count_changed_by_one_is_caught(board: Path, n: int, by: int) -> None:
    stated = honest().hits
    entry = honest(hits={**stated, n: stated[n] + by}, conditions=None, first_hit=None)
    forge(board, entry)
    found = the(board)
    assert found.failed() == ["hits"]
    assert f"hits at {n}: {stated[n] + by} stated, {stated[n]} counted" in message(found, "hits")
    # With conditions that still add up to the count before, it contradicts itself besides.
    forge(board, replace(honest(), hits=entry.hits), "with-conditions")
    assert {"hits", "schema"} <= set(the(board, "with-conditions").failed())


def test_a_hit_moved_between_conditions_is_caught(board: Path) -> None:
    conditions = {
        name: {"queries": part["queries"], "hits": dict(part["hits"])}
        for name, part in (honest().conditions or {}).items()
    }
    first, second, *_ = conditions
    conditions[first]["hits"][1] += 1
    conditions[second]["hits"][1] -= 1
    forge(board, honest(conditions=conditions))
    found = the(board)
    assert found.failed() == ["conditions"]
    assert f"{first}: hits at 1" in message(found, "conditions")


def _with_row(query: int, rank: int, row: int) -> np.ndarray:
    rows = predictions(0)
    rows[query, rank] = row
    return rows


def test_one_prediction_changed_is_caught(board: Path) -> None:
    folder = enter(board)
    entry = honest()
    localized = int(np.flatnonzero(entry.first_hit == 0)[0])
    rows = _with_row(localized, 19, next(r for r in range(COUNT) if r not in entry.rows[localized]))
    content = encode_predictions(entry.query_paths, rows, entry.distances, entry.first_hit)
    (folder / "demo-city-val.parquet").write_bytes(content)
    found = the(board)
    assert found.failed() == ["digests"]
    assert "database rows" in message(found, "digests")


def test_one_distance_and_one_query_name_changed_are_caught(board: Path) -> None:
    folder = enter(board)
    entry = honest()
    distances = entry.distances.copy()
    distances[0, -1] += 1
    paths = [*entry.query_paths[:-1], entry.query_paths[-1] + "x"]
    content = encode_predictions(paths, entry.rows, distances, entry.first_hit)
    (folder / "demo-city-val.parquet").write_bytes(content)
    found = the(board)
    assert set(found.failed()) == {"digests", "query paths"}
    assert "distances, query names" in message(found, "digests")


def test_another_fingerprint_is_caught(board: Path) -> None:
    forge(board, honest(ground_truth="0" * 64))
    found = the(board)
    assert found.failed() == ["fingerprint", "status"]
    assert TRUTH.ground_truth[:12] in message(found, "fingerprint")
    assert outcome(found, "hits") == WARNING


def test_a_duplicated_row_id_is_caught_though_every_digest_agrees(board: Path) -> None:
    rows = predictions(0)
    rows[5, 19] = rows[5, 18]
    forge(board, honest(rows))
    found = the(board)
    assert found.failed() == ["unique rows"]
    assert "query 5" in message(found, "unique rows")


def test_a_digest_of_other_weights_is_caught(board: Path) -> None:
    import hashlib

    included = hashlib.sha256(reference_file().read_bytes()).hexdigest()
    enter(board, "good", honest(status="reproduced"), weights_digest=included)
    good = the(board, "good")
    assert good.ok and outcome(good, "weights") == PASSED and good.status == "reproduced"
    enter(board, "bad", honest(seed=1, status="reproduced"), weights_digest="a" * 64)
    bad = the(board, "bad")
    assert bad.failed() == ["status", "weights"] and bad.status == "verified"


def test_weights_in_the_folder_must_have_the_stated_digest(board: Path) -> None:
    import hashlib

    content = b"weights"
    digest = hashlib.sha256(content).hexdigest()
    folder = enter(board, entry=honest(status="reproduced"), weights_digest=digest)
    assert the(board).failed() == ["status", "weights"]
    (folder / "model.safetensors").write_bytes(content)
    found = the(board)
    assert found.ok and found.status == "reproduced"
    (folder / "model.safetensors").write_bytes(b"others")
    assert the(board).failed() == ["status", "weights"]


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("ranges", lambda: honest(_with_row(2, 4, -1))),
        ("distances", lambda: honest(distances=-honest().distances[:, ::-1].copy())),
        ("distances", lambda: honest(distances=honest().distances[:, ::-1].copy())),
        ("distances", lambda: honest(distances=np.full_like(honest().distances, np.nan))),
        ("distances", lambda: honest(distance="cosine", distances=honest().distances + 2)),
        ("ranges", lambda: honest(database=COUNT + 1)),
        ("query paths", lambda: honest(query_paths=list(TRUTH.query_paths)[::-1])),
        ("hits", lambda: honest(queries_without_positives=WITHOUT + 1)),
        ("schema", lambda: honest(hits={**honest().hits, 1: 73}, conditions=None)),
        ("schema", lambda: honest(dimension=0)),
        ("status", lambda: honest(dataset="elsewhere")),
        ("hits", lambda: honest(first_hit=np.full(72, -1, np.int32))),
    ],
)  # fmt: skip
def test_numbers_that_cannot_be_are_caught_by_name(
    board: Path, name: str, entry: Callable[[], Entry]
) -> None:
    forge(board, entry())
    assert name in the(board).failed()


def test_a_row_beyond_the_database_fails_and_is_not_counted(board: Path) -> None:
    rows = predictions(0)
    entry = honest(rows)
    rows[0, 0] = COUNT
    forge(board, replace(entry, rows=rows))
    found = the(board)
    assert found.failed() == ["ranges"]
    assert outcome(found, "hits") == ""


def test_other_images_than_any_known_edition_are_a_warning(board: Path) -> None:
    enter(board, entry=honest(content="b" * 64))
    found = the(board)
    assert found.ok and outcome(found, "content") == WARNING


def test_files_that_do_not_belong_there_are_caught(board: Path, tmp_path: Path) -> None:
    folder = enter(board)
    (folder / "withdrawn.txt").write_text("a reason")
    assert the(board).ok
    (folder / "run\x1b[31m.sh").write_text("echo")
    (folder / ".gitattributes").write_text("* filter=x")
    (folder / "link.parquet").symlink_to(tmp_path)
    found = the(board)
    assert found.failed() == ["files"]
    for name in ("run[31m.sh", ".gitattributes", "link.parquet is not a plain file"):
        assert name in message(found, "files")


def test_a_folder_that_is_a_link_or_empty_or_no_json_fails(board: Path, tmp_path: Path) -> None:
    enter(board, "good")
    there = board / "submissions"
    (there / "empty").mkdir()
    (there / "broken").mkdir()
    (there / "broken" / "submission.json").write_text('{"schema": 1')
    (there / "linked").symlink_to(there / "good")
    (there / "Ünlaut \x1b[31m").mkdir()
    report = verify_board(board)
    assert not report.ok
    assert [entry.submission for entry in report.entries if entry.ok] == ["good"]
    for entry in report.entries:
        assert entry.ok or "schema" in entry.failed()
        assert entry.ok or entry.status is None


def test_an_unknown_slug_is_said(board: Path) -> None:
    enter(board)
    with pytest.raises(SubmissionError, match="no submission nobody"):
        verify_board(board, ["nobody"])
    with pytest.raises(SubmissionError):
        verify_board(board, ["../submissions/mine"])


def test_an_empty_board_has_nothing_wrong(board: Path) -> None:
    report = verify_board(board)
    assert report.ok and report.entries == ()


def test_a_copy_under_other_authors_fails_and_the_original_does_not(board: Path) -> None:
    forge(board, honest(), "original", authors="A")
    enter(board, "copy", authors="B")
    assert the(board, "copy").failed() == ["copies"]
    assert "original" in message(the(board, "copy"), "copies")
    assert the(board, "original").ok
    # One that claims to be the older is the copy all the same, while it is not on the board yet.
    assert the(board, "original", newcomers=["original"]).failed() == ["copies"]


def test_the_same_work_twice_is_said_and_let_be(board: Path) -> None:
    enter(board, authors="A")
    enter(board, authors="A")
    found = the(board, "mine-r2")
    assert found.ok and outcome(found, "copies") == WARNING
    assert "an earlier revision, mine" in message(found, "copies")


def _nearly(share: float) -> np.ndarray:
    """Predictions of which a share are those of `predictions(0)`."""
    rows = predictions(0)
    order = np.random.default_rng(1).permutation(len(rows))[: round((1 - share) * len(rows))]
    rows[order] = rows[order, ::-1]
    return rows


def test_nearly_identical_predictions_are_a_warning(board: Path) -> None:
    enter(board, "original", authors="A")
    enter(board, "far", honest(_nearly(NEARLY - 0.05)), authors="B")
    enter(board, "other", honest(seed=1), authors="B")
    for name in ("original", "far", "other"):
        assert outcome(the(board, name), "copies") == PASSED
    enter(board, "near", honest(_nearly(NEARLY + 0.02)), authors="B")
    found = the(board, "near")
    assert found.ok and outcome(found, "copies") == WARNING
    assert outcome(the(board, "other"), "copies") == PASSED


def test_a_copy_with_one_prediction_changed_is_said(board: Path) -> None:
    enter(board, "original", authors="A")
    rows = predictions(0)
    rows[0, [0, 1]] = rows[0, [1, 0]]
    assert predictions_digest(rows) != predictions_digest(predictions(0))
    enter(board, "near", honest(rows), authors="B")
    assert outcome(the(board, "near"), "copies") != PASSED


def test_printed_percentages_that_no_count_gives_are_said(board: Path) -> None:
    def published(name: str, recall: float, queries: int | None) -> Verified:
        entry = Entry(
            "tokyo-xs", "test", None, None, 1, 25.0, None, queries, None, None, None,
            status="published", recalls={1: recall},
        )  # fmt: skip
        enter(board, name, entry)
        return the(board, name)

    assert outcome(published("possible", 28.25, 315), "numbers") == PASSED  # 89 of 315
    impossible = published("impossible", 28.32, 315)
    assert impossible.ok and outcome(impossible, "numbers") == WARNING
    assert "28.32" in message(impossible, "numbers")
    assert outcome(published("of-unknown", 28.32, None), "numbers") == WARNING


def test_several_results_are_told_apart(board: Path) -> None:
    other = honest(dataset="elsewhere", status="unverified", conditions=None)
    write_submission(Card("mine"), [honest(), other], board)
    found = the(board)
    assert found.ok and found.status == "unverified"
    assert "elsewhere/val: unknown" in message(found, "fingerprint")
    assert len(found.results) == 2


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_the_board_refuses_verification_refuses(board: Path, seed: int) -> None:
    """Random damage to the two files: nothing may pass that the board's reader leaves out."""
    chance = random.Random(seed)
    folder = enter(board)
    path = folder / chance.choice(["submission.json", "demo-city-val.parquet"])
    content = bytearray(path.read_bytes())
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(content))
        if chance.random() < 0.5:
            content[place] = chance.randrange(256)
        else:
            del content[place : place + chance.randint(1, 40)]
    path.write_bytes(bytes(content))
    try:
        read_submission(folder)
    except SubmissionError:
        assert not the(board).ok
    else:
        the(board)  # may still find that hits are not what is counted


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_field_is_replaced_the_two_agree(board: Path, seed: int) -> None:
    chance = random.Random(seed)
    folder = enter(board)
    values = [None, -1, 0, 3, 2**70, "x", "", [], {}, True, 1e308, "0" * 64, {"1": 3}]

    def change(document: dict[str, Any]) -> None:
        place: Any = document
        while True:
            key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if isinstance(place[key], (dict, list)) and place[key] and chance.random() < 0.8:
                place = place[key]
                continue
            place[key] = chance.choice(values)
            return

    edit(folder, change)
    try:
        read_submission(folder)
    except SubmissionError:
        assert not the(board).ok
    else:
        the(board)


def test_a_status_that_is_none_is_refused(board: Path) -> None:
    folder = enter(board)
    edit(folder, lambda document: document["results"][0].update(status="excellent"))
    found = the(board)
    assert "schema" in found.failed() and found.status is None


def test_the_record_says_what_was_verified_when(board: Path) -> None:
    enter(board, "one")
    enter(board, "two", honest(seed=1))
    record(board, verify_board(board))
    kept = read_verified(board)
    assert list(kept) == ["one", "two"]
    assert set(kept["one"]) == {"digest", "at", "version", "ok"} and kept["one"]["ok"] is True
    # Another's record stays, and one whose submission is gone is forgotten.
    import shutil

    shutil.rmtree(board / "submissions" / "two")
    enter(board, "three", honest(seed=2))
    record(board, verify_board(board, ["three"]))
    assert list(read_verified(board)) == ["one", "three"]
    assert read_verified(board)["one"] == kept["one"]


def test_a_submission_edited_after_it_was_verified_is_noticed(board: Path) -> None:
    folder = enter(board)
    record(board, verify_board(board))
    assert outcome(the(board), "history") == ""
    edit(folder, lambda document: document["method"].update(authors="somebody else"))
    assert outcome(the(board), "history") == WARNING


def test_a_record_that_is_damaged_or_hostile_is_passed_over(board: Path) -> None:
    enter(board)
    for text in ("", "[]", "[" * 100_000, '{"mine": 3}', '{"mine": {"digest": 1}}', "\xff"):
        verified_path(board).write_text(text, "latin-1")
        assert read_verified(board) == {}
        assert the(board).ok
    record(board, verify_board(board))
    assert read_verified(board)["mine"]["ok"]


def test_a_writer_of_the_record_that_was_killed_leaves_nothing_after_the_next(board: Path) -> None:
    enter(board)
    left = board / "leaderboard" / ".vgbench-tmp-dead.json"
    left.write_text("half")
    record(board, verify_board(board))
    assert not left.exists()


_RECORDING = """
import sys
from vgbench.leaderboard.verification import verify_board
from vgbench.leaderboard.verified import record
report = verify_board(sys.argv[1])
print("ready", flush=True)
while True:
    record(sys.argv[1], report)
"""


@pytest.mark.slow
def test_the_record_survives_kills_at_any_instant(board: Path) -> None:
    import subprocess
    import sys
    import time

    for seed in range(30):
        enter(board, f"method-{seed}", honest(seed=seed))
    record(board, verify_board(board))
    chance = random.Random(0)
    for _ in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", _RECORDING, str(board)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0, 0.02))
        process.kill()
        process.wait()
        process.stdout.close()
        assert len(read_verified(board)) == 30
    record(board, verify_board(board))
    assert list((board / "leaderboard").glob(".vgbench-tmp-*.json")) == []
