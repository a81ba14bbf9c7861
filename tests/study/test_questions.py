from __future__ import annotations

from pathlib import Path

import pytest

import vgbench
from vgbench.study import questions
from vgbench.study.questions import ask, curve_in_card, reference_curve
from vgbench.study.results import Study, begin


def test_the_included_models_curve_is_read_from_what_ships() -> None:
    curve = reference_curve()
    assert [entry["epoch"] for entry in curve] == list(range(len(curve)))
    assert len(curve) > 5
    assert max(entry["recall_1"] for entry in curve) > curve[0]["recall_1"]


def test_a_card_is_read_to_the_end_of_its_table() -> None:
    card = "# Card\n\n| a |\n|---|\n| 1 |\n\n| epoch | loss | R@1 |\n|---|---|---|\n"
    card += "| 0 | 3.5 | 10.0 |\n| 1 | 2.5 | 20.0 |\n\nText\n| 2 | 9 | 9 |\n"
    assert [entry["recall_1"] for entry in curve_in_card(card)] == [10.0, 20.0]
    assert curve_in_card("no table") == ()


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
