"""Every ingredient of the study trains for real: a few steps on rendered streets lower the loss."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")
pytest.importorskip("pytorch_metric_learning")

from vgbench.models import load_model
from vgbench.models.networks import DescriptorNetwork
from vgbench.training.ingredients import make_loss, make_network
from vgbench.training.measuring import Way, in_layout
from vgbench.training.places import Places
from vgbench.training.recipes import Recipe, load_recipe
from vgbench.training.run import Run
from vgbench.training.running import train

EPOCHS = 4
"""Of two steps each."""

SMALL = (
    "network.weights=random", "data.places_per_batch=5", "data.image_size=[48,64]",
    "rand_augment=1", "precision=float32", "layout=channels-last", f"epochs={EPOCHS}",
)  # fmt: skip

# The study's rates are for hundreds of steps of 512 images, from ImageNet's weights.
GENTLE = "optimizer.lr=5e-4"
ADAMW = ("optimizer.name=adamw", GENTLE)

CASES = {
    "contrastive": (*ADAMW, "epochs=24"),  # it falls slowly and unsteadily
    "triplet": (*ADAMW, "epochs=24"),
    "multi-similarity": ADAMW,
    "circle": ADAMW,
    "sgd": ("optimizer.lr=1e-2",),
    "asgd": ("optimizer.lr=1e-2",),
    "adam": (GENTLE,),
    "adamw-1": (GENTLE,),
    "adamw-2": (GENTLE,),
    "base": (*ADAMW, "loss.name=circle"),
    "base-gem": (*ADAMW, "loss.name=circle"),
}
"""Losses, optimizers and poolings: a recipe of the study, and what a few steps need."""

REPEATED = ("adamw-1", "base-gem")
"""What other cases train with as well."""


def loss_of(network: DescriptorNetwork, recipe: Recipe, folder: Path) -> float:
    """The loss of one batch of all places, as they are, whatever the network was trained on."""
    places = Places(folder, lambda image: image, 0, recipe.images_per_place, recipe.size)
    images = torch.cat([places[place] for place in range(len(places))])
    labels = torch.arange(len(places)).repeat_interleave(recipe.images_per_place)
    with torch.no_grad():
        descriptors = network.train()(in_layout(images, Way("float32", channels_last=True)))
        return float(make_loss(recipe.loss)(descriptors, labels))


def lower(recipe: Recipe, city: Path, output: Path, validation: str | None = "none") -> Run:
    """Train, and check that a batch's loss is lower than of the network that training began with.

    The batch holds unchanged images and the weights are those of the last epoch, so that neither
    what was drawn nor a good epoch in between decides.
    """
    before = loss_of(make_network(recipe)[0], recipe, city / "train")
    run = train(recipe, city, output, validation=validation, device="cpu")
    assert len(run.curve) == recipe.epochs
    last = load_model(run.folder / "checkpoints" / "last.ckpt").module
    assert loss_of(last, recipe, city / "train") < before
    return run


def rates(run: Run) -> Sequence[float]:
    """The learning rate of each epoch, as it was logged at its last step."""
    text = (run.folder / "steps" / "start_0" / "metrics.csv").read_text()
    rows = csv.DictReader(text.splitlines())
    return [float(row["learning_rate"]) for row in rows if row.get("learning_rate")]


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in REPEATED else n for n in CASES],
)
def test_every_loss_optimizer_and_pooling_lowers_the_loss(
    name: str, tiny_city: Path, tmp_path: Path
) -> None:
    lower(load_recipe(name, [*SMALL, *CASES[name]]), tiny_city, tmp_path)


def test_cosine_annealing_lowers_the_loss_and_the_rate(tiny_city: Path, tmp_path: Path) -> None:
    recipe = load_recipe("cosine-annealing", [*SMALL, GENTLE, f"scheduler.t_max={EPOCHS}"])
    found = rates(lower(recipe, tiny_city, tmp_path))
    cosine = [1e-6 + (5e-4 - 1e-6) * (1 + np.cos(np.pi * t / EPOCHS)) / 2 for t in range(EPOCHS)]
    assert found == pytest.approx(cosine)


def test_reduce_on_plateau_lowers_the_loss_and_the_rate(tiny_city: Path, tmp_path: Path) -> None:
    recipe = load_recipe("reduce-on-plateau", [*SMALL, GENTLE, "scheduler.patience=0"])
    run = lower(recipe, tiny_city, tmp_path, validation=None)
    found, best, expected = rates(run), -1.0, [5e-4]
    for entry in run.curve[:-1]:
        expected.append(expected[-1] * (1 if entry["recall_1"] > best else 0.1))
        best = max(best, entry["recall_1"])
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("offline", [False, True], ids=["per image", "offline"])
@pytest.mark.parametrize("name", ["flip", "nightlight", "jitter"])
def test_every_augmentation_lowers_the_loss(
    name: str, offline: bool, tiny_city: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(name, [*SMALL, GENTLE, f"augmentation.offline={str(offline).lower()}"])
    lower(recipe, tiny_city, tmp_path / "run")
    assert (tmp_path / "run" / "augmented").is_dir() == offline
