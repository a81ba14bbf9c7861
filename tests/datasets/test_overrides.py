from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vgbench.datasets import import_dataset, load_dataset
from vgbench.datasets.overrides import override_conditions, read_override, reset_conditions
from vgbench.errors import DatasetError

MakeFolder = Callable[..., Path]
QUERIES = ["queries/@1@2@.jpg", "queries/a/@3@4@.jpg", "queries/b/@3@4@.jpg"]


@pytest.fixture
def root() -> Path:
    return Path(os.environ["VGBENCH_DATA"])


def csv(folder: Path, *rows: str) -> Path:
    file = folder / "mine.csv"
    file.write_text("\n".join(rows), "utf-8")
    return file


def test_rows_hold_over_what_the_names_say_and_the_rest_stays(tmp_path: Path) -> None:
    file = csv(tmp_path, "query,condition", "@1@2@.jpg,dusk", "", "queries/b/@3@4@.jpg,")
    labels = ["day", "sunset", "night"]
    assert read_override(file, QUERIES, labels) == ["dusk", "sunset", None]
    assert labels == ["day", "sunset", "night"]
    assert read_override(file, QUERIES, None) == ["dusk", None, None]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("@9@9@.jpg,day", "row 2: no query '@9@9@.jpg'"),
        ("@3@4@.jpg,day", "row 2: 2 queries are called '@3@4@.jpg'"),
        ("queries/@1@2@.jpg,night", "row 2: 'queries/@1@2@.jpg' again, as in row 1"),
        ("queries/a/@3@4@.jpg,day,night", "row 2: 3 cells"),
        ("queries/a/@3@4@.jpg,\x1b[2Jday", "row 2: .* is not a short plain word"),
    ],
)
def test_every_bad_row_is_named(tmp_path: Path, row: str, complaint: str) -> None:
    file = csv(tmp_path, "@1@2@.jpg,day", row)
    with pytest.raises(DatasetError, match=complaint):
        read_override(file, QUERIES, None)


@pytest.mark.parametrize("text", ["", "query,condition"])
def test_a_file_without_rows_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DatasetError, match="there are no rows"):
        read_override(csv(tmp_path, text), QUERIES, None)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_override(tmp_path / "none.csv", QUERIES, None)


def test_an_installed_dataset_keeps_its_conditions_until_they_are_reset(
    make_folder: MakeFolder, root: Path, tmp_path: Path
) -> None:
    folder = make_folder(parts={"test/database": 2, "test/queries": 2})
    import_dataset("my-set", folder)
    before = load_dataset("my-set")
    assert before.query_conditions is None and before.conditions_from is None
    kept = override_conditions("my-set", csv(tmp_path, f"{before.query_paths[1]},night"))
    assert kept == root / "my-set.test.conditions.csv"
    after = load_dataset("my-set")
    assert (after.query_conditions, after.conditions_from) == ([None, "night"], "overridden")
    assert after.ground_truth == before.ground_truth
    import_dataset("my-set", folder, replace=True)
    assert load_dataset("my-set").conditions_from == "overridden"
    assert reset_conditions("my-set", root) == [kept]
    assert load_dataset("my-set").query_conditions is None
    with pytest.raises(DatasetError, match="no query"):
        override_conditions("my-set", csv(tmp_path, "@0@0@.jpg,night"))
    assert not kept.exists()


def test_a_folder_has_its_conditions_beside_its_queries(make_folder: MakeFolder) -> None:
    folder = make_folder(notes=["day"])
    name = load_dataset(folder).query_paths[0]
    (folder / "conditions.csv").write_text(f"{name},fog", "utf-8")
    dataset = load_dataset(folder)
    assert dataset.query_conditions == ["fog", None, None]
    assert dataset.conditions_from == "overridden" and dataset.folder_given
    with pytest.raises(DatasetError, match="was not imported"):
        override_conditions(str(folder), folder / "conditions.csv")


def test_it_is_told_whether_conditions_are_stated_or_derived() -> None:
    assert load_dataset("demo-city").conditions_from == "stated"
