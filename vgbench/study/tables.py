"""The study's tables on a terminal: what was measured, with intervals, beside what was printed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from vgbench.leaderboard.text import clean_text, pad, shorten
from vgbench.retrieval.statistics import percent_interval
from vgbench.study.plan import NOT_IN_THE_TABLES
from vgbench.study.printed import QUERIES, TABLES, printed_row
from vgbench.study.results import Evaluation, Study
from vgbench.training.recipes import load_recipe, recipe_names

NS = (1, 5)
"""The recalls that the study printed for every configuration."""

NONE = "–"


def rows_of(table: int) -> list[str]:
    """The recipes of one of the study's tables, in its order.

    >>> rows_of(6)
    ['cosine-annealing', 'reduce-on-plateau']
    """
    return list(_recipes_by_table().get(table, ()))


@cache
def _recipes_by_table() -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for name in recipe_names():
        if name not in NOT_IN_THE_TABLES:
            found.setdefault(load_recipe(name).table, []).append(name)
    return found


def tables_text(study: Study, recipes: Sequence[str] = ()) -> str:
    """Table by table: recall@1 and @5 on every test set, and the study's numbers.

    Parameters
    ----------
    recipes
        Only these; by default all. Those of no table come last.
    """
    wanted = list(recipes) or [name for table in TABLES for name in rows_of(table)]
    wanted += [name for name in study.runs if not recipes and name not in wanted]
    parts = []
    for table, what in TABLES.items():
        here = [name for name in rows_of(table) if name in wanted]
        if here:
            parts.append(_table(study, f"Table {table}: {what}", here))
    others = [name for name in wanted if not any(name in rows_of(table) for table in TABLES)]
    if others:
        parts.append(_table(study, "In none of the study's tables", others))
    notes = [f"{name} resolves to the same as {first}: one run." for name, first in
             study.same_as.items() if name in wanted]  # fmt: skip
    return "\n\n".join([*parts, *notes])


def interval_text(evaluation: Evaluation | None, n: int) -> str:
    """A recall with its 95 % Wilson interval, in percent; a dash where there is none."""
    if evaluation is None:
        return NONE
    count = evaluation.hits(n)
    low, high = percent_interval(count, evaluation.queries)
    return f"{100 * count / evaluation.queries:.1f} [{low:.1f}–{high:.1f}]".replace(
        "100.0]", "100]"
    )


def _table(study: Study, title: str, recipes: Sequence[str]) -> str:
    head = f"{'recipe':17} {'on':11}" + "".join(f"{f'R@{n}':>17}{'printed':>8}" for n in NS)
    lines = [title, head]
    for name in recipes:
        run = study.run_of(name)
        splits = list(dict.fromkeys([*study.splits(), *(f"{one}/test" for one in QUERIES)]))
        first = True
        for where in splits:
            dataset, _, split = where.partition("/")
            measured = run.on(where) if run else None
            printed = printed_row(name, dataset) if split == "test" else None
            if measured is None and printed is None:
                continue
            place = dataset if split == "test" else where
            line = pad(shorten(clean_text(name), 17), 17) if first else " " * 17
            line += " " + pad(shorten(clean_text(place), 11), 11)
            for n in NS:
                number = printed.recalls[n] if printed else NONE
                line += pad(interval_text(measured, n), 17, right=True)
                line += pad(number, 8, right=True)
            lines.append(line)
            first = False
        if first:
            lines.append(f"{pad(shorten(clean_text(name), 17), 17)} not evaluated")
        if name in study.failures:
            reason = clean_text(study.failures[name])
            lines.append(f"{'':17} {shorten('failed: ' + reason, 61)}")
    return "\n".join(lines)
