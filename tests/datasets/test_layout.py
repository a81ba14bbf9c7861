from __future__ import annotations

from pathlib import Path

import pytest

from vgbench.datasets.layout import find_layout, is_image
from vgbench.errors import DatasetError


def make(folder: Path, *parts: str) -> Path:
    for part in parts:
        (folder / part).mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["database", "queries"], {"test": {"database": "database", "queries": "queries"}}),
        (["gallery", "queries_v1"], {"test": {"database": "gallery", "queries": "queries_v1"}}),
        (["Databases", "Queries"], {"test": {"database": "Databases", "queries": "Queries"}}),
        (["database", "queries", "queries_v1", "queries_night"],
         {"test": {"database": "database", "queries": "queries"}}),
        (["test/database", "test/queries", "val/database", "val/queries"],
         {"val": {"database": "val/database", "queries": "val/queries"},
          "test": {"database": "test/database", "queries": "test/queries"}}),
        (["sf_xs/train/37.70", "sf_xs/test/database", "sf_xs/test/queries"],
         {"train": {"train": "sf_xs/train"},
          "test": {"database": "sf_xs/test/database", "queries": "sf_xs/test/queries"}}),
        (["images/test/database", "images/test/queries"],
         {"test": {"database": "images/test/database", "queries": "images/test/queries"}}),
        (["a/images/val/gallery", "a/images/val/queries"],
         {"val": {"database": "a/images/val/gallery", "queries": "a/images/val/queries"}}),
        (["gsv_xs/train/london", "gsv_xs/train/osaka"], {"train": {"train": "gsv_xs/train"}}),
        (["train/database", "train/queries"],
         {"train": {"database": "train/database", "queries": "train/queries"}}),
        (["x/database", "x/queries", "__MACOSX/x/database", ".git/queries"],
         {"test": {"database": "x/database", "queries": "x/queries"}}),
    ],
)  # fmt: skip
def test_the_fields_layouts_are_understood(
    tmp_path: Path, parts: list[str], expected: dict[str, dict[str, str]]
) -> None:
    found = find_layout(make(tmp_path / "set", *parts))
    relative = {
        split: {role: str(where.relative_to(tmp_path / "set")) for role, where in roles.items()}
        for split, roles in found.items()
    }
    assert relative == expected


def test_a_split_folder_given_itself_keeps_its_name(tmp_path: Path) -> None:
    make(tmp_path, "sf_xs/val/database", "sf_xs/val/queries")
    assert list(find_layout(tmp_path / "sf_xs" / "val")) == ["val"]


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        (["database", "other"], "no queries/ folder: no queries. Found database/, other/"),
        (["queries"], "no database/ folder"),
        (
            ["database", "queries_night", "queries_sun"],
            "Rename one of queries_night/, queries_sun/",
        ),
        (["database", "gallery", "queries"], "could be its database: database/, gallery/"),
        (["test/images1"], "has neither database/ nor queries/. Found images1/"),
        (["a", "b"], "No dataset in .*Found a/, b/"),
        ([""], "Found nothing: it is empty"),
    ],
)
def test_what_is_missing_is_said_with_what_was_found(
    tmp_path: Path, parts: list[str], complaint: str
) -> None:
    with pytest.raises(DatasetError, match=complaint.replace("(", r"\(")):
        find_layout(make(tmp_path / "set", *parts))


def test_a_folder_that_is_not_there_or_is_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        find_layout(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatasetError, match="is not a folder"):
        find_layout(tmp_path / "file")


def test_a_long_listing_is_cut(tmp_path: Path) -> None:
    make(tmp_path, *(f"f{index:02}" for index in range(30)))
    with pytest.raises(DatasetError, match="f09/ and 20 more"):
        find_layout(tmp_path)


def test_images_are_told_by_suffix_in_any_case() -> None:
    assert all(is_image(name) for name in ("a.jpg", "a.JPG", "a.Jpeg", "a.PNG", "a.jpg.jpeg"))
    assert not any(is_image(name) for name in ("a.txt", "a", ".a.jpg", "._@1@2@.jpg", "a.jpg.part"))
