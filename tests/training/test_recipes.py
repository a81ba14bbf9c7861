"""Recipes say what the study did, inherit from one another, and explain what they do not accept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vgbench.errors import UsageError
from vgbench.training.recipe_keys import KINDS
from vgbench.training.recipes import Part, load_recipe, recipe_names

CONTRASTIVE = Part("contrastive", {"pos_margin": 0.0, "neg_margin": 1.0})
CIRCLE = Part("circle", {"m": 0.25, "gamma": 64.0})
SIMILAR = Part("multi-similarity", {"alpha": 2.0, "beta": 40.0, "base": 0.5})
SLOW = {"lr": 1e-3, "weight_decay": 1e-3}
FAST = {"lr": 2.5e-3, "weight_decay": 1e-3}
SGD = Part("sgd", {**SLOW, "momentum": 0.0})
ADAMW = Part("adamw", FAST)
CONSTANT, COSINE = Part("none", {}), Part("cosine", {"t_max": 10, "eta_min": 1e-6})

PRINTED: dict[str, tuple[int, str, Part, Part, Part, str]] = {
    "base": (1, "avg", CONTRASTIVE, SGD, CONSTANT, "none"),
    "base-gem": (1, "gem", CONTRASTIVE, SGD, CONSTANT, "none"),
    "contrastive": (4, "gem", CONTRASTIVE, SGD, CONSTANT, "none"),
    "triplet": (4, "gem", Part("triplet", {"margin": 1.0}), SGD, CONSTANT, "none"),
    "multi-similarity": (4, "gem", SIMILAR, SGD, CONSTANT, "none"),
    "circle": (4, "gem", CIRCLE, SGD, CONSTANT, "none"),
    "sgd": (5, "gem", CIRCLE, Part("sgd", {**FAST, "momentum": 0.0}), CONSTANT, "none"),
    "asgd": (5, "gem", CIRCLE, Part("asgd", FAST), CONSTANT, "none"),
    "adam": (5, "gem", CIRCLE, Part("adam", FAST), CONSTANT, "none"),
    "adamw-1": (5, "gem", CIRCLE, ADAMW, CONSTANT, "none"),
    "adamw-2": (
        5, "gem", CIRCLE, Part("adamw", {"lr": 5e-3, "weight_decay": 5e-4}), CONSTANT, "none",
    ),
    "cosine-annealing": (6, "gem", CIRCLE, ADAMW, COSINE, "none"),
    "reduce-on-plateau": (
        6, "gem", CIRCLE, ADAMW, Part("plateau", {"factor": 0.1, "patience": 5}), "none",
    ),
    "flip": (7, "gem", CIRCLE, ADAMW, COSINE, "flip"),
    "nightlight": (7, "gem", CIRCLE, ADAMW, COSINE, "nightlight"),
    "jitter": (7, "gem", CIRCLE, ADAMW, COSINE, "jitter"),
    "study": (6, "gem", CIRCLE, ADAMW, COSINE, "none"),
}  # fmt: skip
"""The study's tables: table, pooling, loss, optimizer, scheduler, augmentation."""


@pytest.mark.parametrize("name", PRINTED)
def test_a_recipe_says_what_the_study_printed(name: str) -> None:
    table, pooling, loss, optimizer, scheduler, augmentation = PRINTED[name]
    recipe = load_recipe(name)
    assert recipe.table == table
    assert recipe.architecture == f"resnet18(layer2)+{pooling}+fc512"
    assert (recipe.loss, recipe.optimizer, recipe.scheduler) == (loss, optimizer, scheduler)
    assert (recipe.augmentation.name, recipe.miner.name) == (augmentation, "none")
    assert (recipe.epochs, recipe.rand_augment, recipe.weights) == (10, 3, "imagenet")
    assert (recipe.places_per_batch, recipe.images_per_place) == (128, 4)


def test_no_recipe_of_the_package_is_left_out() -> None:
    import vgbench.training.recipes as module

    files = {path.stem for path in Path(str(module.__file__)).parent.glob("recipes/*.toml")}
    assert files == set(recipe_names()) == {*PRINTED, "reference"}


def test_the_reference_states_how_it_differs_from_the_study() -> None:
    study, reference = load_recipe("study").values(), load_recipe("reference").values()
    different = {key: value for key, value in reference.items() if study[key] != value}
    assert different == {
        "title": "the included reference model", "table": 0, "epochs": 20, "rand_augment": 1,
        "network.weights": "random", "data.places_per_batch": 32, "data.drawn_places": 3000,
        "optimizer.lr": 1e-3,
        "scheduler.t_max": 20,
    }  # fmt: skip


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_written_out_reads_back_the_same(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name, ["augmentation.name=jitter", 'augmentation.cities=["a b", "ü\\""]'])
    path = tmp_path / f"{name}.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert load_recipe(path) == recipe


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("optimizer.lr=1e-4", "optimizer.lr", 1e-4),
        ("optimizer.lr=1", "optimizer.lr", 1.0),
        ("epochs = 3", "epochs", 3),
        ("loss.name=triplet", "loss.margin", 1.0),
        ('loss.name="triplet"', "loss.name", "triplet"),
        ("optimizer.name=sgd", "optimizer.lr", 2.5e-3),  # both kinds have it, so it stays
        ("data.image_size=[192, 256]", "data.image_size", (192, 256)),
        ("network.architecture=ResNet50 + avg", "network.architecture", "resnet50+avg"),
    ],
)
def test_an_override_is_read_in_the_type_of_its_key(override: str, key: str, value: Any) -> None:
    found = load_recipe("study", [override]).values()[key]
    assert (found, type(found)) == (value, type(value))


def test_overrides_may_come_in_any_order() -> None:
    a = load_recipe("study", ["loss.margin=0.3", "loss.name=triplet"])
    assert a == load_recipe("study", ["loss.name=triplet", "loss.margin=0.3"])
    assert a.loss == Part("triplet", {"margin": 0.3})


def test_all_that_is_wrong_is_said_at_once_with_what_was_probably_meant() -> None:
    with pytest.raises(UsageError) as error:
        load_recipe(
            "study",
            ["lr=3", "optimizer.lrr=1", "loss.margin=2", "epochs=many", "x", "precison=auto",
             "data.image_size=[1, 2, 3]", "optimizer.weight_decay=-1", "epochs=true"],
        )  # fmt: skip
    message = str(error.value)
    assert "Did you mean optimizer.lr?" in message
    assert "the optimizer adamw has no optimizer.lrr. Nearest: optimizer.lr" in message
    assert "the loss circle has no loss.margin" in message
    assert "Did you mean precision" in message
    assert "--set x: expected key=value" in message
    assert "epochs must be a whole number" in message
    assert "image_size must be" in message
    assert "weight_decay must be" in message


@pytest.mark.parametrize("part", KINDS)
def test_every_kind_of_every_part_can_be_chosen(part: str) -> None:
    for kind, settings in KINDS[part].items():
        chosen = getattr(load_recipe("base", [f"{part}.name={kind}"]), part)
        assert (chosen.name, set(chosen.settings)) == (kind, set(settings))


def test_a_file_inherits_from_the_package_and_from_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('inherits = "study"\nepochs = 2\n')
    (tmp_path / "deeper.toml").write_text('inherits = "mine.toml"\n[loss]\nm = 0.4\n')
    recipe = load_recipe(tmp_path / "deeper.toml")
    assert (recipe.name, recipe.epochs, recipe.loss.settings["m"]) == ("deeper", 2, 0.4)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('inherits = "wrong.toml"', "inherits from itself"),
        ("epochs = ", "no TOML"),
        ("inherits = 3", "the name of one recipe"),
        ('inherits = "studdy"', "Did you mean study"),
        ("epochs = 3", "optimizer.name is not given"),
        ('inherits = "study"\n[optimizer]\nrate = 3', "optimizer.rate"),
    ],
)
def test_a_file_that_is_no_recipe_is_explained(content: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(content)
    with pytest.raises(UsageError, match=why):
        load_recipe(path)


def test_reading_recipes_needs_no_torch() -> None:
    code = (
        "import sys; from vgbench.training.recipes import load_recipe; load_recipe('study');"
        "assert not {'torch', 'lightning', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
