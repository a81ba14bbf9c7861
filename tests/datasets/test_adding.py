from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vgbench.datasets import load_dataset, remove_dataset
from vgbench.datasets.adding import add_dataset
from vgbench.datasets.private import load_private
from vgbench.errors import DatasetError, UsageError

PARTS = {"test/database": 2, "test/queries": 2}


def test_a_dataset_of_ones_own_is_pinned_and_goes_as_it_came(
    make_folder: Callable[..., Path],
) -> None:
    root = Path(os.environ["VGBENCH_DATA"])
    folder = make_folder(parts=PARTS, notes=["day", "night"])
    assert add_dataset("my-set", folder, condition="note") == root / "my-set"
    split, dataset = load_private(root)["my-set"].splits["test"], load_dataset("my-set")
    assert (split.database, split.queries) == (2, 2)
    assert (split.ground_truth, split.content) == (dataset.ground_truth, dataset.content)
    assert dataset.query_conditions == ["day", "night"] and not dataset.pinned
    with pytest.raises(DatasetError, match="is there already"):
        add_dataset("my-set", folder)
    remove_dataset("my-set")
    assert not load_private(root)
    add_dataset("my-set", folder, link=True)
    assert load_dataset("my-set").folder == folder / "test"


@pytest.mark.parametrize("name", ["sf-xs", "My_set", "a.b", ""])
def test_a_name_that_cannot_be_taken_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="choose another"):
        add_dataset(name, tmp_path)
