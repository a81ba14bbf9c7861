from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vgbench.datasets import load_dataset
from vgbench.datasets.ground_truth import FOLDER, load_ground_truth, write_ground_truth
from vgbench.errors import DatasetError, DatasetNotFound


@pytest.mark.parametrize("split", ["val", "test"])
def test_the_kept_ground_truth_of_demo_city_is_that_of_its_images(split: str) -> None:
    kept, dataset = load_ground_truth("demo-city", split), load_dataset("demo-city", split)
    assert kept.pinned and kept.ground_truth == dataset.ground_truth
    assert list(kept.database_paths) == list(dataset.database_paths)
    assert list(kept.query_paths) == list(dataset.query_paths)
    assert np.array_equal(kept.database_positions, dataset.database_positions)
    assert np.array_equal(kept.query_positions, dataset.query_positions)
    assert kept.query_conditions == dataset.query_conditions and len(kept) == len(dataset)


def test_what_is_written_is_read(city: Path, tmp_path: Path) -> None:
    dataset = load_dataset(city)
    path = write_ground_truth(dataset, tmp_path)
    assert path.name == "my-city-test.parquet"
    found = load_ground_truth("my-city", "test", tmp_path)
    assert found.ground_truth == dataset.ground_truth and not found.pinned
    assert found.query_conditions is None
    again = write_ground_truth(found, tmp_path / "again")
    assert again.read_bytes() == path.read_bytes()


def test_names_that_are_not_the_pinned_ones_are_refused(tmp_path: Path) -> None:
    val = write_ground_truth(load_ground_truth("demo-city", "val"), tmp_path)
    val.rename(tmp_path / "demo-city-test.parquet")
    with pytest.raises(DatasetError, match="is pinned"):
        load_ground_truth("demo-city", "test", tmp_path)


def test_damage_is_an_error_or_changes_nothing(tmp_path: Path) -> None:
    kept = load_ground_truth("demo-city", "val")
    path = write_ground_truth(kept, tmp_path)
    whole, refused = path.read_bytes(), 0
    for at in range(0, len(whole), 97):
        damaged = bytearray(whole)
        damaged[at] ^= 0x55
        path.write_bytes(damaged)
        try:
            found = load_ground_truth("demo-city", "val", tmp_path)
        except DatasetError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            assert found.ground_truth == kept.ground_truth
            assert np.array_equal(found.database_positions, kept.database_positions)
    assert refused > len(whole) / 97 / 2


def test_what_is_not_kept_says_what_is() -> None:
    with pytest.raises(DatasetNotFound, match="only of demo-city-test, demo-city-val"):
        load_ground_truth("sf-xs")
    assert FOLDER.is_dir()
