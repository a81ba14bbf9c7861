from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgbench.leaderboard.slugs import SLUG, SLUG_LENGTH, next_revision, slugify


@given(st.text())
def test_every_name_makes_a_slug_that_is_a_plain_short_folder_name(name: str) -> None:
    slug = slugify(name)
    assert SLUG.fullmatch(slug)
    assert 1 <= len(slug) <= SLUG_LENGTH


@given(st.text())
def test_a_slug_is_its_own_slug(name: str) -> None:
    assert slugify(slugify(name)) == slugify(name)


@given(st.text(), st.lists(st.integers(1, 40), max_size=6))
def test_a_new_revision_never_takes_a_folder_that_is_there(name: str, numbers: list[int]) -> None:
    slug = slugify(name)
    taken = [slug if number == 1 else f"{slug}-r{number}" for number in numbers]
    folder, revision = next_revision(slug, taken)
    assert folder not in taken
    assert revision == max([0, *numbers]) + 1
    assert SLUG.fullmatch(folder)


@pytest.mark.parametrize("name", ["con", "NUL", "Com1", "lpt9", "aux"])
def test_names_that_windows_keeps_for_devices_are_not_used(name: str) -> None:
    assert slugify(name) == f"{name.lower()}-entry"


def test_long_names_with_the_same_beginning_stay_apart() -> None:
    assert slugify("x" * 100 + "a") != slugify("x" * 100 + "b")


def test_names_without_latin_letters_stay_apart() -> None:
    assert slugify("東京") != slugify("大阪")


def test_a_name_that_looks_like_a_revision_does_not_overwrite_it() -> None:
    assert next_revision("a", ["a", "a-r2"]) == ("a-r3", 3)
    assert next_revision("a-r2", ["a", "a-r2"]) == ("a-r2-r2", 2)


def test_folders_that_only_begin_alike_are_other_methods() -> None:
    assert next_revision("net", ["netvlad", "net-vlad", "net-r2d2", "net-rx"]) == ("net", 1)
    assert next_revision("net", ["NET"]) == ("net-r2", 2)
