from __future__ import annotations

import pytest

from vgbench.errors import UsageError
from vgbench.leaderboard.columns import COLUMNS, Row
from vgbench.leaderboard.filters import SEARCHED, Filter


def _row(**changes: object) -> Row:
    return {column.name: None for column in COLUMNS} | {"status": "verified"} | changes


def test_without_conditions_everything_is_kept() -> None:
    assert Filter().empty
    assert Filter().columns == ()
    assert Filter().keeps(_row())


@pytest.mark.parametrize(
    ("asked", "kept", "dropped"),
    [
        ({"status": ["verified"]}, {}, {"status": "published"}),
        ({"status": ["published", "verified"]}, {}, {"status": "unverified"}),
        ({"backbone": "RESNET"}, {"backbone": "ResNet-50"}, {"backbone": "DINOv2"}),
        ({"training_data": "sf-xl"}, {"training_data": "SF-XL"}, {"training_data": "GSV-Cities"}),
        ({"image_size": "512x512"}, {"image_size": "512×512"}, {"image_size": "native 512x640"}),
        ({"max_dimension": 512}, {"dimension": 512}, {"dimension": 513}),
        ({"text": "circle LOSS"}, {"notes": "a loss: circle"}, {"notes": "a circle"}),
        ({"text": "straße"}, {"authors": "STRASSE"}, {"authors": "STRASE"}),
    ],
)
def test_a_condition_keeps_what_it_says_and_drops_the_rest(
    asked: dict[str, object], kept: dict[str, object], dropped: dict[str, object]
) -> None:
    chosen = Filter(**asked)  # type: ignore[arg-type]
    assert not chosen.empty
    assert chosen.keeps(_row(**kept))
    assert not chosen.keeps(_row(**dropped))


@pytest.mark.parametrize(
    "asked",
    [{"backbone": ""}, {"training_data": "x"}, {"image_size": "1"}, {"max_dimension": 10**9}],
)
def test_a_row_whose_value_is_unknown_is_not_kept_by_a_condition_on_it(
    asked: dict[str, object],
) -> None:
    assert not Filter(**asked).keeps(_row())  # type: ignore[arg-type]


def test_every_condition_must_hold() -> None:
    chosen = Filter(("verified",), backbone="resnet", max_dimension=512)
    row = _row(backbone="resnet18", dimension=512)
    assert chosen.keeps(row)
    for change in ({"status": "unverified"}, {"backbone": "vgg16"}, {"dimension": 2048}):
        assert not chosen.keeps(row | change)


def test_words_may_stand_in_different_columns() -> None:
    row = _row(name="CosPlace", backbone="ResNet-18", source="table 3")
    assert Filter(text="cosplace resnet table").keeps(row)
    assert not Filter(text="cosplace vgg").keeps(row)


def test_what_cannot_be_seen_in_a_text_does_not_hide_it() -> None:
    assert Filter(text="cosplace").keeps(_row(name="Cos\u200bPla\x1bce"))


def test_the_columns_it_looks_at_are_all_that_it_needs() -> None:
    chosen = Filter(("verified",), "resnet", "sf", 512, "512x512", "net")
    row = {
        "status": "verified", "backbone": "resnet", "training_data": "sf-xl", "dimension": 512,
        "image_size": "512x512", "name": "net",
    }  # fmt: skip
    assert chosen.keeps(row)
    assert set(chosen.columns) == set(row) | set(SEARCHED)
    assert set(chosen.columns) <= {column.name for column in COLUMNS}


def test_a_status_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(UsageError, match="'verifyed': choose among .*verified"):
        Filter(status=["verifyed"])
