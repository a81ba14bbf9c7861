from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from vgbench.datasets import (
    describe,
    import_dataset,
    list_datasets,
    load_dataset,
    load_registry,
    verify_dataset,
)
from vgbench.errors import DatasetNotFound, UsageError

MakeFolder = Callable[..., Path]
Jpeg = Callable[..., bytes]


@pytest.fixture
def here(make_folder: MakeFolder) -> Path:
    return import_dataset("my-set", make_folder(parts={"test/database": 6, "test/queries": 3}))


@pytest.mark.parametrize("deep", [False, True])
def test_an_untouched_dataset_verifies(here: Path, deep: bool) -> None:
    report = verify_dataset("my-set", deep=deep)
    [split] = report.splits
    assert report.ok and split.ok and split.images == 9 and report.folder == here
    assert (split.ground_truth, split.content) == ("unknown", "unknown")
    assert not report.registered and report.deep is deep
    document = json.loads(json.dumps(report.to_json()))
    assert document["ok"] is True and document["splits"][0]["ok"] is True
    assert document["splits"][0]["missing"] == [] and document["folder"] == str(here)


def test_missing_extra_changed_and_broken_images_are_told_apart(
    here: Path, make_jpeg: Jpeg
) -> None:
    gone, other, cut, touched, *_ = sorted((here / "test" / "database").iterdir())
    gone.unlink()
    other.write_bytes(make_jpeg(99))
    cut.write_bytes(cut.read_bytes()[:200])
    os.utime(touched, ns=(7, 7))
    extra = here / "test" / "queries" / "@1.00@2.00@.jpg"
    extra.write_bytes(make_jpeg(98))
    report = verify_dataset("my-set")
    [split] = report.splits
    assert not report.ok
    assert split.missing == (f"database/{gone.name}",)
    assert split.extra == (f"queries/{extra.name}",)
    assert [text.partition(": ")[0] for text in split.changed] == [
        f"database/{other.name}", f"database/{cut.name}",
    ]  # fmt: skip
    assert [text.partition(": ")[0] for text in split.undecodable] == [f"database/{cut.name}"]
    assert split.mismatches == ()


def test_only_a_deep_check_finds_a_change_that_hides_its_time(here: Path) -> None:
    file = next((here / "test" / "queries").iterdir())
    facts, data = file.stat(), bytearray(file.read_bytes())
    data[-20] ^= 0xFF
    file.write_bytes(data)
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert verify_dataset("my-set").ok
    [split] = verify_dataset("my-set", deep=True).splits
    assert split.changed == (f"queries/{file.name}: has other content of equal size",)


def test_a_role_that_is_gone_is_missing_as_a_whole(here: Path) -> None:
    shutil.rmtree(here / "test" / "queries")
    [split] = verify_dataset("my-set").splits
    assert len(split.missing) == 3 and not split.ok


def test_equal_images_are_told_and_are_no_failure(make_folder: MakeFolder) -> None:
    folder = make_folder("twins")
    [first, second, *_] = sorted((folder / "database").iterdir())
    query = sorted((folder / "queries").iterdir())[0]
    for copy in (second, query):
        copy.write_bytes(first.read_bytes())
    import_dataset("twins", folder)
    report = verify_dataset("twins")
    assert report.ok
    assert report.splits[0].duplicates == (
        (f"database/{first.name}", f"database/{second.name}", f"queries/{query.name}"),
    )


def test_pins_are_compared_and_what_is_not_pinned_is_unknown(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vgbench.datasets.registry import parse_registry

    dataset = load_dataset("my-set")
    text = """
        schema = 1
        [my-set]
        title = "Mine"
        description = "Mine."
        terms = "Mine."
        [my-set.splits.test]
        database = {count}
        ground_truth = "{ground_truth}"
        content = "{content}"
    """

    def register(count: int, ground_truth: str, content: str) -> None:
        filled = text.format(count=count, ground_truth=ground_truth, content=content)
        specs = parse_registry(filled)
        for module in ("loading", "verification", "catalogue"):
            monkeypatch.setattr(f"vgbench.datasets.{module}.load_registry", lambda: specs)

    register(6, dataset.ground_truth, dataset.content)
    report = verify_dataset("my-set")
    assert report.ok and report.registered
    assert (report.splits[0].ground_truth, report.splits[0].content) == ("agrees", "agrees")
    assert load_dataset("my-set").pinned
    register(6, dataset.ground_truth, "0" * 64)  # another edition: told, not a failure
    report = verify_dataset("my-set")
    assert report.ok and report.splits[0].content == "differs"
    register(7, "0" * 64, "0" * 64)
    report = verify_dataset("my-set")
    assert not report.ok and report.splits[0].ground_truth == "differs"
    assert report.splits[0].mismatches == ("database images: 6, expected 7",)
    assert not load_dataset("my-set").pinned
    described = describe("my-set").splits[0]
    assert (described.pin, described.content_pin) == ("differs", "differs")


def test_what_is_not_installed_cannot_be_verified(make_folder: MakeFolder) -> None:
    with pytest.raises(DatasetNotFound, match="sf-xs is not installed"):
        verify_dataset("sf-xs")
    with pytest.raises(DatasetNotFound, match="was not imported"):
        verify_dataset(str(make_folder()))
    with pytest.raises(DatasetNotFound, match="There is no dataset 'nothing'"):
        describe("nothing")
    with pytest.raises(UsageError, match="vgbench datasets verify sf-xs$"):
        verify_dataset("sf-xs/test")


def test_every_registered_and_installed_dataset_is_listed(here: Path) -> None:
    listed = {description.id: description for description in list_datasets()}
    assert list(listed) == [*load_registry(), "my-set"]
    assert listed["my-set"].installed and not listed["my-set"].registered
    sf = listed["sf-xs"]
    assert not sf.installed and sf.how_to_get is not None and "sf_xs.zip" in sf.how_to_get
    assert [(s.name, s.database, s.queries, s.pin) for s in sf.splits] == [
        ("train", None, None, "unknown"), ("val", 8015, 7993, "unknown"),
        ("test", 27191, 1000, "unknown"),
    ]  # fmt: skip
    assert listed["tokyo-xs"].conditions == "derived from names"
    json.dumps([description.to_json() for description in listed.values()])


def test_a_damaged_manifest_is_described_as_a_problem(here: Path) -> None:
    (here / "manifest.parquet").write_bytes(b"PAR1 no")
    described = describe("my-set")
    assert described.installed and described.problem is not None and "damaged" in described.problem
