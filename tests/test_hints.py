"""What a result's reader is told beside the numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vgbench.datasets import Dataset, load_dataset
from vgbench.evaluation import evaluate, score

Rows = NDArray[np.float32]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset("demo-city")


@pytest.fixture(scope="module")
def good(dataset: Dataset) -> Rows:
    """Unit vectors that are near one another where their images are: waves over the plane."""
    positions = np.concatenate([dataset.database_positions, dataset.query_positions])
    random = np.random.default_rng(0)
    phases = positions @ random.normal(size=(2, 64)) / 120
    rows = np.concatenate([np.cos(phases), np.sin(phases)], axis=1)
    found: Rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return found


def test_a_good_result_needs_no_word(dataset: Dataset, good: Rows) -> None:
    result = score(good, dataset)
    assert result.recalls[1] > 80
    assert result.warnings == ()


def test_rows_with_the_queries_first_are_recognised(dataset: Dataset, good: Rows) -> None:
    cut = len(dataset.database_paths)
    (said,) = score(np.concatenate([good[cut:], good[:cut]]), dataset).warnings
    assert "no better than that of a random ranking" in said
    would_be = score(good, dataset).recalls[1]
    assert f"R@1 would be {would_be:.1f}: put the database's rows first" in said


def test_rows_in_any_other_order_are_asked_about(dataset: Dataset, good: Rows) -> None:
    shuffled = np.random.default_rng(1).permutation(good)
    (said,) = score(shuffled, dataset).warnings
    assert "`vgbench datasets info demo-city/test --paths`?" in said
    assert "put the database" not in said


def test_large_arrays_are_not_copied_to_try_another_order(
    dataset: Dataset, good: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vgbench.hints.LARGEST_COPY", 1000)
    cut = len(dataset.database_paths)
    (said,) = score(np.concatenate([good[cut:], good[:cut]]), dataset).warnings
    assert "--paths" in said


def test_weak_descriptors_better_than_chance_are_not_suspected(
    dataset: Dataset, good: Rows
) -> None:
    noise = np.random.default_rng(2).normal(size=good.shape).astype(np.float32)
    mixed = good + 0.3 * noise
    result = score(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), dataset)
    assert result.recalls[1] < 10
    assert result.warnings == ()


def test_of_rows_that_a_model_made_the_order_is_not_asked_about(dataset: Dataset) -> None:
    import torch

    def useless(images: torch.Tensor) -> torch.Tensor:
        generator = torch.Generator().manual_seed(round(1e3 * float(images.double().mean())))
        rows = torch.randn((len(images), 64), generator=generator)
        return rows / rows.norm(dim=1, keepdim=True)

    (said,) = evaluate(useless, dataset).warnings
    assert said == "R@10 is no better than that of a random ranking."


def test_a_dataset_of_a_folder_is_named_by_it(dataset: Dataset, good: Rows) -> None:
    shuffled = np.random.default_rng(1).permutation(good)
    given = replace(dataset, folder_given=True, folder=Path("/data/my city"))
    (said,) = score(shuffled, given).warnings
    assert "`vgbench datasets info '/data/my city' --paths`?" in said


def test_few_queries_with_a_positive_are_no_ground_for_suspicion(
    dataset: Dataset, good: Rows
) -> None:
    positions = dataset.query_positions + 1e5
    positions[:25] -= 1e5
    result = score(good, replace(dataset, query_positions=positions))
    assert result.queries_without_positives > 200
    assert result.hits[1] > 15
    assert result.warnings == ()
    shuffled = np.random.default_rng(1).permutation(good)
    assert score(shuffled, replace(dataset, query_positions=positions)).warnings == ()


def test_many_queries_out_of_reach_do_not_make_good_descriptors_suspicious(
    dataset: Dataset, good: Rows
) -> None:
    """A third of the reachable queries are localized: few of all, and far above chance."""
    positions = dataset.query_positions + 1e5
    positions[:40] -= 1e5
    wrong = good.copy()
    wrong[-len(positions) : -len(positions) + 25] = good[:25]
    result = score(wrong, replace(dataset, query_positions=positions))
    assert result.recalls[1] < 10
    assert result.warnings == ()


def test_queries_without_any_positive_are_no_fault_of_the_descriptors(
    dataset: Dataset, good: Rows
) -> None:
    elsewhere = replace(dataset, query_positions=dataset.query_positions + 1e5)
    (said,) = score(good, elsewhere).warnings
    assert "None of the queries has a database image within 25 m" in said


def test_another_distance_is_spoken_of_only_where_it_changes_the_recall(
    dataset: Dataset, good: Rows
) -> None:
    assert score(2 * good, dataset).warnings == ()
    lengths = np.random.default_rng(4).uniform(0.1, 10, (len(good), 1)).astype(np.float32)
    (said,) = score(lengths * good, dataset).warnings
    cosine = score(good, dataset, distance="cosine").recalls[1]
    assert f"With --distance cosine it would be {cosine:.1f}." in said
