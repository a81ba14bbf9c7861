"""Pictures inside the page: their number, their size, and what happens to those that fail."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vgbench.datasets import load_dataset
from vgbench.evaluation import score
from vgbench.leaderboard.report import pictures
from vgbench.leaderboard.report.content import listed_queries
from vgbench.leaderboard.report.pictures import (
    GRADES,
    embed,
    embed_listed,
    needed,
    thumbnail,
)
from vgbench.leaderboard.report.reading import Evaluation, read_evaluation


@pytest.fixture(scope="module")
def evaluation(unpacked: Path) -> Evaluation:
    dataset = load_dataset("demo-city", "val", unpacked)
    where = np.concatenate([dataset.database_positions, dataset.query_positions])
    noise = np.random.default_rng(0).normal(scale=20, size=where.shape)
    return read_evaluation(score((where - where.mean(axis=0) + noise).astype(np.float32), dataset))


def size(uri: str) -> tuple[int, int]:
    """Pixels of an embedded picture."""
    data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"), validate=True)
    with Image.open(io.BytesIO(data)) as image:
        return image.size


def test_all_are_there_and_small_where_the_budget_allows(evaluation: Evaluation) -> None:
    assert evaluation.images is not None
    listed = listed_queries(evaluation, 20, 3)
    made = embed_listed(evaluation, listed)
    assert set(made.sources) == set(needed(evaluation, listed)) and made.grade == GRADES[0]
    assert not made.unreadable and not made.over_budget
    assert all(max(size(uri)) == GRADES[0].side for uri in made.sources.values())
    again = embed_listed(evaluation, listed)
    assert again.sources == made.sources


def test_a_smaller_budget_makes_smaller_pictures_and_then_fewer(evaluation: Evaluation) -> None:
    assert evaluation.images is not None
    paths = needed(evaluation, listed_queries(evaluation, 40, 5))
    best = embed(evaluation.images, paths)
    whole = sum(len(best.sources[path]) for path in paths)
    half = embed(evaluation.images, paths, whole // 2)
    assert half.grade in GRADES[1:] and not half.over_budget
    tiny = embed(evaluation.images, paths, whole // 50)
    assert tiny.grade == GRADES[-1] and tiny.over_budget
    for made, budget in ((half, whole // 2), (tiny, whole // 50)):
        shown = [path for path in paths if path in made.sources]
        assert sum(len(made.sources[path]) for path in dict.fromkeys(shown)) <= budget
    assert tiny.over_budget + len(tiny.sources) == len(set(paths))
    assert set(tiny.sources) == set(list(dict.fromkeys(paths))[: len(tiny.sources)])  # the worst


def test_the_worst_queries_keep_the_better_pictures(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "FIRST_ROWS", 5)
    listed = listed_queries(evaluation, 60, 5)
    first = set(needed(evaluation, listed[:5]))
    made = embed_listed(evaluation, listed, 900_000)
    others = set(made.sources) - first
    assert first <= set(made.sources) and others
    assert min(max(size(made.sources[path])) for path in first) > max(
        max(size(made.sources[path])) for path in others
    )
    assert sum(map(len, made.sources.values())) <= 900_000


def test_files_that_are_gone_or_damaged_are_counted(city: Path) -> None:
    dataset = load_dataset(city)
    paths = [*dataset.query_paths]
    dataset.image_path(paths[0]).unlink()
    dataset.image_path(paths[1]).write_bytes(b"\xff\xd8 not an image")
    made = embed(dataset, paths)
    assert made.unreadable == tuple(paths[:2]) and set(made.sources) == set(paths[2:])


def test_a_picture_is_never_made_larger(tmp_path: Path) -> None:
    Image.new("L", (30, 20)).save(tmp_path / "small.png")
    uri = thumbnail(tmp_path / "small.png", GRADES[0])
    assert uri is not None and size(uri) == (30, 20)


def test_without_a_budget_for_others_they_are_named_only(evaluation: Evaluation) -> None:
    listed = listed_queries(replace(evaluation), 3, 2)
    made = embed_listed(evaluation, listed, 1)
    assert made.sources == {} and made.over_budget == len(set(needed(evaluation, listed)))
