"""What training costs beside the network itself, and against the loop one would write first.

Two loops train the study's network by the same recipe on the same images in the same order, by
turns, each in a process of its own, two epochs of the first and one of the second a round:

  vgbench   `vgbench.training.train`: images decoded once, augmented in processes beside, the
            precision and layout that a short measurement finds fastest, freed memory kept
  plain     one process that decodes, augments and trains in turn; float32, torch's default layout

`--precision float32` holds vgbench to the other's precision, where a processor is fast in bfloat16.

Printed are the share of vgbench's epochs that is not forward, backward or optimizer step, and the
ratio of the whole epochs. Of vgbench a run's mean epoch counts: recipes have ten, of which only the
first starts processes and decodes.

    python benchmarks/training.py                    draws its images first; a few minutes
    python benchmarks/training.py --folder runs/city/train --require 1.4 --most 8
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from vgbench.training import module as training_module
from vgbench.training import places as training_places
from vgbench.training.ingredients import make_loss, make_network, make_optimizer, make_transform
from vgbench.training.measuring import Way, in_layout
from vgbench.training.module import PlaceTraining
from vgbench.training.places import Places, _by_place
from vgbench.training.recipes import Recipe, load_recipe
from vgbench.training.running import train

EPOCHS_OF_A_RECIPE = 10


class Timed(PlaceTraining):
    """Counts the seconds that are forward (with loss), backward and optimizer step."""

    seconds = 0.0

    def on_train_start(self) -> None:
        for part in (self.network, self.loss):
            part.register_forward_pre_hook(self._start)
            part.register_forward_hook(self._stop)

    def on_before_backward(self, loss: Tensor) -> None:
        self._start()

    def on_after_backward(self) -> None:
        self._stop()
        self._start()  # the update itself follows

    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        optimizer.register_step_post_hook(self._stop)
        return optimizer

    def _start(self, *arguments: Any) -> None:
        self._since = time.perf_counter()

    def _stop(self, *arguments: Any) -> None:
        Timed.seconds += time.perf_counter() - self._since


@contextmanager
def first_places(folder: Path | None, count: int) -> Iterator[Path]:
    """A folder with as many places: linked from a larger one, or drawn."""
    with tempfile.TemporaryDirectory() as name:
        if folder is None:
            from vgbench.demo_city import generate

            generate(Path(name), ["train"], places=count)
            yield Path(name) / "train"
            return
        for paths in list(_by_place(folder).values())[:count]:
            for path in paths:
                target = Path(name) / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(path.resolve())
        yield Path(name)


def ours(recipe: Recipe, folder: Path) -> tuple[float, float]:
    """Seconds of a run's mean epoch with decoding; share of two epochs that is not network."""
    decoding = 0.0
    decode = training_places._decode_all

    def timed(*arguments: Any) -> Any:
        nonlocal decoding
        started = time.perf_counter()
        images = decode(*arguments)
        decoding += time.perf_counter() - started
        return images

    Timed.seconds = 0.0
    with (
        tempfile.TemporaryDirectory() as run,
        mock.patch.object(training_module, "PlaceTraining", Timed),
        mock.patch.object(training_places, "_decode_all", timed),
    ):
        curve = train(recipe, folder, run, validation="none", device="cpu").curve
    first, later = (entry["seconds"] for entry in curve)
    mean = (decoding + first + (EPOCHS_OF_A_RECIPE - 1) * later) / EPOCHS_OF_A_RECIPE
    return mean, 1 - Timed.seconds / (first + later)


def plain(recipe: Recipe, folder: Path) -> float:
    """Seconds of an epoch of the loop that one writes first."""
    places = Places(
        folder, make_transform(recipe), recipe.seed, recipe.images_per_place, in_memory=False
    )
    network = make_network(recipe)[0].train()
    loss_of, optimizer = make_loss(recipe.loss), make_optimizer(recipe.optimizer,
                                                                network.parameters())  # fmt: skip
    started = time.perf_counter()
    for images, labels in places.loader(recipe.places_per_batch, 0, workers=0):
        optimizer.zero_grad()
        loss = loss_of(network(in_layout(images, Way("float32", channels_last=False))), labels)
        loss.backward()
        optimizer.step()
        loss.item()
    return time.perf_counter() - started


def main() -> None:
    """Measure by turns and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="training images of a place a name, all equal")
    parser.add_argument("--places", type=int, default=128)
    parser.add_argument("--batch", type=int, default=16, help="places in a batch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recipe", default="study")
    parser.add_argument("--precision", default="auto", help="vgbench's; plain has float32")
    parser.add_argument("--require", type=float, help="fail when the median ratio is lower")
    parser.add_argument("--most", type=float, help="fail when the median share is higher, percent")
    options = parser.parse_args()
    recipe = load_recipe(
        options.recipe,
        [
            "epochs=2",
            "network.weights=random",
            f"data.places_per_batch={options.batch}",
            f"precision={options.precision}",
        ],
    )
    images = options.places * recipe.images_per_place
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {os.cpu_count()} cores")
    shares, ratios = [], []
    apart = multiprocessing.get_context("spawn")  # neither has the other's memory and settings
    with (
        first_places(options.folder, options.places) as folder,
        ProcessPoolExecutor(1, apart) as one,
        ProcessPoolExecutor(1, apart) as other,
    ):
        one.submit(ours, recipe, folder).result()  # measures the way to train, which is then known
        for turn in range(options.rounds):
            whole, share = one.submit(ours, recipe, folder).result()
            theirs = other.submit(plain, recipe, folder).result()
            shares.append(100 * share)
            ratios.append(theirs / whole)
            print(
                f"round {turn + 1}: vgbench {images / whole:6.1f} images/s "
                f"(not network: {shares[-1]:.1f} %), plain {images / theirs:6.1f} images/s, "
                f"ratio {ratios[-1]:.2f}"
            )
    share, ratio = statistics.median(shares), statistics.median(ratios)
    print(f"not forward, backward or step  {share:.1f} % [{min(shares):.1f}–{max(shares):.1f}]")
    print(f"plain / vgbench                {ratio:.2f} [{min(ratios):.2f}–{max(ratios):.2f}]")
    if options.require is not None and ratio < options.require:
        sys.exit(f"A ratio of {options.require} is required.")
    if options.most is not None and share > options.most:
        sys.exit(f"A share of at most {options.most} % is required.")


if __name__ == "__main__":
    main()
