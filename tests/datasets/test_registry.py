from __future__ import annotations

import re
from pathlib import Path

import pytest

from vgbench.datasets.registry import load_registry, parse_registry
from vgbench.errors import DatasetError

GOOD = """
schema = 1
[my-set]
title = "Mine"
description = "Some photographs."
terms = "Mine."
[my-set.splits.test]
database = 5
"""


def test_the_registry_holds_the_facts_of_the_fields_datasets() -> None:
    registry = load_registry()
    assert {"demo-city", "sf-xs", "tokyo-xs", "gsv-xs"} <= set(registry)
    sf, tokyo = registry["sf-xs"], registry["tokyo-xs"]
    assert {name: (split.database, split.queries) for name, split in sf.splits.items()} == {
        "train": (None, None), "val": (8015, 7993), "test": (27191, 1000),
    }  # fmt: skip
    assert (tokyo.splits["test"].database, tokyo.splits["test"].queries) == (12771, 315)
    assert (sf.utm_zone, tokyo.utm_zone) == ("10S", "54S")
    assert [source.id for source in sf.sources] == ["1tQqEyt3go3vMh4fj_LZrRcahoTbzzH-y"]
    assert list(registry["gsv-xs"].splits) == ["train"]
    assert registry["demo-city"].packaged and registry["demo-city"].condition == "note"
    assert tokyo.condition == "pano_id_mod_3"
    assert {edition.name for edition in tokyo.editions} == {"full", "reduced"}


def test_every_dataset_says_its_terms_and_how_to_get_it() -> None:
    for spec in load_registry().values():
        way = "comes with vgbench" if spec.packaged else f"vgbench datasets download {spec.id} "
        assert spec.terms and way in spec.how_to_get


def test_what_is_left_out_is_unknown() -> None:
    spec = parse_registry(GOOD)["my-set"]
    assert spec.splits["test"].database == 5
    assert spec.splits["test"].queries is None and spec.splits["test"].ground_truth is None
    assert spec.box is None and spec.utm_zone is None and not spec.packaged


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("queries = -3", "`queries` must be a number of images, 1 or more, not -3"),
        ("queries = true", "`queries` must be a number of images"),
        ('ground_truth = "abc"', "`ground_truth` must be a fingerprint of 64 hex digits"),
        ("querys = 3", "unknown key `querys`; known are database, queries"),
        ("[[my-set.sources]]\nkind = 'ftp'\nfile = 'a.zip'", "one of drive, url, not 'ftp'"),
        ("[[my-set.sources]]\nkind = 'drive'\nfile = 'a.zip'", "drive needs `id`"),
        ("[[my-set.sources]]\nkind='url'\nfile='a'\nurl='file:///etc'", "an http(s) link"),
        ("[my-set.splits.Test]", "a split's name is small letters"),
        ("[Other]\ntitle = 'T'", "[Other]: needs `description`"),
        ("[other]\ntitle='T'\ndescription='D'\nterms='T'\nsplits={}", "needs at least one split"),
        ("[other]\ntitle='T'\ndescription='D'\nterms='T'\nsplits={test={}}\nbox=[1,0,2,3]",
         "`box` must be [least easting"),
        ("[other]\ntitle='T'\ndescription='D'\nterms='T'\nsplits={test={}}\ncondition='x'",
         "must be one of note, pano_id_mod_3, not 'x'"),
        ("[other]\ntitle='T'\ndescription='D'\nterms='T'\nsplits={test={}}\nutm_zone='10I'",
         "a zone such as 10S"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_registry_is_named_where_it_is(line: str, complaint: str) -> None:
    with pytest.raises(DatasetError) as error:
        parse_registry(GOOD + line)
    assert complaint in str(error.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(DatasetError) as error:
        parse_registry(GOOD + "queries = 0\nnonsense = 1\n[b]\ntitle = 3")
    for part in ("`queries`", "`nonsense`", "[b]: needs `terms`", "`title` must be text"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("schema = 1\n[", "not valid TOML"), ("[a]", "schema None"), ("schema = 2", "Update vgbench")],
)
def test_a_file_that_is_no_registry_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(DatasetError, match=complaint):
        parse_registry(text)


def test_the_example_for_contributors_is_a_valid_block() -> None:
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text("utf-8")
    [block] = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    spec = parse_registry(f"schema = 1\n{block}")["old-town"]
    assert spec.splits["test"].database == 12_000 and spec.sources[0].file == "old_town.zip"
