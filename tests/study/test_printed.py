from __future__ import annotations

import csv
from pathlib import Path

import pytest

from vgbench.study.printed import (
    QUERIES,
    STEPS,
    TABLES,
    odd_one_out,
    printed_curves,
    printed_results,
)
from vgbench.study.tables import rows_of
from vgbench.training.recipes import load_recipe

BOARD = Path(__file__).parents[2] / "submissions" / "published-study.csv"


def test_the_numbers_are_those_of_the_board() -> None:
    if not BOARD.is_file():
        pytest.skip("the board's table is not beside the tests")
    lines = [line for line in BOARD.read_text().splitlines() if not line.startswith("#")]
    board = {
        (row["name"].removeprefix("study: "), row["dataset"]): {
            n: row[f"recall_{n}"] for n in (1, 5, 10, 20) if row[f"recall_{n}"]
        }
        for row in csv.DictReader(lines)
    }
    ours = {(load_recipe(row.recipe).title, row.dataset): dict(row.recalls)
            for row in printed_results()}  # fmt: skip
    assert ours == board


def test_every_configuration_has_a_recipe_in_the_same_table_and_both_test_sets() -> None:
    recipes = {row.recipe for row in printed_results()}
    for row in printed_results():
        assert load_recipe(row.recipe).table == row.table
    assert {(row.recipe, row.dataset) for row in printed_results()} == {
        (recipe, dataset) for recipe in recipes for dataset in QUERIES
    }
    assert {name for table in TABLES for name in rows_of(table)} == recipes | {"contrastive"}


def test_a_step_goes_from_a_recipe_to_one_that_inherits_from_it() -> None:
    reached = [after for _, after in STEPS]
    assert sorted([*reached, "base"]) == sorted({row.recipe for row in printed_results()})
    for before, after in STEPS:
        old, new = load_recipe(before).values(), load_recipe(after).values()
        changed = {k.partition(".")[0] for k in {*old, *new} if old.get(k) != new.get(k)}
        assert len(changed - {"title", "table"}) == 1, (before, after)


def test_exactly_two_printed_values_cannot_be_counts() -> None:
    impossible = {
        (row.recipe, row.dataset, *found) for row in printed_results() for found in row.impossible()
    }
    assert impossible == {
        ("adamw-2", "tokyo-xs", 1, "28.32"),
        ("reduce-on-plateau", "tokyo-xs", 1, "26.18"),
    }


def test_every_printed_curve_is_whole_and_one_value_does_not_fit_its_neighbours() -> None:
    curves = printed_curves()
    assert {row.recipe for row in printed_results()} == set(curves)
    for curve in curves.values():
        assert [entry["epoch"] for entry in curve] == list(range(10))
        assert all(entry["recall_1"] < entry["recall_5"] for entry in curve)
    assert {name: odd_one_out(c) for name, c in curves.items() if odd_one_out(c)} == {
        "nightlight": [3]
    }
