"""`vgbench verify` and `vgbench withdraw` as users and CI run them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgbench.datasets import load_dataset
from vgbench.entering import submit
from vgbench.evaluation import score
from vgbench.leaderboard.predictions import (
    StoredPredictions,
    encode_predictions,
    first_hit_digest,
    predictions_digest,
    read_predictions,
)

Vgbench = Callable[..., Any]


@pytest.fixture
def board() -> Path:
    return Path(os.environ["VGBENCH_ROOT"])


@pytest.fixture
def enter(board: Path) -> Callable[..., Path]:
    """`enter(name, seed)`: random descriptors of demo-city's val split, entered on the board."""

    def make(name: str = "mine", seed: int = 0, **card: Any) -> Path:
        dataset = load_dataset("demo-city", "val")
        rows = np.random.default_rng(seed).random((len(dataset), 4)).astype(np.float32)
        return submit(score(rows, dataset), name, root=board, **card).folder

    return make


def change_hits(folder: Path) -> None:
    path = folder / "submission.json"
    document = json.loads(path.read_text("utf-8"))
    document["results"][0]["hits"]["20"] += 1
    path.write_text(json.dumps(document), "utf-8")


def test_a_board_is_verified_in_lines_that_fit_80_columns(
    vgbench: Vgbench, enter: Callable[..., Path]
) -> None:
    enter("mine")
    enter("another", 1)
    ran = vgbench("verify")
    assert ran.code == 0, ran.err
    assert "✓ mine · verified" in ran.out and "✓ another · verified" in ran.out
    assert "✓ 2 entries verified, nothing wrong." in ran.out
    assert max(map(len, ran.out.splitlines())) <= 79
    for name in ("digests", "unique rows", "hits", "copies"):
        assert name in ran.out


def test_what_is_wrong_is_said_by_name_and_the_exit_code_is_1(
    vgbench: Vgbench, enter: Callable[..., Path]
) -> None:
    change_hits(enter("mine"))
    enter("another", 1)
    ran = vgbench("verify")
    assert ran.code == 1
    assert "✗ mine" in ran.out and "✗ hits: hits at 20" in ran.out
    assert "✓ another" in ran.out
    assert "2 entries verified, 1 with something wrong" in ran.out
    assert vgbench("verify", "another").code == 0
    ran = vgbench("verify", "mine", "--json")
    assert ran.code == 1
    document = ran.document
    assert document["ok"] is False
    [entry] = document["entries"]
    assert entry["submission"] == "mine" and entry["ok"] is False
    assert {"name": "unique rows", "outcome": "passed", "message": ""} in entry["checks"]
    failed = [check["name"] for check in entry["checks"] if check["outcome"] == "failed"]
    assert "hits" in failed


Document = dict[str, Any]


def rewrite(folder: Path, change: Callable[[Document, Any], Any]) -> None:
    """Tamper with an entry: `change(document, predictions)` edits the one, returns the other."""
    document = json.loads((folder / "submission.json").read_text("utf-8"))
    path = folder / "demo-city-val.parquet"
    found = change(document, read_predictions(path))
    if found is not None:
        path.write_bytes(encode_predictions(*found))
    (folder / "submission.json").write_text(json.dumps(document), "utf-8")


def with_right_digests(document: Document, found: StoredPredictions) -> StoredPredictions:
    """What a careful liar does: the digests are those of the predictions as they are now."""
    stored = document["results"][0]["predictions"]
    stored["rows"] = predictions_digest(found.rows)
    stored["first_hit"] = first_hit_digest(found.first_hit)
    return found


def one_hit_more(document: Document, found: StoredPredictions) -> None:
    document["results"][0]["hits"]["5"] += 1
    document["results"][0]["conditions"]["night"]["hits"]["5"] += 1


def one_hit_fewer(document: Document, found: StoredPredictions) -> None:
    document["results"][0]["hits"]["20"] -= 1
    document["results"][0]["conditions"]["day"]["hits"]["20"] -= 1


def one_prediction_changed(document: Document, found: StoredPredictions) -> StoredPredictions:
    found.rows[3, 19] = next(row for row in range(180) if row not in found.rows[3])
    return found


def one_prediction_changed_and_its_digest(
    document: Document, found: StoredPredictions
) -> StoredPredictions:
    """Of a query that is localized at 20 and not at 10: its first positive takes the first rank."""
    query = int(np.flatnonzero(found.first_hit >= 10)[0])
    rank = found.first_hit[query]
    found.rows[query, [0, rank]] = found.rows[query, [rank, 0]]
    found.first_hit[query] = 0
    return with_right_digests(document, found)


def another_fingerprint(document: Document, found: StoredPredictions) -> None:
    fingerprint = document["results"][0]["ground_truth"]
    document["results"][0]["ground_truth"] = f"{int(fingerprint[0], 16) ^ 1:x}{fingerprint[1:]}"


def a_row_twice(document: Document, found: StoredPredictions) -> StoredPredictions:
    query = int(np.flatnonzero((found.first_hit >= 0) & (found.first_hit < 18))[0])
    found.rows[query, 19] = found.rows[query, 18]
    return with_right_digests(document, found)


def other_weights(document: Document, found: StoredPredictions) -> None:
    document["method"]["weights_digest"] = "a" * 64
    document["results"][0]["status"] = "reproduced"


@pytest.mark.parametrize(
    ("change", "names", "said"),
    [
        (one_hit_more, {"hits", "conditions"}, "hits at 5"),
        (one_hit_fewer, {"hits", "conditions"}, "hits at 20"),
        (one_prediction_changed, {"digests"}, "the database rows are not those"),
        (one_prediction_changed_and_its_digest, {"hits", "conditions"}, "hits at 1"),
        (another_fingerprint, {"fingerprint", "status"}, "the registry pins"),
        (a_row_twice, {"unique rows"}, "more than once"),
        (other_weights, {"weights", "status"}, "aaaa"),
    ],
)
def test_each_lie_is_caught_by_name_and_nothing_else_is_said(
    vgbench: Vgbench,
    enter: Callable[..., Path],
    change: Callable[[Document, Any], Any],
    names: set[str],
    said: str,
) -> None:
    enter("honest", 1)
    rewrite(enter("mine"), change)
    ran = vgbench("verify", "--json")
    assert ran.code == 1 and ran.document["ok"] is False
    honest, mine = ran.document["entries"]
    assert honest["submission"] == "honest" and honest["ok"]
    failed = {check["name"]: check for check in mine["checks"] if check["outcome"] == "failed"}
    assert failed.keys() == names
    assert any(said in check["message"] for check in failed.values()), failed


def test_a_weights_file_of_another_digest_is_caught(
    vgbench: Vgbench, enter: Callable[..., Path]
) -> None:
    folder = enter("mine")
    (folder / "model.safetensors").write_bytes(b"these are other weights")
    rewrite(folder, other_weights)
    ran = vgbench("verify", "mine")
    assert ran.code == 1 and "✗ weights: " in ran.out and "model.safetensors" in ran.out


def test_an_entry_is_named_by_its_folder_too(
    vgbench: Vgbench, enter: Callable[..., Path], tmp_path: Path
) -> None:
    folder = enter("mine")
    ran = vgbench("verify", folder, "--json")
    assert [entry["submission"] for entry in ran.document["entries"]] == ["mine"]
    for wrong in (tmp_path, folder / "submission.json", "./nowhere"):
        ran = vgbench("verify", wrong)
        assert ran.code == 2 and "submissions/NAME" in ran.err
    ran = vgbench("verify", "nobody")
    assert ran.code == 1 and "no submission nobody" in ran.err


def test_options_that_exclude_each_other_are_usage_errors(vgbench: Vgbench, tmp_path: Path) -> None:
    for arguments in (
        ("--format", "html"),
        ("mine", "--changed-since", "main"),
        ("--changed-since", "main", "--record"),
        ("--read", tmp_path / "x", "--record"),
    ):
        assert vgbench("verify", *arguments).code == 2


def test_markdown_is_a_comment_and_a_kept_report_gives_the_same(
    vgbench: Vgbench, enter: Callable[..., Path], tmp_path: Path
) -> None:
    enter("<script>alert(1)</script>[/bold]|`x` @team www.example.org")
    comment = vgbench("verify", "--format", "markdown")
    assert comment.code == 0
    assert "| entry | dataset |" in comment.out
    for harmful in ("<script>", "@team", "www.example", "|`"):
        assert harmful not in comment.out
    (tmp_path / "report.json").write_text(vgbench("verify", "--json").out, "utf-8")
    again = vgbench("verify", "--read", tmp_path / "report.json", "--format", "markdown")
    assert again.out == comment.out


def test_an_error_is_one_json_document(vgbench: Vgbench) -> None:
    ran = vgbench("verify", "nobody", "--json")
    assert ran.code == 1
    assert ran.document["error"]["type"] == "SubmissionError"


def test_an_empty_board_is_said(vgbench: Vgbench) -> None:
    ran = vgbench("verify")
    assert ran.code == 0 and "no entries" in ran.out


def test_the_record_is_written_and_kept_out_of_the_way(
    vgbench: Vgbench, enter: Callable[..., Path], board: Path
) -> None:
    change_hits(enter("bad"))
    enter("good", 1)
    assert vgbench("verify", "--record").code == 1
    kept = json.loads((board / "leaderboard" / "verified.json").read_text("utf-8"))
    assert {slug: found["ok"] for slug, found in kept.items()} == {"bad": False, "good": True}


@pytest.mark.slow
def test_without_running_the_weights_reproduction_is_unknown_and_with_it_known(
    vgbench: Vgbench, tmp_path: Path
) -> None:
    from vgbench.models import save_model, untrained_model

    save_model(untrained_model("resnet18(layer2)+gem+fc16", seed=0), tmp_path / "m.safetensors")
    assert vgbench(
        "evaluate", tmp_path / "m.safetensors", "-d", "demo-city/val", "--name", "mine"
    ).code == 0  # fmt: skip
    folder = Path(os.environ["VGBENCH_ROOT"]) / "submissions" / "mine"
    (folder / "model.safetensors").write_bytes((tmp_path / "m.safetensors").read_bytes())
    path = folder / "submission.json"
    path.write_text(path.read_text().replace('"status": "verified"', '"status": "reproduced"'))
    ran = vgbench("verify", "mine")
    assert ran.code == 0 and "⚠ reproduced: unknown" in ran.out
    ran = vgbench("verify", "mine", "--reproduce")
    assert ran.code == 0 and "✓ reproduced: every prediction is the same" in ran.out


def test_withdrawing_keeps_the_entry_and_says_why(
    vgbench: Vgbench, enter: Callable[..., Path]
) -> None:
    folder = enter("mine")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    ran = vgbench("withdraw", "mine", "--reason", "trained on\nthe test set \x1b[31m")
    assert ran.code == 0, ran.err
    assert (folder / "withdrawn.txt").read_text("utf-8") == "trained on the test set [31m\n"
    assert all((folder / name).read_bytes() == content for name, content in before.items())
    assert vgbench("verify", "mine").code == 0
    again = vgbench("withdraw", "mine", "--reason", "once more")
    assert again.code == 1 and "withdrawn already" in again.err
    assert "trained on" in (folder / "withdrawn.txt").read_text("utf-8")


@pytest.mark.parametrize("slug", ["nobody", "../submissions/mine", ""])
def test_only_entries_that_are_there_are_withdrawn(
    vgbench: Vgbench, enter: Callable[..., Path], slug: str, board: Path
) -> None:
    enter("mine")
    ran = vgbench("withdraw", slug, "--reason", "x")
    assert ran.code == 1 and "There is no submission" in ran.err
    assert list(board.rglob("withdrawn.txt")) == []


@pytest.mark.parametrize("reason", ["", " \n", "x" * 501])
def test_a_withdrawal_needs_a_reason(
    vgbench: Vgbench, enter: Callable[..., Path], reason: str
) -> None:
    enter("mine")
    ran = vgbench("withdraw", "mine", "--reason", reason)
    assert ran.code == 1 and "1 to 500 characters" in ran.err


def test_the_change_since_a_ref_is_reviewed(
    vgbench: Vgbench, enter: Callable[..., Path], board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *who, *arguments], cwd=board, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    git("commit", "-q", "--allow-empty", "-m", "start")
    git("checkout", "-q", "-b", "add")
    enter("mine")
    git("add", "submissions")
    git("commit", "-q", "-m", "entry")
    ran = vgbench("verify", "--changed-since", "main")
    assert ran.code == 0, ran.out + ran.err
    assert "· it adds mine" in ran.out and "the change may be made" in ran.out
    git("add", "leaderboard")
    git("commit", "-q", "-m", "derived")
    ran = vgbench("verify", "--changed-since", "main", "--json")
    assert ran.code == 1
    assert "derived" in ran.document["change"]["problems"][0]
    said = vgbench("verify", "--changed-since", "main").out.splitlines()[-1]
    assert said == "✗ 1 entry verified; the change may not be made: 1 problem."
    git("reset", "-q", "--hard", "HEAD~1")
    change_hits(board / "submissions" / "mine")
    git("commit", "-q", "-a", "-m", "a lie")
    said = vgbench("verify", "--changed-since", "main").out.splitlines()[-1]
    assert said == "✗ 1 entry verified, 1 with something wrong; the change may not be made."
    assert vgbench("verify", "--changed-since", "nothing").code == 2
