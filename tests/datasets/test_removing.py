from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vgbench.datasets import (
    dataset_path,
    import_dataset,
    installed,
    load_dataset,
    remove_dataset,
    verify_dataset,
)
from vgbench.datasets.private import find_spec, load_private, remember
from vgbench.errors import DatasetError, DatasetNotFound, UsageError

MakeFolder = Callable[..., Path]
PARTS = {"test/database": 2, "test/queries": 2}
BLOCK = """
[{0}]
title = "Mine"
description = "Some photographs."
terms = "Mine."
condition = "note"
[{0}.splits.test]
database = 2
"""


@pytest.fixture
def root() -> Path:
    return Path(os.environ["VGBENCH_DATA"])


def test_a_dataset_goes_with_all_that_is_kept_beside_it(
    make_folder: MakeFolder, root: Path
) -> None:
    import_dataset("my-set", make_folder(parts=PARTS))
    import_dataset("my-set-2", make_folder("other", PARTS))
    (root / "my-set.test.conditions.csv").write_text("x")
    remember(root, "my-set", BLOCK.format("my-set"))
    verify_dataset("my-set")
    (root / "my-set.lock.json").write_text("{}")
    (root / ".downloads" / "my-set").mkdir(parents=True)
    (root / ".downloads" / "my-set" / "my_set.zip.part").write_bytes(bytes(100_000))
    kept = [root / "my-set.lock.json", root / "my-set.verified.json"]
    kept += [*(root / "my-set").rglob("*"), *(root / ".downloads").rglob("*.part")]
    size = sum(path.stat().st_size for path in kept if path.is_file())
    removed = remove_dataset("my_set")  # as its archive is called
    assert (removed.name, removed.folder, removed.bytes) == ("my-set", root / "my-set", size)
    assert not (root / ".downloads").exists()
    assert installed() == [("my-set-2", "test")] and not load_private(root)
    left = {path.name for path in root.iterdir() if not path.name.startswith(".")}
    assert left == {"my-set-2", "registry.toml"}
    with pytest.raises(DatasetNotFound, match="is not installed"):
        remove_dataset("my-set")


@pytest.mark.parametrize("name", ["..", "../x", "", "sf-xs", ".locks"])
def test_only_installed_datasets_are_removed(root: Path, name: str) -> None:
    (root / "sf-xs").mkdir()
    with pytest.raises(DatasetNotFound):
        remove_dataset(name)
    assert (root / "sf-xs").is_dir()


def test_what_a_broken_download_left_is_removed_and_that_of_others_stays(root: Path) -> None:
    for name in ("sf-xs", "tokyo-xs"):
        (root / ".downloads" / name).mkdir(parents=True)
        (root / ".downloads" / name / "a.zip.part").write_bytes(bytes(10))
    assert remove_dataset("sf_xs").bytes == 10
    assert [path.name for path in (root / ".downloads").iterdir()] == ["tokyo-xs"]
    with pytest.raises(DatasetNotFound):
        remove_dataset("sf-xs")


def test_images_that_a_dataset_links_to_stay(make_folder: MakeFolder) -> None:
    folder = make_folder(parts=PARTS)
    import_dataset("my-set", folder, link=True)
    remove_dataset("my-set")
    assert len(list((folder / "test" / "database").iterdir())) == 2


def test_the_path_of_a_dataset_and_of_a_split(make_folder: MakeFolder, root: Path) -> None:
    import_dataset("my-set", make_folder(parts=PARTS))
    assert dataset_path("my-set") == root / "my-set"
    assert dataset_path("my-set/test") == root / "my-set" / "test"
    assert dataset_path("my_set") == root / "my-set"
    assert dataset_path("MY_set/test") == root / "my-set" / "test"
    with pytest.raises(DatasetNotFound):
        dataset_path("my-set/val")
    with pytest.raises(DatasetNotFound):
        dataset_path("tokyo-xs")


def test_the_users_registry_gives_a_rule_and_makes_nothing_official(
    make_folder: MakeFolder, root: Path
) -> None:
    import_dataset("my-set", make_folder(parts=PARTS, notes=["day", "night"]))
    remember(root, "my-set", BLOCK.format("my-set"))
    dataset = load_dataset("my-set")
    assert dataset.query_conditions == ["day", "night"]
    assert not dataset.registered and not dataset.pinned
    spec = find_spec("my-set", root)
    assert spec is not None and spec.private
    with pytest.raises(DatasetError, match="expected 2"):
        import_dataset("my-set", make_folder("big", {"database": 3, "queries": 1}), replace=True)


def test_the_users_registry_keeps_what_the_user_wrote(root: Path) -> None:
    remember(root, "one", BLOCK.format("one"))
    path = root / "registry.toml"
    path.write_text(path.read_text().replace("[one]", "# my words\n[one]"))
    remember(root, "two", BLOCK.format("two"))
    remember(root, "two", BLOCK.format("two").replace("Mine.", "Ours."))
    assert "# my words" in path.read_text() and path.read_text().count("[two]") == 1
    assert load_private(root)["two"].terms == "Ours."
    before = path.read_text()
    with pytest.raises(DatasetError, match="`title`"):
        remember(root, "three", "[three]")
    with pytest.raises(UsageError, match="registers itself"):
        remember(root, "sf-xs", BLOCK.format("sf-xs"))
    assert path.read_text() == before
