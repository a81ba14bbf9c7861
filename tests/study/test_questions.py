from __future__ import annotations

from pathlib import Path

import pytest

import vgbench
from vgbench.study import questions
from vgbench.study.questions import ask, reference_curve
from vgbench.study.results import Study, begin
from vgbench.training.recipes import load_recipe


def test_the_included_models_curve_is_read_from_what_ships() -> None:
    curve = reference_curve()
    assert [entry["epoch"] for entry in curve] == list(range(len(curve)))
    assert len(curve) == load_recipe("reference").epochs
    assert max(entry["recall_1"] for entry in curve) > curve[0]["recall_1"]


@pytest.mark.slow
def test_answers_are_those_of_evaluating_and_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "SIZES", ((48, 64), (96, 128)))
    begin(Study("demo-city", None, ()), tmp_path)
    study = ask(tmp_path)
    assert len(study.reference) == 6
    averaged = [e for e in study.reference if "avg" in e.architecture]
    assert {e.image_size for e in averaged} == {"192x256"}
    result = vgbench.evaluate("reference", "demo-city/test", resize=(96, 128), distance="cosine")
    (kept,) = (e for e in study.reference if (e.image_size, e.distance) == ("96x128", "cosine"))
    assert list(kept.first_hits) == result.first_hits.tolist()
    before = (tmp_path / "results.json").stat().st_mtime_ns
    assert ask(tmp_path) == study
    assert (tmp_path / "results.json").stat().st_mtime_ns >= before
