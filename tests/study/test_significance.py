from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.multitest import multipletests

from vgbench.study.printed import QUERIES, STEPS
from vgbench.study.results import Evaluation, Study, Trained
from vgbench.study.significance import measured_steps, paired_bounds, printed_steps


def test_the_bounds_are_those_of_every_way_to_lay_the_two_counts_over_each_other() -> None:
    queries = 14
    for before, after in product(range(queries + 1), repeat=2):
        found = []
        for both in range(queries + 1):
            only_before, only_after = before - both, after - both
            neither = queries - both - only_before - only_after
            if min(only_before, only_after, neither) < 0:
                continue
            discordant = only_before + only_after
            p = binomtest(only_before, discordant).pvalue if discordant else 1.0
            found.append((discordant, p))
        least, most, enough = paired_bounds(before, after, queries)
        assert least == pytest.approx(min(p for _, p in found))
        assert most == pytest.approx(max(p for _, p in found))
        significant = [discordant for discordant, p in found if p < 0.05]
        assert enough == max(significant, default=None)


@pytest.mark.parametrize(("dataset", "n"), list(product(QUERIES, (1, 5))))
def test_what_the_smallest_discordance_cannot_show_is_never_called_possible(
    dataset: str, n: int
) -> None:
    steps = printed_steps(dataset, n)
    assert [(step.before, step.after) for step in steps] == list(STEPS)
    least = [
        binomtest(0, abs(step.difference)).pvalue if step.difference else 1.0 for step in steps
    ]
    adjusted = multipletests(least, method="holm")[1]
    for step, p, corrected in zip(steps, least, adjusted, strict=True):
        assert step.p_least == pytest.approx(p)
        assert step.adjusted_least == pytest.approx(corrected)
        assert (step.verdict == "no") == (corrected >= 0.05)
        assert step.p_least <= step.p_most
        assert step.adjusted_least <= step.adjusted_most


def _study(**outcomes: list[int]) -> Study:
    runs = {}
    for name, ranks in outcomes.items():
        evaluation = Evaluation(
            "city", "test", "l2", "net", "3x4", 9, len(ranks), "t", "c", name, tuple(ranks)
        )
        runs[name.replace("_", "-")] = Trained(
            name, name, 0, {}, "city", None, "random", 1.0, "start", name, (), (evaluation,)
        )
    return Study("city", None, (), runs)


def test_measured_steps_are_paired_by_query_and_corrected_together() -> None:
    study = _study(
        base=[0] * 6 + [-1] * 14,
        base_gem=[0] * 6 + [0] * 10 + [-1] * 4,
        circle=[1] * 6 + [0] * 10 + [-1] * 4,
    )
    first, second = measured_steps(study, "city/test")
    assert (first.before, first.after) == ("base", "base-gem")
    assert (first.only_before, first.only_after) == (0, 10)
    assert (second.only_before, second.only_after) == (6, 0)
    raw = [binomtest(0, 10).pvalue, binomtest(6, 6).pvalue]
    assert [first.p, second.p] == pytest.approx(raw)
    adjusted = multipletests(raw, method="holm")[1]
    assert np.allclose([first.adjusted, second.adjusted], adjusted)
    assert first.recall_before == pytest.approx(30)
    assert measured_steps(study, "city/test", 5)[1].p == 1.0
    assert measured_steps(study, "elsewhere/test") == []


def test_another_ground_truth_is_never_paired() -> None:
    study = _study(base=[0, 1], base_gem=[0, 0])
    run: Any = study.runs["base"]
    other = replace(run, evaluations=(replace(run.evaluations[0], ground_truth="other"),))
    changed = replace(study, runs={**study.runs, "base": other})
    assert measured_steps(changed, "city/test") == []
