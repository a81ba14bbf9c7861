"""The report's drawings hold the numbers that they are drawn from."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from vgbench.leaderboard.report.charts import (
    histogram,
    histogram_chart,
    metres_chart,
    missed_by,
    n_chart,
)
from vgbench.leaderboard.report.maps import map_chart, map_of
from vgbench.leaderboard.report.reading import Evaluation
from vgbench.retrieval.recall import first_hit


def made(queries: int = 200, seed: int = 0) -> Evaluation:
    """Random predictions in a square kilometre."""
    random = np.random.default_rng(seed)
    database = random.uniform(0, 1000, (300, 2)) + np.array([500_000, 4_000_000])
    where = random.uniform(0, 1000, (queries, 2)) + np.array([500_000, 4_000_000])
    away = np.hypot(*(where[:, None] - database[None]).transpose(2, 0, 1))
    rows = np.argsort(away + random.normal(scale=40, size=away.shape), axis=1)[:, :20]
    return Evaluation(
        "x", "x", "somewhere", "test", 25.0, "l2",
        query_paths=[f"queries/{i}.jpg" for i in range(queries)],
        database_paths=[f"database/{i}.jpg" for i in range(300)],
        query_positions=where,
        database_positions=database,
        conditions=np.array(["day", "<night>"])[random.integers(0, 2, queries)],
        rows=rows.astype(np.int32),
        distances=np.sort(random.random((queries, 20)), axis=1).astype(np.float32),
        first_hits=first_hit(rows.astype(np.int32), database, where, 25.0),
    )  # fmt: skip


def test_every_query_is_in_one_bar() -> None:
    evaluation = made()
    bins = histogram(evaluation)
    best = evaluation.distances[:, 0]
    for number, one in enumerate(bins):
        inside = (best >= one.low) & (
            (best < one.high) if number < len(bins) - 1 else (best <= best.max())
        )
        assert one.localized == (inside & (evaluation.first_hits == 0)).sum()
        assert one.missed == (inside & (evaluation.first_hits != 0)).sum()
    assert sum(one.localized + one.missed for one in bins) == 200
    assert str(histogram_chart(evaluation)).count('<path class="good"') == sum(
        one.localized > 0 for one in bins
    )


@pytest.mark.parametrize("value", [0.0, 1.5, -3.0])
def test_one_distance_for_all_is_still_a_histogram(value: float) -> None:
    evaluation = replace(made(5), distances=np.full((5, 20), value, np.float32))
    assert sum(one.localized + one.missed for one in histogram(evaluation)) == 5
    assert "nan" not in str(histogram_chart(evaluation)).lower()


def test_every_missed_query_is_in_one_line_of_the_table() -> None:
    evaluation = made()
    best = evaluation.database_positions[evaluation.rows[:, 0]] - evaluation.query_positions
    away = np.hypot(*best.T)[evaluation.first_hits != 0]
    table = dict(missed_by(evaluation))
    assert sum(table.values()) == len(away)
    assert table["25–50 m"] == (away <= 50).sum()
    assert table["over 1,000 m"] == (away > 1000).sum()
    assert missed_by(replace(evaluation, threshold=100.0))[0][0] == "100–200 m"


def test_the_map_has_north_up_and_one_scale_for_both_axes() -> None:
    evaluation = made()
    scale = map_of(evaluation)
    corners = np.array([[0.0, 0.0], [300.0, 0.0], [0.0, 300.0]]) + evaluation.query_positions[0]
    here, east, north = scale.units(corners)
    assert east[0] > here[0] and north[1] < here[1]
    assert abs((east[0] - here[0]) - (here[1] - north[1])) <= 1
    everything = scale.units(
        np.concatenate([evaluation.database_positions, evaluation.query_positions])
    )
    assert everything.min() >= 0
    assert everything[:, 0].max() <= scale.width and everything[:, 1].max() <= scale.height


def test_the_map_marks_each_query_as_localized_or_not() -> None:
    evaluation = made()
    chart = str(map_chart(evaluation))
    paths = dict(re.findall(r'<path class="(database|hit|miss)" d="([^"]*)"', chart))
    localized = int((evaluation.first_hits == 0).sum())
    assert paths["hit"].count("M") == localized  # none shares its unit with another
    assert paths["miss"].count("M") == 200 - localized
    assert f"{localized} localized at 1" in chart


def test_one_place_is_a_map_and_one_prediction_a_curve() -> None:
    evaluation = made(1)
    spot = replace(
        evaluation,
        database_positions=np.repeat(evaluation.query_positions, 300, axis=0),
        rows=evaluation.rows[:, :1],
        distances=evaluation.distances[:, :1],
        first_hits=np.array([0], np.int32),
    )
    for chart in (map_chart(spot), n_chart(spot), metres_chart(spot), histogram_chart(spot)):
        assert not re.search("nan|inf", str(chart), re.I)


def test_labels_of_conditions_are_escaped() -> None:
    for chart in (metres_chart(made()), n_chart(made())):
        assert "&lt;night&gt;" in str(chart) and "<night>" not in str(chart)
