from __future__ import annotations

import hashlib
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
from vgbench.datasets.lockfile import Lock, write_lock
from vgbench.datasets.private import remember
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
    # Nothing is registered of it: intact, and never verified.
    assert (report.status, split.status, document["status"]) == ("unknown",) * 3
    facts = {fact["what"]: fact for fact in document["splits"][0]["facts"]}
    assert facts["utm_zone"] == {
        "what": "utm_zone", "expected": None, "found": "10S", "state": "unknown",
    }  # fmt: skip
    assert facts["queries_with_positive"]["found"] == 3
    assert document["edition"]["name"] is None and document["archive"]["state"] == "unknown"


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
    assert split.mismatches == () and report.status == "damaged"


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
        for module in ("loading", "private", "catalogue"):
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


BLOCK = """
[my-set]
title = "Mine"
description = "Mine."
terms = "Mine."
utm_zone = "10S"
[my-set.splits.test]
database = 6
queries = 3
"""


def test_a_dataset_of_ones_own_is_held_against_ones_own_registry(here: Path) -> None:
    root = here.parent
    remember(root, "my-set", BLOCK)
    report = verify_dataset("my_set")  # as its archive is called
    assert (report.status, report.registered, report.dataset) == ("verified", False, "my-set")
    remember(root, "my-set", BLOCK + "queries_with_positive = 2")
    [split] = verify_dataset("my-set").splits
    assert split.mismatches == ("queries with a positive: 3, expected 2",)
    assert split.status == "contradicts" and not split.ok
    remember(root, "my-set", BLOCK.replace("10S", "11S"))
    [split] = verify_dataset("my-set").splits
    assert split.status == "contradicts" and "not in UTM zone 11S" in split.mismatches[0]


def test_the_edition_is_told_and_counts_where_its_images_are_pinned(here: Path) -> None:
    dataset = load_dataset("my-set")
    other = f'content = "{"0" * 64}"'
    small = '[[my-set.editions]]\nname = "small"\nimages = "32x24"\n'
    remember(here.parent, "my-set", f"{BLOCK}{other}\n{small}database_size = '32x24'")
    report = verify_dataset("my-set")
    assert str(report.edition) == "small (by image size)"
    assert report.splits[0].content == "differs" and report.status == "unknown"
    pinned = f"content = {{ test = '{dataset.content}' }}"
    remember(here.parent, "my-set", f"{BLOCK}{other}\n{small}{pinned}")
    report = verify_dataset("my-set")
    assert str(report.edition) == "small (by content)"
    assert report.splits[0].content == "agrees" and report.status == "verified"
    described = describe("my-set")
    assert described.edition.name == "small" and described.splits[0].content_pin == "agrees"


def test_the_archive_is_held_against_its_record_and_the_registry(here: Path) -> None:
    root, archive = here.parent, here.parent / ".downloads" / "my-set" / "my.zip"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"an archive")
    digest = hashlib.sha256(b"an archive").hexdigest()
    write_lock(root, "my-set", Lock("my.zip", digest, 10, "https://example.org/my.zip"))
    report = verify_dataset("my-set", deep=True)
    assert (report.archive.sha256, report.archive.state) == (digest, "unknown") and report.ok
    source = '[[my-set.sources]]\nkind = "url"\nurl = "https://example.org/my.zip"\nfile = "my.zip"'
    remember(root, "my-set", f"{BLOCK}{source}\nsha256 = '{digest}'")
    assert verify_dataset("my-set").archive.state == "agrees"
    archive.write_bytes(b"AN archive")  # equal in size: only a deep check reads it
    assert verify_dataset("my-set").status == "verified"
    report = verify_dataset("my-set", deep=True)
    assert report.status == "contradicts" and "has SHA-256" in str(report.archive.problem)
    archive.write_bytes(b"an arch")
    assert "has 7 bytes" in str(verify_dataset("my-set").archive.problem)
    archive.unlink()
    remember(root, "my-set", f"{BLOCK}{source}\nsha256 = '{'0' * 64}'")
    report = verify_dataset("my-set")
    assert report.archive.state == "differs" and report.status == "contradicts"
    (root / "my-set.lock.json").write_text("{}")
    assert "no schema 1" in str(verify_dataset("my-set").archive.problem)


def test_when_it_was_verified_is_shown_until_it_changes(
    here: Path, make_folder: MakeFolder
) -> None:
    remember(here.parent, "my-set", BLOCK)
    assert describe("my-set").verified is None
    verify_dataset("my-set", deep=True)
    found = describe("my-set").verified
    assert found is not None and found.status == "verified" and found.deep
    other = make_folder("other", {"test/database": 6, "test/queries": 3}, notes=["night"])
    import_dataset("my-set", other, replace=True)
    assert describe("my-set").verified is None
    verify_dataset("my-set")
    next((here / "test" / "queries").iterdir()).unlink()
    verify_dataset("my-set")
    assert describe("my-set").verified is None


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
