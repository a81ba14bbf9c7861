"""How much faster vgbench describes images than the loop the field uses, with equal predictions.

Both describe the same JPEG files with the study's network on the CPU, by turns. The field's loop is
Pillow + ToTensor + Normalize in a DataLoader with two workers, batches of 32 for the database and 1
for the queries, the network as torchvision builds it. Time is wall time from files to one array.

    python benchmarks/extraction.py                 512x512, then 320x240; about two minutes
    python benchmarks/extraction.py --size 512 512 --rounds 5 --require 2.2
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms

from vgbench.datasets import load_dataset
from vgbench.descriptors import extract
from vgbench.models import untrained_model

ARCHITECTURE = "resnet18(layer2)+gem+fc512"


class FieldImages(TorchDataset[torch.Tensor]):
    """Images as the field's evaluation scripts load them."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.transform = transforms.Compose(
            [
                transforms.ToTensor(),
                transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> torch.Tensor:
        image: torch.Tensor = self.transform(Image.open(self.paths[row]).convert("RGB"))
        return image


def field_loop(
    network: nn.Module, database: Sequence[Path], queries: Sequence[Path], dimension: int
) -> NDArray[np.float32]:
    """Describe images in the field's usual way."""
    descriptors = np.empty((len(database) + len(queries), dimension), np.float32)
    start = 0
    with torch.inference_mode():
        for paths, batch in ((database, 32), (queries, 1)):
            for images in DataLoader(FieldImages(paths), batch_size=batch, num_workers=2):
                output = network(images).numpy()
                descriptors[start : start + len(output)] = output
                start += len(output)
    return descriptors


def draw_scene(seed: int, height: int, width: int) -> Image.Image:
    """Draw something with a photograph's statistics: 1/f texture, flat areas, straight edges."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    amplitude = 1 / np.maximum(frequency, 1 / max(height, width)) ** 1.2
    phase = np.exp(2j * np.pi * random.random((3, *frequency.shape)))
    texture = np.fft.irfft2(amplitude * phase, s=(height, width))
    texture = 40 * texture / texture.std(axis=(1, 2), keepdims=True)
    scene = np.full((height, width, 3), random.integers(90, 200, 3), np.float64)
    for _ in range(40):
        top, left = random.integers(0, height), random.integers(0, width)
        tall, wide = random.integers(8, height // 2), random.integers(8, width // 3)
        scene[top : top + tall, left : left + wide] = random.integers(20, 235, 3)
    scene += texture.transpose(1, 2, 0) + random.normal(0, 3, scene.shape)
    return Image.fromarray(scene.clip(0, 255).astype(np.uint8))


def make_dataset(folder: Path, images: int, height: int, width: int) -> None:
    """Write `images` database scenes, and a query for every second one: shifted and darker."""
    for kind in ("database", "queries"):
        (folder / kind).mkdir(parents=True)
    for place in range(images):
        scene = draw_scene(place, height + 24, width + 24)
        name = f"@{500_000 + 50 * place:010.2f}@{4_000_000:010.2f}@@@@@@@@@@@@.jpg"
        scene.crop((0, 0, width, height)).save(folder / "database" / name, quality=85)
        if place % 2 == 0:
            shifted = scene.crop((24, 24, 24 + width, 24 + height)).point(lambda v: int(v * 0.8))
            shifted.save(folder / "queries" / name, quality=85)


def nearest(descriptors: NDArray[np.float32], database: int) -> NDArray[np.int64]:
    """Rank the database for each query in float64, the 20 nearest."""
    rows, queries = np.split(descriptors.astype(np.float64), [database])
    distances = ((queries[:, None, :] - rows[None, :, :]) ** 2).sum(axis=2)
    return np.argsort(distances, axis=1, kind="stable")[:, :20]


def compare(height: int, width: int, images: int, rounds: int) -> float:
    """Measure one image size, print what was found, and give the median ratio."""
    model = untrained_model(ARCHITECTURE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "images"
        make_dataset(folder, images, height, width)
        dataset = load_dataset(folder, data_root=Path(name) / "data")
        database = [dataset.image_path(path) for path in dataset.database_paths]
        queries = [dataset.image_path(path) for path in dataset.query_paths]
        size = statistics.mean(path.stat().st_size for path in database) / 1000
        total = len(database) + len(queries)
        print(f"{height}x{width}: {len(database)} + {len(queries)} JPEGs of {size:.0f} kB")
        seconds: dict[str, list[float]] = {"field": [], "vgbench": []}
        for _ in range(rounds):
            started = time.perf_counter()
            expected = field_loop(model.module, database, queries, model.dimension)
            seconds["field"].append(time.perf_counter() - started)
            started = time.perf_counter()
            found = extract(model, dataset, device="cpu", progress=False)
            seconds["vgbench"].append(time.perf_counter() - started)
    ratios = [a / b for a, b in zip(seconds["field"], seconds["vgbench"], strict=True)]
    difference = np.abs(expected - found.descriptors).max()
    equal = bool((nearest(expected, images) == nearest(found.descriptors, images)).all())
    for what, times in seconds.items():
        print(f"  {what:8} {total / statistics.median(times):6.1f} images/s")
    print(
        f"  ratio    {statistics.median(ratios):.2f} [{min(ratios):.2f}–{max(ratios):.2f}], "
        f"{rounds} rounds"
    )
    print(
        f"  largest difference {difference:.1e} (largest value {np.abs(expected).max():.1f}), "
        f"predictions {'identical' if equal else 'DIFFERENT'}"
    )
    chosen = {key: value for key, value in found.settings.items() if "measured" not in key}
    print(f"  settings {chosen}")
    if not equal:
        sys.exit("The predictions differ.")
    return statistics.median(ratios)


def main() -> None:
    """Parse the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--images", type=int, help="database images; half as many queries")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--require", type=float, help="fail when the median ratio is lower")
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {os.cpu_count()} cores")
    sizes = [tuple(options.size)] if options.size else [(512, 512), (240, 320)]
    ratios = []
    for height, width in sizes:
        # More of the small ones, so that starting the loader's workers does not decide.
        images = options.images or round(64 * max(1, 512 * 512 / (height * width)) / 2) * 2
        ratios.append(compare(height, width, images, options.rounds))
    if options.require is not None and min(ratios) < options.require:
        sys.exit(f"A ratio of {options.require} is required.")


if __name__ == "__main__":
    main()
