"""From a recipe's words to what trains: network, loss, miner, optimizer, scheduler, transform."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from vgbench.models.networks import DescriptorNetwork
from vgbench.models.saving import untrained_model
from vgbench.training.recipes import Part, Recipe

Scheduler = CosineAnnealingLR | ReduceLROnPlateau


def make_network(recipe: Recipe) -> tuple[DescriptorNetwork, str]:
    """Make the network as training starts, and say in words what its weights are.

    What ImageNet's weights do not give (the linear layer, GeM's exponent) is drawn from the
    recipe's seed. Where torchvision cannot fetch them, all of it is, and the text says so.
    """
    network = untrained_model(recipe.architecture, seed=recipe.seed).module
    random = f"random, seed {recipe.seed}"
    if recipe.weights == "random":
        return network, random
    try:
        state = _imagenet(network.architecture.backbone)
    except (
        Exception
    ) as error:  # of the network, of the disk, of a proxy: whatever it is, it is said
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return network, f"{random} (ImageNet weights could not be fetched: {reason})"
    features = network.features
    names = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
    if network.architecture.backbone == "vgg16":
        renamed = {key.removeprefix("features."): value for key, value in state.items()}
    else:
        index = {name: str(number) for number, name in enumerate(names)}
        renamed = {}
        for key, value in state.items():
            head, _, rest = key.partition(".")
            if head in index:
                renamed[f"{index[head]}.{rest}"] = value
    wanted = features.state_dict()
    # Layers beyond the cut are left out on purpose; one that is wanted and missing is an error.
    features.load_state_dict({key: renamed[key] for key in wanted}, strict=True)
    return network, "torchvision IMAGENET1K_V1, the rest " + random


def make_loss(part: Part) -> nn.Module:
    """The loss of pytorch-metric-learning: (descriptors (B, D), places (B,)[, pairs]) → scalar."""
    from pytorch_metric_learning import losses

    kinds: dict[str, Any] = {
        "contrastive": losses.ContrastiveLoss,
        "triplet": losses.TripletMarginLoss,
        "multi-similarity": losses.MultiSimilarityLoss,
        "circle": losses.CircleLoss,
    }
    loss: nn.Module = kinds[part.name](**part.settings)
    return loss


def make_miner(part: Part) -> Callable[[Tensor, Tensor], Any] | None:
    """The miner of pytorch-metric-learning, or None to take all pairs of a batch."""
    from pytorch_metric_learning import miners

    kinds: dict[str, Any] = {
        "multi-similarity": miners.MultiSimilarityMiner,
        "batch-hard": miners.BatchHardMiner,
        "triplet": miners.TripletMarginMiner,
    }
    if part.name == "none":
        return None
    miner: Callable[[Tensor, Tensor], Any] = kinds[part.name](**part.settings)
    return miner


def make_optimizer(part: Part, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """The torch optimizer of a recipe."""
    kinds: dict[str, Any] = {
        "sgd": torch.optim.SGD,
        "asgd": torch.optim.ASGD,
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
    }
    optimizer: Optimizer = kinds[part.name](parameters, **part.settings)
    return optimizer


def make_scheduler(part: Part, optimizer: Optimizer) -> Scheduler | None:
    """The scheduler of a recipe, to be stepped once an epoch; plateau with the validation's R@1."""
    if part.name == "cosine":
        return CosineAnnealingLR(
            optimizer, T_max=int(part.number("t_max")), eta_min=part.number("eta_min")
        )
    if part.name == "plateau":
        return ReduceLROnPlateau(
            optimizer,
            mode="max",
            factor=part.number("factor"),
            patience=int(part.number("patience")),
        )
    return None


def make_transform(recipe: Recipe) -> Callable[[Any], Any]:
    """What is done to each training image, a Pillow image before and after.

    The study's augmentations come before RandAugment, since it applied them beforehand.
    """
    from torchvision.transforms import v2

    from vgbench.training.augmentations import augmentation

    steps: list[Callable[[Any], Any]] = []
    chosen = recipe.augmentation
    if chosen.name != "none" and not chosen.settings["offline"]:
        steps.append(augmentation(chosen.name, chosen.number("p")))
    if recipe.rand_augment:
        steps.append(v2.RandAugment(num_ops=recipe.rand_augment))
    if not steps:
        return _unchanged
    return steps[0] if len(steps) == 1 else v2.Compose(steps)


def _unchanged(image: Any) -> Any:
    return image


def _imagenet(backbone: str) -> dict[str, Tensor]:
    """torchvision's first ImageNet weights of a backbone, downloaded once by torch.hub."""
    from torchvision.models import get_model_weights

    weights = get_model_weights(backbone)["IMAGENET1K_V1"]
    state: dict[str, Tensor] = weights.get_state_dict(
        progress=False, check_hash=True, weights_only=True
    )
    return state
