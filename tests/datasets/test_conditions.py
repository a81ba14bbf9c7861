from __future__ import annotations

import pytest

from vgbench.datasets.conditions import conditions, from_pano_id_mod_3

NAME = "@0381523.71@3946790.15@54@S@035.65786@0139.69112@{}@@@@@@@@.jpg"


@pytest.mark.parametrize(
    ("pano", "condition"),
    [("00001.jpg", "day"), ("00002.jpg", "sunset"), ("00003.jpg", "night"), ("00171.jpg", "night"),
     ("00685", "day"), ("00685.JPG", "day"), ("t4NxpHcHuq", None), ("", None)],
)  # fmt: skip
def test_tokyo_numbers_give_day_sunset_and_night(pano: str, condition: str | None) -> None:
    assert from_pano_id_mod_3(NAME.format(pano)) == condition


def test_a_short_name_has_no_condition() -> None:
    assert from_pano_id_mod_3("@1@2@.jpg") is None
    assert conditions("note", ["@1@2.jpg", "x.jpg"]) is None


def test_a_note_is_the_condition_and_a_missing_one_is_none() -> None:
    names = ["q/@1@2@@@@@@@@@@@@night@.jpg", "q/@1@2@@@@@@@@@@@@@.jpg"]
    assert conditions("note", names) == ["night", None]


def test_without_a_rule_or_any_label_there_are_no_conditions() -> None:
    assert conditions(None, [NAME.format("00001")]) is None
    assert conditions("note", [NAME.format("00001")]) is None


def test_the_night_queries_of_the_real_sample_are_told(photographs: object) -> None:
    from pathlib import Path

    names = [p.name for p in (Path(str(photographs)) / "tokyo_sample" / "queries").iterdir()]
    assert conditions("pano_id_mod_3", names) == ["night"] * 5
