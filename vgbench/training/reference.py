"""Train the reference model: the study's network and recipe on demo-city's train split.

    python -m vgbench.demo_city CITY --split train
    python -m vgbench.training.reference CITY/train -o reference.safetensors

The recipe is the study's best: ResNet-18 to layer2, GeM with p = 3, a linear layer to 512; circle
loss (m = 0.25, gamma = 64) over all pairs of a batch; AdamW at 2.5e-3 with weight decay 1e-3;
cosine annealing to 1e-6, stepped by epoch; RandAugment with three operations; four images of a
place in an item; the epoch with the best R@1 on the validation split is kept. What differs is said
in the model's card: it starts from random weights, for more and smaller batches.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torchvision.transforms import v2

from vgbench.datasets import load_dataset
from vgbench.descriptors.images import normalise
from vgbench.evaluation import evaluate
from vgbench.models import save_model, untrained_model
from vgbench.training.places import Places

ARCHITECTURE = "resnet18(layer2)+gem+fc512"


def train(
    folder: Path,
    *,
    epochs: int = 10,
    places_per_batch: int = 64,
    learning_rate: float = 2.5e-3,
    weight_decay: float = 1e-3,
    augmentations: int = 3,
    seed: int = 0,
    validation: str = "demo-city/val",
    report: Callable[[dict[str, float], nn.Module | None], None] = lambda entry, best: None,
) -> tuple[nn.Module, list[dict[str, float]]]:
    """Train and return the module of the best epoch, and the curve: one entry per epoch.

    Parameters
    ----------
    folder
        Images with place ids in their names, all of one size.
    augmentations
        Operations of RandAugment applied to each image.
    report
        Called with each entry of the curve as soon as it is known, and with the module when its
        R@1 is the best so far, else None.
    """
    from pytorch_metric_learning.losses import CircleLoss

    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    places = Places(folder, v2.RandAugment(num_ops=augmentations), seed)
    network = untrained_model(ARCHITECTURE, seed=seed).module
    network.to(device).to(memory_format=torch.channels_last).train()
    loss_of = CircleLoss(m=0.25, gamma=64)
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs, eta_min=1e-6)
    half = _half_precision(network, device)
    split = load_dataset(validation)

    curve: list[dict[str, float]] = []
    best: nn.Module | None = None
    for epoch in range(epochs):
        started = time.perf_counter()
        losses = []
        for images, labels in places.batches(places_per_batch, epoch):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device, torch.bfloat16, enabled=half):
                descriptors = network(normalise(images.to(device)))
            loss = loss_of(descriptors.float(), labels.to(device))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        schedule.step()
        seconds = time.perf_counter() - started
        network.eval()
        recalls = evaluate(copy.deepcopy(network), split).recalls
        network.train()
        curve.append(
            {"epoch": epoch, "loss": sum(losses) / max(1, len(losses)), "seconds": seconds}
            | {f"recall_{n}": recall for n, recall in recalls.items()}
        )
        improved = best is None or recalls[1] > max(e["recall_1"] for e in curve[:-1])
        if improved:
            best = copy.deepcopy(network).eval()
        report(curve[-1], best if improved else None)
    assert best is not None
    return best, curve


def _half_precision(network: nn.Module, device: str) -> bool:
    """Whether bfloat16 is faster here: some processors have it, on others it is very slow."""
    images = torch.randint(0, 255, (16, 192, 256, 3), dtype=torch.uint8, device=device)
    fastest = {}
    for half in (False, True):
        for _ in range(2):
            started = time.perf_counter()
            with torch.autocast(device, torch.bfloat16, enabled=half):
                descriptors = network(normalise(images))
            descriptors.float().square().mean().backward()
            if device == "cuda":
                torch.cuda.synchronize()
            fastest[half] = time.perf_counter() - started
    network.zero_grad(set_to_none=True)
    for module in network.modules():  # what the measurement left behind in the running statistics
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    return fastest[True] < fastest[False]


def main() -> None:
    """Parse the command line, train, and write weights and curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="images with place ids in their names")
    parser.add_argument("-o", "--output", type=Path, default=Path("reference.safetensors"))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--places-per-batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=2.5e-3)
    parser.add_argument("--weight-decay", type=float, default=1e-3)
    parser.add_argument("--augmentations", type=int, default=3, metavar="OPERATIONS")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--validation", default="demo-city/val", metavar="DATASET[/SPLIT]")
    parser.add_argument("--training-data", default="demo-city train", metavar="TEXT")
    options = parser.parse_args()
    metadata = {
        "architecture": ARCHITECTURE,
        "method": "ResNet-18 to layer2, GeM, circle loss",
        "training_data": options.training_data,
        "licence": "MIT",
    }

    def report(entry: dict[str, float], best: nn.Module | None) -> None:
        print(json.dumps(entry), flush=True)
        if best is not None:
            save_model(best, options.output, metadata)

    _, curve = train(
        options.folder,
        epochs=options.epochs,
        places_per_batch=options.places_per_batch,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        augmentations=options.augmentations,
        seed=options.seed,
        validation=options.validation,
        report=report,
    )
    options.output.with_suffix(".curve.json").write_text(json.dumps(curve, indent=1) + "\n")


if __name__ == "__main__":
    main()
