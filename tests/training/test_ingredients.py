"""What a recipe names is what trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

pytest.importorskip("pytorch_metric_learning")

from vgbench.training.ingredients import (
    make_loss,
    make_miner,
    make_network,
    make_optimizer,
    make_scheduler,
    make_transform,
)
from vgbench.training.recipe_keys import KINDS
from vgbench.training.recipes import load_recipe


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch.hub's folder, empty, and no way to the network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


@pytest.mark.parametrize(
    ("backbone", "file"), [("resnet18", "resnet18-f37072fd.pth"), ("vgg16", "vgg16-397923af.pth")]
)
def test_imagenet_weights_go_where_torchvision_has_them(
    backbone: str, file: str, hub: Path
) -> None:
    torch.manual_seed(3)
    # The same names and shapes as the published file, a fraction of VGG's half gigabyte.
    theirs = getattr(torchvision.models, backbone)()
    state = {k: v for k, v in theirs.state_dict().items() if not k.startswith("classifier")}
    torch.save(state, hub / file)
    cut = "(layer2)" if backbone == "resnet18" else ""
    recipe = load_recipe("study", [f"network.architecture={backbone}{cut}+gem+fc512"])
    network, start = make_network(recipe)
    assert start == "torchvision IMAGENET1K_V1, the rest random, seed 0"
    images = torch.randn(2, 3, 64, 64)
    if backbone == "vgg16":
        expected = theirs.features[:-2].eval()(images)
    else:
        trunk = [theirs.conv1, theirs.bn1, theirs.relu, theirs.maxpool, theirs.layer1]
        expected = torch.nn.Sequential(*trunk, theirs.layer2).eval()(images)
    torch.testing.assert_close(network.features(images), expected)


def test_without_imagenet_weights_it_starts_from_scratch_and_says_so(hub: Path) -> None:
    network, start = make_network(load_recipe("study"))
    assert start.startswith("random, seed 0 (ImageNet weights could not be fetched: ")
    plain, said = make_network(load_recipe("study", ["network.weights=random"]))
    assert said == "random, seed 0"
    for a, b in zip(network.parameters(), plain.parameters(), strict=True):
        assert torch.equal(a, b)


def test_losses_are_told_the_studys_numbers() -> None:
    circle = make_loss(load_recipe("study").loss)
    assert (circle.m, circle.gamma) == (0.25, 64)
    similar = make_loss(load_recipe("multi-similarity").loss)
    assert (similar.alpha, similar.beta, similar.base) == (2, 40, 0.5)
    contrastive = make_loss(load_recipe("base").loss)
    assert (contrastive.pos_margin, contrastive.neg_margin) == (0, 1)
    assert make_loss(load_recipe("triplet").loss).margin == 1


@pytest.mark.parametrize("name", KINDS["miner"])
def test_every_miner_gives_pairs_that_a_loss_takes(name: str) -> None:
    recipe = load_recipe("triplet", [f"miner.name={name}"])
    miner = make_miner(recipe.miner)
    torch.manual_seed(0)
    descriptors = torch.randn(12, 8, requires_grad=True)
    places = torch.arange(3).repeat_interleave(4)
    pairs = miner(descriptors, places) if miner else None
    loss = make_loss(recipe.loss)(descriptors, places, pairs)
    loss.backward()
    assert descriptors.grad is not None


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sgd", "SGD"), ("asgd", "ASGD"), ("adam", "Adam"), ("adamw-1", "AdamW"),
     ("adamw-2", "AdamW")],
)  # fmt: skip
def test_optimizers_are_torchs_own_with_the_studys_rates(name: str, kind: str) -> None:
    recipe = load_recipe(name)
    optimizer = make_optimizer(recipe.optimizer, [torch.nn.Parameter(torch.zeros(2))])
    assert type(optimizer).__name__ == kind
    group = optimizer.param_groups[0]
    expected = (5e-3, 5e-4) if name == "adamw-2" else (2.5e-3, 1e-3)
    assert (group["lr"], group["weight_decay"]) == expected


def test_the_cosine_ends_at_its_least_rate_after_the_studys_ten_epochs() -> None:
    recipe = load_recipe("study")
    optimizer = make_optimizer(recipe.optimizer, [torch.nn.Parameter(torch.zeros(2))])
    scheduler = make_scheduler(recipe.scheduler, optimizer)
    rates = []
    for _ in range(10):
        optimizer.step()
        rates.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    expected = [1e-6 + (2.5e-3 - 1e-6) * (1 + np.cos(np.pi * t / 10)) / 2 for t in range(10)]
    np.testing.assert_allclose(rates, expected, rtol=1e-9)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-6)


def test_the_rate_falls_when_recall_has_not_risen_for_more_than_five_epochs() -> None:
    recipe = load_recipe("reduce-on-plateau")
    optimizer = make_optimizer(recipe.optimizer, [torch.nn.Parameter(torch.zeros(2))])
    scheduler = make_scheduler(recipe.scheduler, optimizer)
    for recall in (10.0, 20.0, 20.0, 19.0, 20.0, 18.0, 20.0):
        scheduler.step(recall)
    assert optimizer.param_groups[0]["lr"] == 2.5e-3
    scheduler.step(20.0)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(2.5e-4)


def test_augmentations_come_before_randaugment_unless_they_were_made_beforehand() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    plain = make_transform(load_recipe("study", ["rand_augment=0"]))
    assert plain(image) is image
    both = make_transform(load_recipe("nightlight", ["augmentation.p=1"]))
    assert [type(step).__name__ for step in both.transforms] == ["Nightlight", "RandAugment"]
    beforehand = make_transform(load_recipe("nightlight", ["augmentation.offline=true"]))
    assert type(beforehand).__name__ == "RandAugment"
