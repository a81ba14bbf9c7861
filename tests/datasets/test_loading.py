from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import vgbench
from vgbench.datasets import installed, load_dataset, load_registry, registry
from vgbench.datasets import manifest as manifest_module
from vgbench.datasets.expectations import recognise
from vgbench.datasets.importing import import_dataset
from vgbench.errors import (
    DatasetChanged,
    DatasetError,
    DatasetNotFound,
    ImageError,
    UsageError,
)

MakeFolder = Callable[..., Path]
Jpeg = Callable[..., bytes]


@pytest.fixture
def root() -> Path:
    return Path(os.environ["VGBENCH_DATA"])


def test_a_folder_opens_by_its_path(make_folder: MakeFolder) -> None:
    folder = make_folder("My Town", {"database": 6, "queries": 3})
    dataset = load_dataset(folder)
    assert (dataset.id, dataset.split, len(dataset)) == ("my-town", "test", 9)
    assert dataset.folder == folder and not dataset.registered and not dataset.pinned
    files = [f"database/{p.name}" for p in sorted((folder / "database").iterdir())]
    assert dataset.database_paths == files
    assert dataset.paths == files + list(dataset.query_paths)
    assert dataset.all_paths == [folder / path for path in dataset.paths]
    assert dataset.database_positions.shape == (6, 2) and dataset.query_positions.shape == (3, 2)
    assert dataset.database_positions.dtype == np.float64
    assert dataset.database_sizes.tolist() == [[24, 32]] * 6
    assert dataset.query_conditions is None
    assert load_dataset(str(folder)).ground_truth == dataset.ground_truth


def test_paths_are_canonical_whatever_the_folders_are_called(make_folder: MakeFolder) -> None:
    folder = make_folder("odd", {"w/images/test/gallery/a@b": 2, "w/images/test/queries_v1": 2})
    dataset = load_dataset(folder)
    assert all(path.startswith("database/a@b/@") for path in dataset.database_paths)
    assert all(path.startswith("queries/@") for path in dataset.query_paths)
    assert dataset.folder == folder / "w" / "images" / "test"
    assert all(path.is_file() for path in dataset.all_paths)
    assert dataset.database_positions[0].tolist() == [550_000, 4_180_000]


def test_the_split_is_asked_for_or_test_or_the_only_one(make_folder: MakeFolder) -> None:
    both = make_folder("both", {"val/database": 2, "val/queries": 1, "test/database": 3,
                                "test/queries": 2, "train/x": 1})  # fmt: skip
    assert (load_dataset(both).split, len(load_dataset(both))) == ("test", 5)
    assert (load_dataset(both, "val").split, len(load_dataset(both, "val"))) == ("val", 3)
    inside = load_dataset(both / "val")
    assert (inside.id, inside.split) == ("both", "val")
    one = make_folder("one", {"val/database": 2, "val/queries": 1})
    assert load_dataset(one).split == "val"
    with pytest.raises(DatasetError, match="for training: it has no queries"):
        load_dataset(both, "train")
    with pytest.raises(DatasetNotFound, match="no split 'test', only val"):
        load_dataset(one, "test")
    several = make_folder("several", {"val/database": 2, "val/queries": 1, "train/database": 2,
                                      "train/queries": 1})  # fmt: skip
    with pytest.raises(DatasetError, match="choose one of train, val"):
        load_dataset(several)
    with pytest.raises(DatasetError, match="training images only"):
        load_dataset(make_folder("cities", {"train/london": 2}))


def test_a_folder_is_read_once_and_nothing_is_written_into_it(
    make_folder: MakeFolder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder()
    before = sorted(folder.rglob("*"))
    first = load_dataset(folder)
    monkeypatch.setattr(manifest_module, "examine_files", lambda *_: pytest.fail("read again"))
    again = load_dataset(folder)
    assert (again.ground_truth, again.content) == (first.ground_truth, first.content)
    assert np.array_equal(again.query_sizes, first.query_sizes)
    assert sorted(folder.rglob("*")) == before
    assert [p.suffix for p in (root / ".manifests").iterdir()] == [".parquet"]


def test_changes_in_a_folder_are_seen_when_it_is_loaded(
    make_folder: MakeFolder, make_jpeg: Jpeg
) -> None:
    folder = make_folder()
    first = load_dataset(folder)
    next((folder / "database").iterdir()).write_bytes(make_jpeg(77))
    second = load_dataset(folder)
    assert second.ground_truth == first.ground_truth and second.content != first.content
    (folder / "queries" / "@1.00@2.00@.jpg").write_bytes(make_jpeg(78))
    third = load_dataset(folder)
    assert third.ground_truth != second.ground_truth and len(third) == len(first) + 1
    shutil.move(folder / "database", folder / "gallery")
    assert load_dataset(folder).ground_truth == third.ground_truth
    assert all(path.is_file() for path in load_dataset(folder).all_paths)


def test_a_damaged_or_unwritable_cache_costs_only_time(make_folder: MakeFolder, root: Path) -> None:
    folder = make_folder()
    first = load_dataset(folder)
    [cache] = (root / ".manifests").iterdir()
    cache.write_bytes(b"PAR1 damaged")
    assert load_dataset(folder).content == first.content
    shutil.rmtree(root / ".manifests")
    (root / ".manifests").write_text("a file where the folder should be")
    assert load_dataset(folder).content == first.content


def test_two_folders_of_one_name_do_not_share_a_manifest(
    make_folder: MakeFolder, make_jpeg: Jpeg
) -> None:
    one, other = make_folder("a/town"), make_folder("b/town", {"database": 2, "queries": 1})
    assert len(load_dataset(one)) == 9 and len(load_dataset(other)) == 3
    assert len(load_dataset(one)) == 9


def test_images_that_change_after_loading_are_found(
    make_folder: MakeFolder, make_jpeg: Jpeg
) -> None:
    folder = make_folder()
    dataset = load_dataset(folder)
    dataset.check_unchanged()
    first, second, third, *_ = dataset.all_paths
    data = bytearray(first.read_bytes())
    os.utime(second, ns=(5, 5))  # only its time: no change
    dataset.check_unchanged()
    data[-10] ^= 1
    first.write_bytes(data)
    second.write_bytes(second.read_bytes() + b"more")
    third.unlink()
    with pytest.raises(DatasetChanged) as error:
        dataset.check_unchanged()
    text = str(error.value)
    assert text.startswith("3 of 9 images of town/test differ")
    assert f"{first.name}: has other content of equal size" in text
    assert f"{second.name}: has" in text and f"{third.name}: is missing" in text


def test_only_the_first_ten_changes_are_listed(make_folder: MakeFolder) -> None:
    folder = make_folder(parts={"database": 15, "queries": 2})
    dataset = load_dataset(folder)
    shutil.rmtree(folder / "database")
    with pytest.raises(DatasetChanged) as error:
        dataset.check_unchanged()
    assert str(error.value).count("is missing") == 10 and "5 more images" in str(error.value)


def test_imported_datasets_open_by_name_and_split(make_folder: MakeFolder, root: Path) -> None:
    parts = {"test/database": 4, "test/queries": 2, "val/database": 3, "val/queries": 1}
    import_dataset("my-set", make_folder(parts=parts))
    assert installed() == [("my-set", "val"), ("my-set", "test")]
    test, val = load_dataset("my-set"), load_dataset("my-set/val")
    assert (test.split, len(test), val.split, len(val)) == ("test", 6, "val", 4)
    assert load_dataset("my-set", "val").content == val.content
    assert test.folder == root / "my-set" / "test" and not test.registered
    assert all(path.is_file() for path in [*test.all_paths, *val.all_paths])
    with pytest.raises(DatasetNotFound, match="my-set has no split 'train' here, only val, test"):
        load_dataset("my-set/train")
    with pytest.raises(UsageError, match="and split='val' another"):
        load_dataset("my-set/test", "val")


def test_an_installed_dataset_opens_without_touching_its_images(
    make_folder: MakeFolder, root: Path
) -> None:
    import_dataset("my-set", make_folder())
    shutil.rmtree(root / "my-set" / "test")
    dataset = load_dataset("my-set")
    assert len(dataset) == 9
    with pytest.raises(DatasetChanged, match="vgbench datasets verify my-set"):
        dataset.check_unchanged()


def test_a_name_wins_over_a_folder_of_that_name(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_dataset("town", make_folder("elsewhere"))
    monkeypatch.chdir(make_folder("town", {"database": 2, "queries": 1}).parent)
    assert len(load_dataset("town")) == 9
    assert len(load_dataset("./town")) == len(load_dataset(Path("town"))) == 3


def test_what_is_not_there_is_answered_with_what_is(make_folder: MakeFolder) -> None:
    import_dataset("my-set", make_folder())
    with pytest.raises(DatasetNotFound) as error:
        load_dataset("tokio-xs")
    text = str(error.value)
    assert "Did you mean tokyo-xs" in text and "Installed: my-set/test" in text
    assert "vgbench datasets download sf-xs" in text
    assert "vgbench datasets import sf-xs sf_xs.zip" in text
    with pytest.raises(DatasetNotFound, match="sf-xs is not installed in .* sf_xs.zip"):
        load_dataset("sf_xs/val")
    with pytest.raises(DatasetNotFound, match="no dataset and no folder"):
        load_dataset("no/such/folder")


def test_images_unpacked_by_hand_into_the_data_root_get_a_hint(
    make_folder: MakeFolder, root: Path
) -> None:
    shutil.copytree(make_folder(), root / "sf-xs")
    with pytest.raises(DatasetNotFound, match="has no manifest.*vgbench datasets import sf-xs"):
        load_dataset("sf-xs")


def test_a_damaged_manifest_says_how_to_make_it_anew(make_folder: MakeFolder, root: Path) -> None:
    import_dataset("my-set", make_folder())
    content = load_dataset("my-set").content
    (root / "my-set" / "manifest.parquet").write_bytes(b"PAR1 damaged PAR1")
    with pytest.raises(DatasetError) as error:
        load_dataset("my-set")
    assert f"vgbench datasets import my-set {root / 'my-set'}" in str(error.value)
    assert installed() == []
    import_dataset("my-set", root / "my-set")
    assert load_dataset("my-set").content == content


def test_a_registered_dataset_in_a_folder_is_recognised(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = ["day", "night"]
    folder = make_folder("mini_set", notes=notes)
    plain = load_dataset(folder)
    text = """
        schema = 1
        [mini-set]
        title = "Mini"
        description = "Mini."
        terms = "None."
        condition = "note"
        [mini-set.splits.val]
        database = 6
        queries = 3
        [mini-set.splits.test]
        database = 6
        queries = {queries}
        {pin}
    """
    monkeypatch.setattr(registry, "parse_registry", registry.parse_registry)

    def register(queries: int, pin: str = "") -> None:
        specs = registry.parse_registry(text.format(queries=queries, pin=pin))
        for module in ("loading", "expectations"):
            monkeypatch.setattr(f"vgbench.datasets.{module}.load_registry", lambda: specs)

    register(3)
    by_counts = load_dataset(folder)
    assert (by_counts.id, by_counts.registered, by_counts.pinned) == ("mini-set", True, False)
    assert by_counts.query_conditions == ["day", "night", "day"]
    register(4)  # a folder of that name with other images
    other = load_dataset(folder)
    assert (other.id, other.registered) == ("mini-set-unregistered", False)
    register(3, f'ground_truth = "{plain.ground_truth}"')
    shutil.move(folder, folder.parent / "renamed")
    by_pin = load_dataset(folder.parent / "renamed")
    assert (by_pin.id, by_pin.registered, by_pin.pinned) == ("mini-set", True, True)


def test_a_small_part_of_a_registered_dataset_is_not_taken_for_it(make_folder: MakeFolder) -> None:
    dataset = load_dataset(make_folder("tokyo_xs"))
    assert (dataset.id, dataset.registered) == ("tokyo-xs-unregistered", False)
    assert recognise is not None and "tokyo-xs" in load_registry()


def test_a_dataset_can_be_sent_to_another_process(make_folder: MakeFolder) -> None:
    dataset = load_dataset(make_folder())
    again = pickle.loads(pickle.dumps(dataset))
    assert again.paths == dataset.paths and again.content == dataset.content
    again.check_unchanged()


def test_loading_imports_neither_pandas_nor_torch_nor_pillow(
    make_folder: MakeFolder, root: Path
) -> None:
    import_dataset("my-set", make_folder())
    code = (
        "import sys, vgbench.datasets\n"
        "early = {'numpy', 'pyarrow', 'PIL'} & set(sys.modules)\n"
        "d = vgbench.datasets.load_dataset('my-set')\n"
        "d.check_unchanged(); list(d.database_paths); vgbench.datasets.installed()\n"
        "print(early, {'pandas', 'torch', 'PIL', 'scipy', 'requests'} & set(sys.modules))\n"
    )
    environment = os.environ | {"VGBENCH_DATA": str(root)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert result.stdout.strip() == "set() set()"


@pytest.mark.parametrize(
    ("name", "database", "queries", "size"),
    [("sf_pairs", 20, 20, [215, 216]), ("tokyo_sample", 32, 5, [480, 640]),
     ("corridor_mock", 111, 111, [120, 160])],
)  # fmt: skip
def test_real_photographs_open(
    photographs: Path, name: str, database: int, queries: int, size: list[int]
) -> None:
    dataset = vgbench.load_dataset(photographs / name)
    assert (len(dataset.database_paths), len(dataset.query_paths)) == (database, queries)
    assert size in dataset.database_sizes.tolist()
    assert (dataset.split, dataset.registered) == ("test", False)
    dataset.check_unchanged()


def test_real_photographs_without_positions_are_refused_clearly(photographs: Path) -> None:
    with pytest.raises(ImageError, match="17 image names without a UTM position") as error:
        load_dataset(photographs / "toy_unlabelled")
    assert "@<UTM easting>@<UTM northing>" in str(error.value)


def test_an_empty_name_is_not_the_folder_here(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_folder())
    with pytest.raises(UsageError, match="empty"):
        load_dataset("")
    assert len(load_dataset(".")) > 0
