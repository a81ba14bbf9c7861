from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vgbench
from vgbench.errors import UsageError
from vgbench.study.plan import make_plan
from vgbench.study.results import FILE, begin, read_study, write_study
from vgbench.study.running import run_study
from vgbench.study.tables import tables_text


def test_each_recipe_trains_once_and_one_that_fails_stops_no_other(small: Any) -> None:
    assert list(small.study.runs) == ["base", "base-gem"]
    assert small.study.same_as == {"contrastive": "base-gem"}
    assert list(small.study.failures) == ["adam"]
    assert "optimizer.momentum" in small.study.failures["adam"]
    assert sorted(path.name for path in small.folder.iterdir() if path.is_dir()) == [
        "base",
        "base-gem",
    ]


def test_what_is_kept_is_what_evaluating_the_weights_gives(small: Any) -> None:
    for name in ("base", "base-gem"):
        for distance in ("l2", "cosine"):
            result = vgbench.evaluate(
                str(small.folder / name / "model.safetensors"),
                str(small.data / "val"),
                resize=(32, 48),
                distance=distance,
            )
            kept = small.study.runs[name].on("tiny-city/val", distance)
            assert np.array_equal(kept.first_hits, result.first_hits)
            assert {n: kept.hits(n) for n in result.ns} == result.hits
            assert kept.localized(5).sum() == result.hits[5]
            assert kept.weights == result.model.weights_digest


def test_what_the_runs_started_from_is_evaluated_once_for_each_network(small: Any) -> None:
    from vgbench.models import untrained_model

    assert len(small.study.untrained) == 4  # two networks, two distances
    for name, pooling in (("base", "avg"), ("base-gem", "gem")):
        start = untrained_model(f"resnet18(layer2)+{pooling}+fc512")
        result = vgbench.evaluate(start, str(small.data / "val"), resize=(32, 48))
        kept = small.study.before_training(name, "tiny-city/val")
        assert list(kept.first_hits) == result.first_hits.tolist()
        assert kept.weights == start.digest == small.study.runs[name].start


def test_runs_of_one_architecture_and_two_starts_are_not_mixed(small: Any) -> None:
    run = small.study.runs["base"]
    here, elsewhere = (e for e in small.study.untrained if e.distance == "l2")
    assert here.weights == run.start
    other = replace(elsewhere, architecture=here.architecture)
    mixed = replace(small.study, untrained=(other, here))
    assert mixed.before_training("base", "tiny-city/val") == here
    assert replace(mixed, untrained=(other,)).before_training("base", "tiny-city/val") is None


def test_a_start_that_cannot_be_made_again_is_not_evaluated(
    small: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vgbench.study.running import _start, _with_start

    recipe = next(iter(small.plan.recipes.values()))
    random = _start(recipe, "random, seed 0")
    assert random is not None
    assert random.digest == small.study.runs["base"].start
    offline = "random, seed 0 (ImageNet weights could not be fetched: no route)"
    monkeypatch.setattr(
        "vgbench.training.ingredients.make_network", lambda recipe: (random.module, offline)
    )
    assert _start(recipe, "torchvision IMAGENET1K_V1, the rest random, seed 0") is None
    for start in (None, replace(random, digest="0" * 64)):
        same = _with_start(small.study, "base", start, recipe, [], small.folder, "cpu")
        assert same == small.study


def test_places_that_make_no_batch_are_refused_before_they_are_drawn(tmp_path: Path) -> None:
    changes = ["data.drawn_places=10"]
    with pytest.raises(UsageError, match="No recipe has as many places"):
        run_study(
            make_plan(["base"], changes), "demo-city", tmp_path / "study", data_root=tmp_path,
            test_sets=["demo-city/test"],
        )  # fmt: skip
    assert not (tmp_path / ".drawn").exists()


def test_a_recipe_that_shared_a_run_and_is_trained_itself_shares_no_more(small: Any) -> None:
    from vgbench.study.plan import Plan
    from vgbench.study.running import _planned

    recipe = next(iter(small.plan.recipes.values()))
    planned = _planned(small.study, Plan({"contrastive": recipe, "adam": recipe}))
    assert planned.same_as == {}
    assert planned.failures == {}
    assert planned.runs == small.study.runs


def test_running_it_again_trains_and_evaluates_nothing(small: Any) -> None:
    files = [small.folder / "base" / name for name in ("model.safetensors", "run.json")]
    before = [path.stat().st_mtime_ns for path in files]
    content = (small.folder / FILE).read_bytes()
    assert small.again() == small.study
    assert [path.stat().st_mtime_ns for path in files] == before
    assert (small.folder / FILE).read_bytes() == content


def test_a_lost_evaluation_is_made_again_from_the_weights(small: Any) -> None:
    content = (small.folder / FILE).read_bytes()
    document = json.loads(content)
    document["runs"]["base"]["evaluations"] = []
    (small.folder / FILE).write_text(json.dumps(document))
    assert small.again().runs["base"] == small.study.runs["base"]
    assert (small.folder / FILE).read_bytes() == content


def test_the_file_reads_back_the_same_and_keeps_lists_of_numbers_on_one_line(
    small: Any, tmp_path: Path
) -> None:
    write_study(small.study, tmp_path / FILE)
    assert read_study(tmp_path / FILE) == read_study(small.folder / FILE)
    lines = (tmp_path / FILE).read_text().splitlines()
    assert sum('"first_hits": [' in line and "]" in line for line in lines) == 8


def test_another_study_in_the_same_folder_is_refused_with_what_differs(small: Any) -> None:
    with pytest.raises(UsageError, match=r"overrides: .*'epochs=2'.* there, \('epochs=3',\) now"):
        begin(replace(small.study, overrides=("epochs=3",)), small.folder)


def test_the_tables_fit_a_terminal_and_show_measured_printed_and_failed(small: Any) -> None:
    text = tables_text(small.study, ["base", "base-gem", "contrastive", "adam"])
    assert max(map(len, text.splitlines())) <= 80
    base = small.study.runs["base"].on("tiny-city/val")
    assert f"{100 * base.hits(1) / base.queries:.1f} [" in text
    lines = text.splitlines()
    tokyo = [line for line in lines if "tokyo-xs" in line]
    assert any("24.76" in line and "46.66" in line for line in tokyo)  # Adam's, though it failed
    assert "failed: The recipe adam cannot be used" in text
    assert "contrastive resolves to the same as base-gem" in text
    assert "Table 6" not in text


def test_a_recipe_that_shares_a_run_keeps_its_own_printed_numbers(small: Any) -> None:
    text = tables_text(replace(small.study, same_as={"adam": "base"}), ["adam", "study"])
    assert "24.76" in text  # Adam's on Tokyo-XS, not the base model's
    assert "32.06" in text  # the study's best is cosine annealing
    assert "15.8 " not in text
