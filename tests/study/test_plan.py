from __future__ import annotations

from pathlib import Path

import pytest

from vgbench.errors import UsageError
from vgbench.study.plan import make_plan


def test_recipes_that_resolve_to_the_same_are_planned_once() -> None:
    plan = make_plan(["cosine-annealing", "study", "base"], ["epochs=2"])
    assert list(plan.recipes) == ["cosine-annealing", "base"]
    assert plan.same_as == {"study": "cosine-annealing"}
    assert all(recipe.epochs == 2 for recipe in plan.recipes.values())


def test_a_change_that_makes_two_recipes_the_same_merges_them() -> None:
    assert make_plan(["sgd", "adam"], ["optimizer.name=adam"]).same_as == {"adam": "sgd"}


def test_a_change_that_does_not_fit_one_recipe_leaves_the_others() -> None:
    plan = make_plan(["sgd", "adam"], ["optimizer.momentum=0.9"])
    assert list(plan.recipes) == ["sgd"]
    assert "optimizer adam has no optimizer.momentum" in plan.unusable["adam"]


def test_what_fits_no_recipe_is_refused() -> None:
    with pytest.raises(UsageError, match="no key epoch"):
        make_plan([], ["epoch=3"])
    with pytest.raises(UsageError, match="Did you mean flip"):
        make_plan(["base", "flipp"])


def test_a_file_is_planned_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('inherits = "flip"\nepochs = 3\n')
    (tmp_path / "base.toml").write_text('inherits = "flip"\n')
    assert list(make_plan([str(tmp_path / "mine.toml"), "flip"]).recipes) == ["mine", "flip"]
    with pytest.raises(UsageError, match="called base"):
        make_plan(["base", str(tmp_path / "base.toml")])
