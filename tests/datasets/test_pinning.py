from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vgbench.datasets import import_dataset, load_dataset, load_registry, verify_dataset
from vgbench.datasets.lockfile import Lock, write_lock
from vgbench.datasets.manifest_file import MANIFEST, read_manifest
from vgbench.datasets.pinning import block_of, pin_dataset, pins_of
from vgbench.datasets.registry import Edition, Source, parse_registry
from vgbench.errors import DatasetError

MakeFolder = Callable[..., Path]
PARTS = {"test/database": 6, "test/queries": 3, "val/database": 4, "val/queries": 2, "train": 2}


@pytest.fixture
def root() -> Path:
    return Path(os.environ["VGBENCH_DATA"])


def test_every_registered_block_is_written_as_it_is_read() -> None:
    for spec in load_registry().values():
        assert parse_registry(f"schema = 1\n{block_of(spec)}") == {spec.id: spec}


def test_texts_with_quotes_and_controls_are_written_safely() -> None:
    odd = replace(load_registry()["gsv-xs"], title='a "b" \\ \n\x7f\t東京', sources=())
    assert parse_registry(f"schema = 1\n{block_of(odd)}")["gsv-xs"].title == odd.title


def test_all_that_can_be_measured_is_pinned_and_verifies(
    make_folder: MakeFolder, root: Path
) -> None:
    import_dataset("town", make_folder(parts=PARTS))
    write_lock(root, "town", Lock("town.zip", "a" * 64, 5, "https://example.org/town.zip"))
    pins = pin_dataset("town")
    test, dataset = pins.spec.splits["test"], load_dataset("town")
    assert (test.database, test.queries, test.queries_with_positive) == (6, 3, 3)
    assert (test.ground_truth, test.content) == (dataset.ground_truth, dataset.content)
    assert pins.spec.splits["train"].train == 2
    assert pins.spec.utm_zone == "10S"
    assert pins.spec.box == (549_900, 550_200, 4_179_900, 4_180_200)
    [edition] = pins.spec.editions
    assert (edition.database_size, edition.archive_sha256) == ("32x24", "a" * 64)
    assert set(edition.content) == {"train", "val", "test"}
    (root / "registry.toml").write_text(f"schema = 1\n{pins.toml}")
    report = verify_dataset("town")
    assert report.status == "verified" and str(report.edition) == "original (by content)"
    assert report.archive.state == "agrees"
    unpinned = [(s.split, f.what) for s in report.splits for f in s.facts if f.state == "unknown"]
    assert unpinned == []
    assert pin_dataset("town") == pin_dataset("town") and pin_dataset("town").toml == pins.toml


def test_another_dataset_of_that_name_does_not_verify_by_these_pins(
    make_folder: MakeFolder, root: Path
) -> None:
    import_dataset("town", make_folder())
    block = pin_dataset("town").toml
    other = import_dataset("other", make_folder("other", {"database": 6, "queries": 4}))
    other.rename(root / "swap")
    (root / "town").rename(root / "gone")
    (root / "swap").rename(root / "town")
    (root / "registry.toml").write_text(f"schema = 1\n{block}")
    assert verify_dataset("town").status == "contradicts"


def test_what_the_registry_says_stays_and_the_edition_at_hand_is_filled_in(
    make_folder: MakeFolder,
) -> None:
    folder = import_dataset("town", make_folder())
    manifest = read_manifest(folder / MANIFEST)
    base = replace(
        pin_dataset("town").spec,
        title="Our town",
        box=(0.0, 1e6, 0.0, 1e7),
        splits={},
        sources=(Source("url", "town.zip", url="https://example.org/town.zip"),),
        editions=(
            Edition("full", "640x480", database_size="640x480"),
            Edition("reduced", "about 1 kB each", note="The archive of today."),
        ),
    )
    pins = pins_of(base, manifest, "b" * 64)
    full, reduced = pins.spec.editions
    assert pins.edition == "reduced" and full == base.editions[0]  # full is ruled out by its size
    assert (reduced.images, reduced.note) == ("about 1 kB each", "The archive of today.")
    assert reduced.archive_sha256 == "b" * 64 and reduced.content == {
        "test": manifest.splits["test"].content
    }
    assert (pins.spec.title, pins.spec.box) == ("Our town", (0.0, 1e6, 0.0, 1e7))
    assert pins.spec.sources == base.sources and pins.spec.splits["test"].content is None
    # A third edition, which is none of two, is told as one more.
    both = (*base.editions[:1], Edition("small", "1x1", database_size="1x1"))
    assert [e.name for e in pins_of(replace(base, editions=both), manifest).spec.editions] == [
        "full", "small", "original",
    ]  # fmt: skip


def test_places_in_several_zones_have_no_box_and_no_zone(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_folder(parts={"train/a": 2})
    make_folder("far", {"b": 2}, zone="30@U")
    (tmp_path / "far" / "b").rename(folder / "train" / "b")
    import_dataset("town", folder)
    spec = pin_dataset("town").spec
    assert spec.utm_zone is None and spec.box is None and spec.splits["train"].train == 4


def test_images_of_several_sizes_are_told_in_words(
    make_folder: MakeFolder, make_jpeg: Callable[..., bytes]
) -> None:
    folder = make_folder()
    next((folder / "database").iterdir()).write_bytes(make_jpeg(5, 10, 20))
    import_dataset("town", folder)
    pins = pin_dataset("town")
    assert pins.image_sizes["test"] == {"database": "2 sizes, 20x10 to 32x24", "queries": "32x24"}
    assert pins.spec.editions[0].database_size is None


def test_a_name_that_no_registry_can_hold_is_refused(make_folder: MakeFolder) -> None:
    import_dataset("my.town", make_folder())
    with pytest.raises(DatasetError, match="import it as 'my-town'"):
        pin_dataset("my.town")
