"""What a study trains: the recipes asked for, as changed, each resolved recipe once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vgbench.errors import UsageError
from vgbench.training.recipes import Recipe, load_recipe, recipe_names

NOT_IN_THE_TABLES = ("study", "reference")
"""Recipes that repeat one of the study's rows or are not the study's; trained when named."""


@dataclass(frozen=True)
class Plan:
    """The recipes of a study.

    Attributes
    ----------
    recipes
        By name, what is trained, in the study's order.
    same_as
        A recipe that resolves to the same values as an earlier one → that one.
    unusable
        Recipes that cannot be read as changed, and why.
    """

    recipes: Mapping[str, Recipe]
    same_as: Mapping[str, str] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)


def make_plan(names: Sequence[str] = (), overrides: Sequence[str] = ()) -> Plan:
    """Resolve recipes; without names, every row of the study's tables.

    Parameters
    ----------
    names
        As `load_recipe` takes them: names, or paths of TOML files.
    overrides
        ``key=value`` each, laid over every recipe. Where they do not fit one (an optimizer without
        `momentum`), that recipe is unusable and the others are planned.

    Raises
    ------
    UsageError
        When a name is not known, two files share a name, or no recipe can be used.

    Examples
    --------
    >>> plan = make_plan()
    >>> len(plan.recipes), dict(plan.same_as)
    (15, {'contrastive': 'base-gem'})
    """
    chosen = list(dict.fromkeys(names)) or [
        name for name in recipe_names() if name not in NOT_IN_THE_TABLES
    ]
    recipes: dict[str, Recipe] = {}
    same_as: dict[str, str] = {}
    unusable: dict[str, str] = {}
    seen: dict[str, str] = {}
    for asked in chosen:
        name = Path(asked).stem if asked.endswith(".toml") else asked
        if name in {*recipes, *same_as, *unusable}:
            raise UsageError(f"Two recipes are called {name}: rename one of the files.")
        load_recipe(asked)  # a name that is not known is a mistake, whatever else is asked for
        try:
            recipe = load_recipe(asked, overrides)
        except UsageError as error:
            unusable[name] = str(error)
            continue
        first = seen.setdefault(_content(recipe), name)
        if first == name:
            recipes[name] = recipe
        else:
            same_as[name] = first
    if not recipes:
        raise UsageError(next(iter(unusable.values())))
    return Plan(recipes, same_as, unusable)


def _content(recipe: Recipe) -> str:
    """All that decides what is trained: not what the recipe is called."""
    values = {k: v for k, v in recipe.values().items() if k not in ("title", "table")}
    return repr(sorted(values.items()))
