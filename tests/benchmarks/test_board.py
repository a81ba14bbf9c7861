"""The entries that the repository's board ships with: how they are made, and that they hold."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import vgbench
from vgbench.leaderboard import Submission, read_submission
from vgbench.leaderboard.reproducing import compare
from vgbench.models import load_model
from vgbench.models.classical import CLASSICAL

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "benchmarks" / "board.py"
STUDY = {"study-reference", "study-reference-cosine", "study-reference-avg-pooling", "untrained"}


def make(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--root", str(root), *arguments],
        capture_output=True,
        text=True,
    )


def made_again() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Descriptors of demo-city test by the included weights, computed now."""
    dataset = vgbench.load_dataset("demo-city")
    rows = vgbench.extract(load_model("reference"), dataset).descriptors
    return rows[: len(dataset.database_paths)], rows[len(dataset.database_paths) :]


def assert_given_by(entry: Submission, halves: tuple[NDArray[np.float32], ...]) -> None:
    """Predictions are those of the descriptors, but for near ties.

    Processors differ in the last bits of a convolution. A prediction may stand at another rank only
    where its distance, computed again, is the stated one to within a thousandth of the query's
    median distance (`vgbench.leaderboard.reproducing.TOLERANCE`), and no image that is nearer than
    the last prediction by more than that may be missing.
    """
    (result,) = entry.entries
    found = compare(*halves, result.distance, result.rows, result.distances)
    assert not found.wrong.any(), np.flatnonzero(found.wrong)
    assert found.moved <= 0.01 * result.rows.size


def test_the_shipped_reference_is_what_its_weights_give_today() -> None:
    folders = [REPOSITORY / "submissions" / slug for slug in sorted(STUDY) if "avg" not in slug]
    folders = [folder for folder in folders if folder.exists() and folder.name != "untrained"]
    if not folders:
        pytest.skip("this checkout ships no entry of the reference")
    halves = made_again()
    for folder in folders:
        entry = read_submission(folder)
        assert entry.document.card.weights_digest == load_model("reference").digest
        assert entry.status == "reproduced"
        assert_given_by(entry, halves)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board with all of them."""
    root = tmp_path_factory.mktemp("made")
    done = make(root, "--data-root", str(root / "data"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" new\n") == len(STUDY | CLASSICAL.keys())
    return root


@pytest.mark.slow
class TestMakingThem:
    """The whole of it, once, on a board of its own."""

    def test_every_entry_is_there_with_its_status(self, root: Path) -> None:
        rows = {row["slug"]: row for row in vgbench.load_leaderboard(root).to_dict("records")}
        assert rows.keys() == STUDY | CLASSICAL.keys()
        reproduced = {slug for slug, row in rows.items() if row["status"] == "reproduced"}
        assert reproduced == {"study-reference", "study-reference-cosine"}
        assert {row["status"] for row in rows.values()} == {"reproduced", "verified"}
        assert rows["study-reference-cosine"]["distance"] == "cosine"
        assert "trained with gem" in rows["study-reference-avg-pooling"]["architecture"]

    def test_the_reference_is_far_above_all_that_learned_nothing(self, root: Path) -> None:
        rows = {row["slug"]: row for row in vgbench.load_leaderboard(root).to_dict("records")}
        least = rows["study-reference"]["recall_1"] - 20
        assert all(rows[slug]["recall_1"] < least for slug in ("untrained", *CLASSICAL))

    def test_they_hold_against_the_weights_and_a_changed_prediction_does_not(
        self, root: Path
    ) -> None:
        halves = made_again()
        for slug in ("study-reference", "study-reference-cosine"):
            assert_given_by(read_submission(root / "submissions" / slug), halves)
        with pytest.raises(AssertionError):
            wrong = root / "submissions" / "study-reference-avg-pooling"
            assert_given_by(read_submission(wrong), halves)

    def test_made_again_they_are_kept_and_a_changed_card_is_replaced(self, root: Path) -> None:
        folder = root / "submissions" / "thumbnail"
        before = (folder / "submission.json").read_bytes()
        done = make(root, "thumbnail", "--data-root", str(root / "data"))
        assert " kept" in done.stdout
        assert (folder / "submission.json").read_bytes() == before
        (folder / "submission.json").write_bytes(before.replace(b"16\xc3\x9712", b"16x12"))
        done = make(root, "thumbnail", "--data-root", str(root / "data"))
        assert " replaced" in done.stdout
        assert "×" in read_submission(folder).document.card.method
        assert not (root / "submissions" / "thumbnail-r2").exists()

    def test_somebody_elses_entry_is_never_replaced(self, root: Path, tmp_path: Path) -> None:
        other = tmp_path / "board"
        shutil.copytree(root / "submissions" / "untrained", other / "submissions" / "untrained")
        path = other / "submissions" / "untrained" / "submission.json"
        path.write_bytes(path.read_bytes().replace(b"Made by benchmarks", b"Mine, not benchmarks"))
        before = path.read_bytes()
        done = make(other, "--data-root", str(root / "data"))
        assert done.returncode == 1
        assert "was not made by this script" in done.stderr
        assert "Traceback" not in done.stderr
        assert path.read_bytes() == before
        assert [entry.name for entry in (other / "submissions").iterdir()] == ["untrained"]


def test_an_entry_that_is_not_planned_is_a_usage_error(tmp_path: Path) -> None:
    done = make(tmp_path, "nothing")
    assert done.returncode == 2
    assert "study-reference" in done.stderr
    assert list(tmp_path.iterdir()) == []
