"""What a study has come to, kept in one JSON file: runs with their curves, and rank by query."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from vgbench.durable import atomic_write
from vgbench.errors import UsageError, VgbenchError
from vgbench.retrieval.recall import hits
from vgbench.training.run import Entry, best_epoch

FILE = "results.json"
SCHEMA = 2

_NUMBERS = re.compile(r"\[\n\s+(-?[\d.]+(?:,\n\s+-?[\d.]+)*)\n\s+\]")


@dataclass(frozen=True)
class Evaluation:
    """One model on one split.

    `first_hits` holds, for each query in the dataset's order, the 0-based rank of its first
    positive; −1 where none is among the predictions. `image_size` is height x width in pixels;
    `ground_truth` and `content` are the split's fingerprints, `weights` the weights' digest.
    """

    dataset: str
    split: str
    distance: str
    architecture: str
    image_size: str
    database: int
    queries: int
    ground_truth: str
    content: str
    weights: str
    first_hits: tuple[int, ...] = field(repr=False)

    @property
    def where(self) -> str:
        """The split as one word."""
        return f"{self.dataset}/{self.split}"

    def hits(self, n: int) -> int:
        """Queries localized at N."""
        return hits(np.asarray(self.first_hits, np.int32), (n,))[n]

    def localized(self, n: int) -> NDArray[np.bool_]:
        """Which queries are localized at N, bool of shape (Q,)."""
        ranks = np.asarray(self.first_hits, np.int32)
        return (ranks >= 0) & (ranks < n)


@dataclass(frozen=True)
class Trained:
    """A finished run: what it was told, its curve, and its evaluations.

    `values` are the recipe's, `seconds` those of training, `initial_weights` what it started from,
    in words; `start` and `weights` are the digests of the model before and after.
    """

    recipe: str
    title: str
    table: int
    values: Mapping[str, Any]
    training_data: str
    validation: str | None
    initial_weights: str
    seconds: float
    start: str
    weights: str
    curve: tuple[Entry, ...]
    evaluations: tuple[Evaluation, ...] = ()

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights were kept, counted from 0."""
        return best_epoch(self.curve)

    def on(self, where: str, distance: str = "l2") -> Evaluation | None:
        """Its evaluation on a split, or None."""
        for one in self.evaluations:
            if (one.where, one.distance) == (where, distance):
                return one
        return None


@dataclass(frozen=True)
class Study:
    """A study: what it was told, its runs by recipe, and what was asked of the included model.

    Attributes
    ----------
    data, validation, overrides
        As `run_study` was given them.
    runs
        Finished runs by recipe.
    same_as
        Recipe → the one whose run it shares.
    failures
        Recipe → why it has no complete result.
    untrained
        Evaluations of the networks that the runs started from.
    reference
        Evaluations of the included model, by other poolings, distances and sizes of images.
    reference_curve
        The included model's validation recall by epoch.
    """

    data: str
    validation: str | None
    overrides: tuple[str, ...]
    runs: Mapping[str, Trained] = field(default_factory=dict)
    same_as: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    untrained: tuple[Evaluation, ...] = ()
    reference: tuple[Evaluation, ...] = ()
    reference_curve: tuple[Entry, ...] = ()

    def run_of(self, recipe: str) -> Trained | None:
        """The run of a recipe, or of the one that it is the same as."""
        return self.runs.get(self.same_as.get(recipe, recipe))

    def before_training(self, recipe: str, where: str, distance: str = "l2") -> Evaluation | None:
        """The evaluation of what a recipe's run started from, or None."""
        run = self.run_of(recipe)
        trained = run.on(where, distance) if run else None
        for one in self.untrained:
            if run and trained and one.weights == run.start and _same_input(one, trained):
                return one
        return None

    def splits(self) -> list[str]:
        """Every split that some run was evaluated on, in the order met."""
        return list(dict.fromkeys(e.where for run in self.runs.values() for e in run.evaluations))

    def to_json(self) -> dict[str, Any]:
        """The study as its file holds it."""
        document = asdict(self)
        document["runs"] = {name: asdict(run) for name, run in self.runs.items()}
        return {"schema": SCHEMA, **document}


def read_study(path: Path) -> Study:
    """Read a study's results.

    Raises
    ------
    VgbenchError
        When the file is missing, damaged or of another schema.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.pop("schema") != SCHEMA:
            raise ValueError(f"it is of another schema than {SCHEMA}")
        return _study(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise VgbenchError(
            f"{path} cannot be read as a study's results ({error}). If it is of an older vgbench, "
            "delete it and run the study again there: finished runs are kept, and only evaluated."
        ) from error


def write_study(study: Study, path: Path) -> None:
    """Write a study's results, whole or not at all; lists of numbers take one line each."""
    text = json.dumps(study.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    text = _NUMBERS.sub(lambda match: f"[{' '.join(match[1].split())}]", text)
    with atomic_write(path) as file:
        file.write((text + "\n").encode())


def begin(study: Study, folder: Path) -> Study:
    """Take up the study in a folder, or begin the given one there.

    Raises
    ------
    UsageError
        When the folder holds a study that was told otherwise; names what differs.
    """
    path = folder / FILE
    with FileLock(folder / ".results.lock"):
        if not path.is_file():
            write_study(study, path)
            return study
        there = read_study(path)
        different = [
            f"  {name}: {getattr(there, name)!r} there, {getattr(study, name)!r} now"
            for name in ("data", "validation", "overrides")
            if getattr(there, name) != getattr(study, name)
        ]
        if different:
            raise UsageError(
                f"{folder} holds a study that was told otherwise:\n"
                + "\n".join(different)
                + "\nName another folder (-o), or give the same options to go on."
            )
        return there


def update(folder: Path, change: Callable[[Study], Study]) -> Study:
    """Change what the file holds, while no other process does."""
    with FileLock(folder / ".results.lock"):
        changed = change(read_study(folder / FILE))
        write_study(changed, folder / FILE)
    return changed


def with_run(study: Study, run: Trained) -> Study:
    """The study with a run added or replaced, and its failure forgotten."""
    failures = {k: v for k, v in study.failures.items() if k != run.recipe}
    return replace(study, runs={**study.runs, run.recipe: run}, failures=failures)


def with_failure(study: Study, recipe: str, reason: str) -> Study:
    """The study with a failure noted."""
    return replace(study, failures={**study.failures, recipe: reason})


def _same_input(a: Evaluation, b: Evaluation) -> bool:
    """Whether two evaluations are of the same images, compared alike."""
    keys = ("dataset", "split", "content", "distance", "image_size")
    return all(getattr(a, key) == getattr(b, key) for key in keys)


def _study(document: dict[str, Any]) -> Study:
    runs = {}
    for name, run in document.pop("runs").items():
        evaluations = tuple(map(_evaluation, run.pop("evaluations")))
        runs[name] = Trained(**{**run, "curve": tuple(run["curve"]), "evaluations": evaluations})
    return Study(
        **{
            **document,
            "overrides": tuple(document["overrides"]),
            "runs": runs,
            "untrained": tuple(map(_evaluation, document["untrained"])),
            "reference": tuple(map(_evaluation, document["reference"])),
            "reference_curve": tuple(document["reference_curve"]),
        }
    )


def _evaluation(document: dict[str, Any]) -> Evaluation:
    return Evaluation(**{**document, "first_hits": tuple(document["first_hits"])})
