"""What the study printed: its test recalls, and its validation recalls by epoch."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from vgbench.retrieval.statistics import possible_count

TABLES: Mapping[int, str] = {
    1: "the base model and its pooling",
    4: "losses",
    5: "optimizers",
    6: "schedulers",
    7: "augmentations",
}
"""The report's tables of results, and what each compares."""

STEPS = (
    ("base", "base-gem"),
    ("base-gem", "triplet"),
    ("base-gem", "multi-similarity"),
    ("base-gem", "circle"),
    ("circle", "sgd"),
    ("sgd", "asgd"),
    ("sgd", "adam"),
    ("sgd", "adamw-1"),
    ("adamw-1", "adamw-2"),
    ("adamw-1", "cosine-annealing"),
    ("adamw-1", "reduce-on-plateau"),
    ("cosine-annealing", "flip"),
    ("cosine-annealing", "nightlight"),
    ("cosine-annealing", "jitter"),
)
"""What the study's tables compare: two recipes that differ in one choice, be it the settings of an
optimizer that go together."""

PRINTED_AS: Mapping[str, str] = {"contrastive": "base-gem", "study": "cosine-annealing"}
"""Recipes whose numbers stand in the study's tables under another name."""

QUERIES: Mapping[str, int] = {"sf-xs": 1000, "tokyo-xs": 315}
"""The study's test sets, and how many queries each has."""

VALIDATION = "SF-XS val"
"""What the study's curves were measured on."""


@dataclass(frozen=True)
class Printed:
    """One line of a table: recalls on one test set by N, in the digits that were printed."""

    table: int
    recipe: str
    dataset: str
    recalls: Mapping[int, str]

    def impossible(self) -> list[tuple[int, str]]:
        """The recalls, as (N, percent), that no number of this test set's queries gives.

        >>> printed_row("adamw-2", "tokyo-xs").impossible()
        [(1, '28.32')]
        """
        return [
            (n, percent)
            for n, percent in self.recalls.items()
            if not possible_count(
                float(percent), QUERIES[self.dataset], len(percent.partition(".")[2])
            )
        ]


@lru_cache
def printed_results() -> tuple[Printed, ...]:
    """Every line of the study's tables, in their order."""
    return tuple(
        Printed(
            table=int(row["table"]),
            recipe=row["recipe"],
            dataset=row["dataset"],
            recalls={n: row[f"recall_{n}"] for n in (1, 5, 10, 20) if row[f"recall_{n}"]},
        )
        for row in _rows("printed_results.csv")
    )


def printed_row(recipe: str, dataset: str) -> Printed | None:
    """The line of a recipe on a test set; None where the study printed none.

    >>> printed_row("flip", "tokyo-xs").recalls
    {1: '35.24', 5: '50.48'}
    """
    recipe = PRINTED_AS.get(recipe, recipe)
    for row in printed_results():
        if (row.recipe, row.dataset) == (recipe, dataset):
            return row
    return None


@lru_cache
def printed_curves() -> Mapping[str, list[dict[str, float]]]:
    """By recipe, one entry an epoch: `epoch`, `recall_1`, `recall_5` on SF-XS val, in percent.

    >>> [entry["recall_1"] for entry in printed_curves()["cosine-annealing"]][-2:]
    [58.9, 59.5]
    """
    curves: dict[str, list[dict[str, float]]] = {}
    for row in _rows("printed_curves.csv"):
        curves.setdefault(row["recipe"], []).append(
            {
                "epoch": int(row["epoch"]),
                "recall_1": float(row["recall_1"]),
                "recall_5": float(row["recall_5"]),
            }
        )
    return curves


def printed_curve(recipe: str) -> list[dict[str, float]]:
    """The curve of a recipe as `printed_curves` has it; empty where the study printed none."""
    return printed_curves().get(PRINTED_AS.get(recipe, recipe), [])


def odd_one_out(curve: list[dict[str, float]], away: float = 5.0) -> list[int]:
    """Epochs whose printed R@1 lies above both neighbours by more than `away` points.

    A curve that rises and falls back by so much within two epochs is likely misprinted.

    >>> odd_one_out(printed_curves()["nightlight"])
    [3]
    """
    values = [entry["recall_1"] for entry in curve]
    return [
        int(curve[i]["epoch"])
        for i in range(1, len(values) - 1)
        if values[i] - max(values[i - 1], values[i + 1]) > away
    ]


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = resources.files("vgbench.study").joinpath(name).read_text(encoding="utf-8")
    return csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
