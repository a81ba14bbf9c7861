from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vgbench.datasets import import_dataset
from vgbench.datasets.facts import count_with_positive, decided, facts_of, measure
from vgbench.datasets.manifest import SplitManifest
from vgbench.datasets.manifest_file import MANIFEST, read_manifest
from vgbench.datasets.registry import DatasetSpec, parse_registry
from vgbench.retrieval.positives import count_without_positives

MakeFolder = Callable[..., Path]


@pytest.fixture
def split(make_folder: MakeFolder) -> SplitManifest:
    folder = import_dataset("town", make_folder(parts={"test/database": 6, "test/queries": 3}))
    return read_manifest(folder / MANIFEST).splits["test"]


def spec(table: str = "", split: str = "") -> DatasetSpec:
    head = 'schema = 1\n[town]\ntitle = "T"\ndescription = "T"\nterms = "T"\n'
    return parse_registry(f"{head}{table}\n[town.splits.test]\n{split}")["town"]


def states(spec: DatasetSpec | None, split: SplitManifest) -> dict[str, str]:
    return {fact.what: fact.state for fact in facts_of(spec, split, measure(split))}


def test_a_split_is_measured_by_its_names(split: SplitManifest) -> None:
    measured = measure(split)
    assert measured.images == {"database": 6, "queries": 3}
    assert measured.zones == ("10S",)
    assert measured.box == (550_000.0, 550_005.0, 4_180_000.0, 4_180_001.0)
    assert measured.queries_with_positive == 3


def test_what_is_not_pinned_is_unknown_and_decides_nothing(split: SplitManifest) -> None:
    for known in (None, spec()):
        assert set(states(known, split).values()) == {"unknown"}
        assert not decided(facts_of(known, split, measure(split)))


@pytest.mark.parametrize(
    ("table", "pins", "what"),
    [
        ('utm_zone = "11S"', "", "utm_zone"),
        ("box = [0, 1, 0, 1]", "", "box"),
        ("box = [550_000, 550_005, 4_180_000, 4_180_000.5]", "", "box"),
        ("", "queries_with_positive = 2", "queries_with_positive"),
        ("", f'ground_truth = "{"0" * 64}"', "ground_truth"),
        ("", f'content = "{"0" * 64}"', "content"),
        ("", "train = 5", "train"),
    ],
)
def test_one_fact_that_differs_is_told_and_nothing_is_verified(
    split: SplitManifest, table: str, pins: str, what: str
) -> None:
    known = spec(table, f"database = 6\nqueries = 3\n{pins}")
    facts = facts_of(known, split, measure(split))
    assert [fact.what for fact in facts if fact.state == "differs"] == [what]
    assert not decided(facts)


def test_counts_and_zone_decide(split: SplitManifest) -> None:
    known = spec('utm_zone = "10S"', "database = 6\nqueries = 3")
    assert decided(facts_of(known, split, measure(split)))
    assert not decided(facts_of(spec("", "database = 6"), split, measure(split)))
    assert decided(
        facts_of(spec("", f'ground_truth = "{split.ground_truth}"'), split, measure(split))
    )


def test_a_zone_that_no_name_states_is_unknown(make_folder: MakeFolder) -> None:
    folder = import_dataset("town", make_folder(zone="@"))
    split = read_manifest(folder / MANIFEST).splits["test"]
    assert states(spec('utm_zone = "10S"'), split)["utm_zone"] == "unknown"


def test_queries_with_a_positive_are_counted_as_recall_counts_them() -> None:
    random, corner = np.random.default_rng(0), np.array([548_000.0, 4_180_000.0])
    for scale in (30.0, 300.0, 3_000.0):
        # Whole numbers of metres: many distances are exactly 25, as 15² + 20² = 7² + 24² = 25².
        database = corner + np.round(random.uniform(0, scale, (200, 2)))
        queries = corner + np.round(random.uniform(0, scale, (300, 2)))
        expected = 300 - count_without_positives(database, queries)
        assert count_with_positive(database, queries) == expected
    on_the_circle = np.array([[15.0, 20.0], [7.0, -24.0], [25.0, 0.0], [25.0, 1e-5]])
    assert count_with_positive(np.zeros((1, 2)), on_the_circle) == 3
    assert count_with_positive(np.zeros((0, 2)), on_the_circle) == 0
