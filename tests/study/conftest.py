"""A small study that was really run: recipes on a few rendered places, one of them failing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from vgbench.study.plan import Plan, make_plan
from vgbench.study.results import Study
from vgbench.study.running import run_study

PLACES = 6
SMALL = (
    "epochs=2", "data.places_per_batch=3", "data.image_size=[32,48]", "network.weights=random",
    "precision=float32", "layout=contiguous", "rand_augment=0",
    "optimizer.momentum=0.5",  # which Adam has not: that recipe must fail
)  # fmt: skip


@dataclass(frozen=True)
class Small:
    """A study's folder, its data, and what it came to."""

    folder: Path
    data: Path
    plan: Plan
    study: Study

    def again(self) -> Study:
        """Run it once more, with the same options."""
        return run_study(
            self.plan,
            str(self.data),
            self.folder,
            test_sets=[str(self.data / "val")],
            overrides=SMALL,
        )


@pytest.fixture(scope="session")
def tiny_city(
    draw_city: Callable[[Path, int], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """demo-city's first places, eight images each, in train/; val/ has the same as a dataset."""
    return draw_city(tmp_path_factory.mktemp("study") / "tiny-city", PLACES)


@pytest.fixture(scope="session")
def small(tiny_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The study of base, base + GeM, the contrastive loss (which is the same) and Adam."""
    pytest.importorskip("lightning")
    pytest.importorskip("pytorch_metric_learning")
    plan = make_plan(["base", "base-gem", "contrastive", "adam"], SMALL)
    folder = tmp_path_factory.mktemp("runs") / "study"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VGBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        study = run_study(
            plan, str(tiny_city), folder, test_sets=[str(tiny_city / "val")], overrides=SMALL
        )
    return Small(folder, tiny_city, plan, study)
