"""Datasets that come inside the package: unpacked on first use, and anew when outdated."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from vgbench import demo_city
from vgbench.datasets import describe, load_dataset, load_registry, verify_dataset
from vgbench.datasets.registry import parse_registry
from vgbench.errors import DatasetError, DatasetNotFound

MakeFolder = Callable[..., Path]
REGISTRY = """
schema = 1
[demo-city]
title = "Small"
description = "Small."
terms = "None."
packaged = true
condition = "note"
[demo-city.splits.test]
{pins}
[demo-city.splits.train]
note = "Not in the package: draw it."
"""


@pytest.fixture
def root() -> Path:
    return Path(os.environ["VGBENCH_DATA"])


@pytest.fixture
def package(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that puts another archive, and other pins of it, in the place of demo-city's."""

    def put(name: str = "a", pins: str = "", count: int = 4) -> Path:
        parts = {"demo-city/test/database": count, "demo-city/test/queries": 3}
        folder = make_folder(name, parts, notes=["day", "dusk", "night"])
        archive = Path(shutil.make_archive(str(folder.parent / name), "zip", folder))
        specs = parse_registry(REGISTRY.format(pins=pins))
        monkeypatch.setattr(demo_city, "archive_path", lambda: archive)
        for module in ("loading", "importing", "expectations", "catalogue", "private"):
            monkeypatch.setattr(f"vgbench.datasets.{module}.load_registry", lambda: specs)
        return archive

    return put


def test_it_is_unpacked_on_first_use_and_only_then(
    package: Callable[..., Path], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = package()
    dataset = load_dataset("demo-city")
    assert (len(dataset.database_paths), len(dataset.query_paths)) == (4, 3)
    assert dataset.query_conditions == ["day", "dusk", "night"] and dataset.registered
    assert "Unpacking demo-city" in capsys.readouterr().err
    archive.unlink()
    assert load_dataset("demo-city").content == dataset.content
    assert capsys.readouterr().err == ""
    dataset.check_unchanged()


def test_a_split_that_is_not_in_the_package_says_how_to_get_it(
    package: Callable[..., Path],
) -> None:
    package()
    with pytest.raises(DatasetNotFound, match="no split 'train' here, only test.*draw it"):
        load_dataset("demo-city/train")


def test_a_damaged_manifest_is_repaired_from_the_package(
    package: Callable[..., Path], root: Path
) -> None:
    package()
    content = load_dataset("demo-city").content
    manifest = root / "demo-city" / "manifest.parquet"
    manifest.write_bytes(manifest.read_bytes()[:-50])
    assert load_dataset("demo-city").content == content
    assert load_dataset("demo-city").content == content


def test_an_update_of_vgbench_with_another_archive_unpacks_that(
    package: Callable[..., Path], root: Path
) -> None:
    package("old")
    old = load_dataset("demo-city")
    archive = package("new", count=5)
    new = load_dataset(archive.with_suffix(""))
    package("newer", f'ground_truth = "{new.ground_truth}"\ncontent = "{new.content}"', count=5)
    again = load_dataset("demo-city")
    assert again.ground_truth == new.ground_truth != old.ground_truth and again.pinned
    assert verify_dataset("demo-city").splits[0].content == "agrees"


def test_an_archive_that_is_not_what_the_registry_pins_is_refused(
    package: Callable[..., Path], root: Path
) -> None:
    package(pins=f'ground_truth = "{"0" * 64}"')
    with pytest.raises(DatasetError, match="other image names than the registered ones"):
        load_dataset("demo-city")
    assert not (root / "demo-city").exists()


def test_a_missing_archive_says_so(
    package: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    package().unlink()
    with pytest.raises(DatasetNotFound, match="missing from this installation"):
        load_dataset("demo-city")


def test_a_data_root_that_cannot_be_written_says_where_else(
    package: Callable[..., Path], tmp_path: Path
) -> None:
    package()
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be written.*--data-root or \\$VGBENCH_DATA"):
        load_dataset("demo-city", data_root=tmp_path / "file")


def included() -> None:
    if not demo_city.archive_path().is_file():
        pytest.skip("demo-city's archive is not in this checkout")


def test_the_included_demo_city_opens_with_its_conditions() -> None:
    included()
    for split in ("test", "val"):
        dataset = load_dataset(f"demo-city/{split}")
        assert dataset.query_conditions is not None
        counts = Counter(dataset.query_conditions)
        assert set(counts) == {"day", "dusk", "night"} and len(set(counts.values())) == 1
        assert len(dataset.database_paths) > 2 * len(dataset.query_paths)
        dataset.check_unchanged()


def test_the_included_demo_city_is_what_the_registry_pins() -> None:
    included()
    load_dataset("demo-city")
    report = verify_dataset("demo-city", deep=True)
    assert report.ok and not any(split.duplicates for split in report.splits)
    pinned = load_registry()["demo-city"].splits
    for split in describe("demo-city").splits:
        if pinned[split.name].ground_truth:
            assert (split.pin, split.content_pin) == ("agrees", "agrees")


def test_two_processes_may_use_it_first_at_once(root: Path) -> None:
    included()
    code = "from vgbench.datasets import load_dataset as l; d = l('demo-city'); d.check_unchanged()"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(3)
    ]
    messages = []
    for process in processes:
        messages.append(process.communicate(timeout=60)[1].decode())
        assert process.returncode == 0, messages[-1]
    assert sum("Unpacking demo-city" in message for message in messages) == 1
    assert not list(root.glob(".vgbench-tmp-*"))
