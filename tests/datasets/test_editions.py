from __future__ import annotations

from dataclasses import replace

import pytest

from vgbench.datasets.editions import tell_edition
from vgbench.datasets.registry import DatasetSpec, Edition, load_registry, parse_registry

FULL, REDUCED = "f" * 64, "e" * 64
SPEC = parse_registry(
    f"""
    schema = 1
    [town]
    title = "Town"
    description = "A town."
    terms = "Free."
    [town.splits.test]
    [town.splits.val]
    [[town.editions]]
    name = "full"
    images = "640x480"
    database_size = "640x480"
    archive_sha256 = "{FULL}"
    content = {{ test = "{FULL}" }}
    [[town.editions]]
    name = "reduced"
    images = "320x240"
    database_size = "320x240"
    archive_sha256 = "{REDUCED}"
    """
)["town"]


def told(
    spec: DatasetSpec | None = SPEC, content: str = "0" * 64, size: str | None = None,
    archive: str | None = None,
) -> str:  # fmt: skip
    return str(tell_edition(spec, {"test": content}, {"test": size}, archive))


def test_the_images_themselves_decide_over_size_and_archive() -> None:
    assert told(content=FULL, size="320x240", archive=REDUCED) == "full (by content)"


def test_the_archive_tells_an_edition_whose_images_have_the_right_size() -> None:
    assert told(size="320x240", archive=REDUCED) == "reduced (by archive)"
    assert told(size="100x100", archive=REDUCED) == "unknown (not full, reduced)"
    assert told(size="320x240", archive="1" * 64) == "unknown (not full, reduced)"


def test_image_size_tells_it_where_nothing_stronger_is_known() -> None:
    assert told(size="320x240") == "reduced (by image size)"


@pytest.mark.parametrize("size", [None, "1x1"])
def test_images_of_no_known_edition_are_of_none(size: str | None) -> None:
    report = tell_edition(SPEC, {"test": "0" * 64}, {"test": size})
    assert report.name is None and set(report.ruled_out) == {"full", "reduced"}
    assert (size or "several sizes") in report.ruled_out["reduced"]


def test_two_editions_that_fit_equally_well_are_not_told_apart() -> None:
    twin = Edition("twin", "320x240", database_size="320x240")
    assert told(replace(SPEC, editions=(*SPEC.editions, twin)), size="320x240").startswith(
        "unknown"
    )


def test_an_edition_of_which_nothing_is_pinned_is_never_claimed() -> None:
    sf = load_registry()["sf-xs"]
    assert told(sf, size="512x512") == "full (by image size)"
    assert told(sf, size="224x224") == "unknown (not full)"  # "reduced" has no pinned size
    assert told(None, size="512x512") == "unknown"
