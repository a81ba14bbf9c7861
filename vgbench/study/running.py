"""Running a study: train what is missing, evaluate every checkpoint, keep each result at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vgbench.datasets import Dataset, load_dataset
from vgbench.errors import UsageError, VgbenchError
from vgbench.progress import note
from vgbench.study.plan import Plan
from vgbench.study.results import (
    Evaluation,
    Study,
    Trained,
    begin,
    update,
    with_failure,
    with_run,
)

if TYPE_CHECKING:
    from vgbench.models.loading import LoadedModel
    from vgbench.training.recipes import Recipe
    from vgbench.training.run import Run

DISTANCES = ("l2", "cosine")
"""How every checkpoint is compared: as the study did, and as circle loss trains."""


def run_study(
    plan: Plan,
    data: str,
    folder: Path,
    *,
    test_sets: Sequence[str] = ("demo-city/test",),
    validation: str | None = None,
    overrides: Sequence[str] = (),
    data_root: str | os.PathLike[str] | None = None,
    device: str = "auto",
) -> Study:
    """Train every recipe of a plan that has no finished run, and evaluate every run.

    Each run is a folder of its own, FOLDER/RECIPE, which goes on where it was stopped; what came
    out is in FOLDER/results.json after each run and each evaluation. What fails is noted there
    and does not stop the rest. Images are evaluated at the size that the recipe trains with.

    Parameters
    ----------
    plan
        Of `make_plan`.
    data, validation
        As for `vgbench.training.running.train`.
    folder
        Of the study.
    test_sets
        As `load_dataset` takes them.
    overrides
        Those that the plan was made with, kept with the results.
    device
        "auto", "cpu", "cuda" or "mps".

    Raises
    ------
    DatasetError
        Before anything is trained, when data or a test set is missing.
    UsageError
        When the folder holds a study that was told otherwise.
    KeyboardInterrupt
        After an interrupt; what was finished stays.
    """
    from vgbench.training.sources import DEMO, find_training_data

    splits = [load_dataset(name, data_root=data_root) for name in test_sets]
    if data == DEMO and all(
        recipe.places_per_batch > recipe.drawn_places for recipe in plan.recipes.values()
    ):
        raise UsageError(
            "No recipe has as many places as it takes for a batch: data.drawn_places is smaller "
            "than data.places_per_batch."
        )
    for places in sorted({recipe.drawn_places for recipe in plan.recipes.values()}):
        find_training_data(data, validation, drawn_places=places, data_root=data_root)
    study = begin(Study(data, validation, tuple(overrides)), folder)
    study = update(folder, lambda now: _planned(now, plan))
    for number, (name, recipe) in enumerate(plan.recipes.items(), 1):
        try:
            note(f"{name} ({number} of {len(plan.recipes)})")
            run = _trained(recipe, data, folder / name, validation, data_root, device)
            before = study.runs.get(name)
            if before is None or before.weights != run.about["digest"]:
                before = None
            start = _start(recipe, str(run.about["initial_weights"]))
            trained = before or _as_trained(run, start)
            study = update(folder, lambda now, run=trained: with_run(now, run))  # type: ignore[misc]
            study = _evaluated(study, name, run.model, recipe, splits, folder, device)
            study = _with_start(study, name, start, recipe, splits, folder, device)
        except KeyboardInterrupt:
            note(f"The same command goes on from here; finished runs are in {folder}.")
            raise
        except Exception as error:  # whatever it is, the other recipes can still be trained
            reason = str(error) if isinstance(error, VgbenchError) else _named(error)
            note(f"{name} failed: {reason}")
            study = update(
                folder,
                lambda now, n=name, why=reason: with_failure(now, n, why),  # type: ignore[misc]
            )
    return study


def evaluate_at(
    model: LoadedModel,
    split: Dataset,
    size: tuple[int, int] | None = None,
    *,
    distances: Sequence[str] = DISTANCES,
    device: str = "auto",
) -> list[Evaluation]:
    """Describe a split once and evaluate the descriptors by several distances.

    Parameters
    ----------
    size
        (height, width) in pixels that images are resized to; None for none.
    """
    from vgbench.descriptors.extraction import extract
    from vgbench.evaluation import score

    made = extract(model, split, resize=size, device=device)
    found = []
    for distance in distances:
        result = score(made.descriptors, split, distance=distance)
        found.append(
            Evaluation(
                dataset=split.id,
                split=split.split,
                distance=distance,
                architecture=model.architecture,
                image_size=made.image_size,
                database=len(split.database_paths),
                queries=result.queries,
                ground_truth=split.ground_truth,
                content=split.content,
                weights=model.digest or "",
                first_hits=tuple(result.first_hits.tolist()),
            )
        )
    return found


def _planned(study: Study, plan: Plan) -> Study:
    """Note what the plan says; what it trains has no run of another's and has not failed yet."""

    def others(noted: Mapping[str, str]) -> dict[str, str]:
        return {name: text for name, text in noted.items() if name not in plan.recipes}

    return replace(
        study,
        same_as={**others(study.same_as), **plan.same_as},
        failures={**others(study.failures), **plan.unusable},
    )


def _trained(
    recipe: Recipe,
    data: str,
    folder: Path,
    validation: str | None,
    data_root: str | os.PathLike[str] | None,
    device: str,
) -> Run:
    from vgbench.training.running import train

    return train(recipe, data, folder, validation=validation, data_root=data_root, device=device)


def _as_trained(run: Run, start: LoadedModel | None) -> Trained:
    about = run.about
    return Trained(
        recipe=run.folder.name,
        title=about["values"]["title"],
        table=about["values"].get("table", 0),
        values=about["values"],
        training_data=about["training_data"],
        validation=about["validation"],
        initial_weights=str(about["initial_weights"]),
        seconds=round(about["seconds"], 1),
        start=(start.digest if start else None) or "",
        weights=about["digest"],
        curve=tuple(run.curve),
    )


def _evaluated(
    study: Study,
    name: str,
    model: Path,
    recipe: Recipe,
    splits: Sequence[Dataset],
    folder: Path,
    device: str,
) -> Study:
    """Evaluate a run on the splits that it was not evaluated on as they are now."""
    from vgbench.models.loading import load_model

    for split in splits:
        where = f"{split.id}/{split.split}"
        known = study.runs[name].evaluations
        if any(e.where == where and e.content == split.content for e in known):
            continue
        found = evaluate_at(load_model(model), split, recipe.size, device=device)
        others = tuple(e for e in known if e.where != where)
        run = replace(study.runs[name], evaluations=(*others, *found))
        study = update(folder, lambda now, run=run: with_run(now, run))  # type: ignore[misc]
    return study


def _start(recipe: Recipe, initial_weights: str) -> LoadedModel | None:
    """The model that a run started from, or None where it cannot be had again."""
    from vgbench.models.saving import untrained_model, weights_digest
    from vgbench.training.ingredients import make_network

    random = untrained_model(recipe.architecture, seed=recipe.seed)
    if initial_weights.startswith("random"):
        return random
    network, words = make_network(recipe)
    if words != initial_weights:
        return None  # ImageNet's weights could be had then, and cannot now
    return replace(random, module=network, digest=weights_digest(network, random.architecture))


def _with_start(
    study: Study,
    name: str,
    start: LoadedModel | None,
    recipe: Recipe,
    splits: Sequence[Dataset],
    folder: Path,
    device: str,
) -> Study:
    """Evaluate the network that a run started from, where no other run started from the same."""
    if start is None or start.digest != study.runs[name].start:
        note(f"What {name} started from cannot be made again here, and is not evaluated.")
        return study
    for split in splits:
        if study.before_training(name, f"{split.id}/{split.split}"):
            continue
        found = tuple(evaluate_at(start, split, recipe.size, device=device))
        study = update(
            folder,
            lambda now, new=found: replace(now, untrained=(*now.untrained, *new)),  # type: ignore[misc]
        )
    return study


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
