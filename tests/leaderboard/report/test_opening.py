"""What may be named on the command line, and what each of it opens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vgbench.datasets import load_dataset
from vgbench.entering import submit
from vgbench.errors import DescriptorError, UsageError
from vgbench.evaluation import Result, score
from vgbench.leaderboard.report.opening import open_evaluation


def noisy(seed: int, split: str = "test") -> Result:
    return score(rows_of(seed, split), load_dataset("demo-city", split))


def rows_of(seed: int, split: str) -> NDArray[np.float32]:
    """Descriptors of demo-city that are positions with noise."""
    dataset = load_dataset("demo-city", split)
    where = np.concatenate([dataset.database_positions, dataset.query_positions])
    noise = np.random.default_rng(seed).normal(scale=20, size=where.shape)
    return np.asarray(where - where.mean(axis=0) + noise, np.float32)


def test_a_slug_a_folder_its_document_and_its_predictions_are_the_same_evaluation() -> None:
    result = noisy(3)
    folder = submit(result, "mine").folder
    for given in ("mine", folder, folder / "submission.json", folder / "demo-city-test.parquet"):
        found = open_evaluation(str(given))
        assert (found.slug, found.title) == ("mine", "demo-city/test")
        assert np.array_equal(found.rows, result.predictions.rows)
        assert found.command == "vgbench report mine -d demo-city/test"


def test_a_predictions_file_chooses_among_several_results() -> None:
    folder = submit([noisy(0), noisy(1, "val")], "both").folder
    for split in ("test", "val"):
        file = str(folder / f"demo-city-{split}.parquet")
        assert open_evaluation(file).split == split
        assert open_evaluation(file, f"demo-city/{split}").split == split
    with pytest.raises(UsageError, match="holds demo-city/val, not demo-city/test"):
        open_evaluation(str(folder / "demo-city-val.parquet"), "demo-city/test")
    (folder / "other.parquet").touch()
    with pytest.raises(UsageError, match=r"none of the submission's predictions: demo-city-test"):
        open_evaluation(str(folder / "other.parquet"))


@pytest.mark.parametrize("distance", ["l2", "cosine"])
def test_descriptors_are_scored_and_the_command_makes_the_same_again(
    tmp_path: Path, distance: str
) -> None:
    rows = rows_of(5, "test")
    np.save(tmp_path / "my net.npy", rows)
    asked = None if distance == "l2" else distance
    found = open_evaluation(str(tmp_path / "my net.npy"), distance=asked)
    expected = score(rows, load_dataset("demo-city"), distance=distance)
    assert np.array_equal(found.rows, expected.predictions.rows)
    assert (found.slug, found.name, found.distance) == ("my-net", "my net", distance)
    tail = "" if asked is None else " --distance cosine"
    assert found.command == f"vgbench report 'my net.npy' -d demo-city/test{tail}"


def test_a_page_does_not_say_where_a_folder_is_on_ones_machine(
    tmp_path: Path, city: Path, good_descriptors: NDArray[np.float32]
) -> None:
    np.save(tmp_path / "a.npy", good_descriptors)
    found = open_evaluation(str(tmp_path / "a.npy"), str(city))
    assert found.command == "vgbench report a.npy -d 'my city'"


def test_more_predictions_are_made_of_descriptors_when_more_are_to_be_shown(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", rows_of(5, "test"))
    assert open_evaluation(str(tmp_path / "a.npy"), top=33).rows.shape == (240, 33)


def test_a_distance_is_not_for_predictions() -> None:
    submit(noisy(3), "mine")
    with pytest.raises(UsageError, match="--distance is for descriptors"):
        open_evaluation("mine", distance="cosine")


def test_a_model_is_to_be_evaluated_first(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in ("net.pth", "run/model.safetensors", "run/run.json"):
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match=r"is a model.*vgbench evaluate \S*net\.pth"):
        open_evaluation(str(tmp_path / "net.pth"))
    with pytest.raises(UsageError, match=r"vgbench evaluate \S*run/model\.safetensors"):
        open_evaluation(str(tmp_path / "run"))


def test_what_is_neither_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DescriptorError, match=r"not a \.npy array"):
        open_evaluation(str(tmp_path / "notes.txt"))
    submit(noisy(3), "mine")
    with pytest.raises(UsageError, match="Did you mean mine"):
        open_evaluation("mina")
