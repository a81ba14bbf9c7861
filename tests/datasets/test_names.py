from __future__ import annotations

import time

import numpy as np
import pytest

from vgbench.datasets.names import field, place_id, position, positions
from vgbench.errors import ImageError

DATABASE = (
    "@0543037.38@4180974.80@10@S@037.77510@-122.51130@1ooZhwTQyuNt0xiue5YhLg@@134@@@@201311@@.jpg"
)
FLICKR = "@0543263.69@4179336.01@10@S@037.76031@-122.50882@51321055860@@@@@@20210718@@.jpg"


def test_position_is_easting_and_northing() -> None:
    assert position(DATABASE) == (543037.38, 4180974.80)
    assert position(FLICKR) == (543263.69, 4179336.01)


@pytest.mark.parametrize("name", ["@0@455.00@@@@@91@@@@@@@@.jpg", "@0@455@.jpg", "x@0@455@jpg"])
def test_only_the_first_two_fields_are_needed(name: str) -> None:
    assert position(name) == (0.0, 455.0)


def test_an_at_sign_in_a_parent_folder_shifts_nothing() -> None:
    assert position(f"me@home/1@2/database/{DATABASE}") == (543037.38, 4180974.80)
    assert field(f"me@home/{DATABASE}", 7) == "1ooZhwTQyuNt0xiue5YhLg"


@pytest.mark.parametrize(
    "name",
    [
        "db1.jpg", "@1.jpg", "@543037@.jpg", "@x@1@.jpg", "@nan@1@.jpg", "@inf@1@.jpg", "", "@@@",
        "@1@2@/a.jpg",
    ],
)  # fmt: skip
def test_a_name_without_position_is_refused_and_the_error_says_how_to_name(name: str) -> None:
    with pytest.raises(ImageError, match="UTM easting>@<UTM northing") as error:
        position(name)
    assert name in str(error.value)


def test_the_first_ten_bad_names_are_listed_and_the_rest_counted() -> None:
    names = [DATABASE, *(f"db{index}.jpg" for index in range(14)), FLICKR]
    with pytest.raises(ImageError) as error:
        positions(names)
    text = str(error.value)
    assert text.startswith("14 image names")
    assert "db9.jpg" in text and "db10.jpg" not in text and "4 more images" in text
    assert DATABASE not in text.split("An image is named")[0]


def test_many_positions_are_those_of_each() -> None:
    names = [DATABASE, FLICKR, "a/b@c/@1@-2.5@.png"]
    assert np.array_equal(positions(names), [position(name) for name in names])
    assert positions(iter(names)).shape == (3, 2)
    assert positions([]).shape == (0, 2)


def test_a_hundred_thousand_names_take_well_under_a_second() -> None:
    names = [DATABASE] * 100_000
    started = time.process_time()
    positions(names)
    assert time.process_time() - started < 1


def test_place_id_is_the_last_field_but_one() -> None:
    assert (
        place_id("train/london/@700000.00@5700000.00@30@U@@@@@@@@@@london_12@.jpg") == "london_12"
    )


def test_a_field_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ImageError, match="none at 20"):
        field(DATABASE, 20)
    with pytest.raises(ImageError, match="1 fields"):
        place_id("plain.jpg")
