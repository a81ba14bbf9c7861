"""Training images by place: an item is a place with a few of its images, drawn at random.

Images are decoded once and kept as bytes in memory, since on few cores decoding them again every
epoch would cost as much as training on them does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vgbench.datasets.names import place_id
from vgbench.errors import DatasetError
from vgbench.progress import progress

IMAGES_PER_PLACE = 4
"""Images drawn of a place for one item, as in the study (and in GSV-Cities)."""


class Places(Dataset[Tensor]):
    """The places of a folder whose image names carry a place id, as GSV-XS has them.

    An item is a uint8 tensor (4, H, W, 3): four images of a place. Which four, and how they are
    augmented, depends on `seed`, `epoch` and the place alone, whatever process makes the item.

    Parameters
    ----------
    folder
        Searched recursively for .jpg files, all of one size; places with fewer than four are
        dropped.
    transform
        From a Pillow image to another of its size, using torch's random numbers.
    """

    def __init__(
        self, folder: Path, transform: Callable[[Image.Image], Image.Image], seed: int = 0
    ) -> None:
        paths = sorted(folder.rglob("*.jpg"))
        by_place: dict[str, list[int]] = defaultdict(list)
        for index, path in enumerate(paths):
            by_place[f"{path.parent.name}/{place_id(path.name)}"].append(index)
        self.places = [
            np.asarray(images)
            for _, images in sorted(by_place.items())
            if len(images) >= IMAGES_PER_PLACE
        ]
        if not self.places:
            raise DatasetError(
                f"{folder} holds no place with at least {IMAGES_PER_PLACE} images. The place id is "
                f"the last field but one of a name, between '@'."
            )
        self.images = _decode_all(paths)
        self.transform, self.seed, self.epoch = transform, seed, 0

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: int) -> Tensor:
        random = np.random.default_rng([self.seed, self.epoch, place])
        torch.manual_seed(int(random.integers(2**62)))
        chosen = random.choice(self.places[place], IMAGES_PER_PLACE, replace=False)
        # Pillow's operations take a tenth of the time of the same on tensors.
        images = [
            np.asarray(self.transform(Image.fromarray(self.images[index]))) for index in chosen
        ]
        return torch.from_numpy(np.stack(images))

    def batches(self, places: int, epoch: int, workers: int = 2) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch: images, uint8 (4 × places, H, W, 3), and the place of each, int64.

        Every place comes once, in an order drawn from the seed and the epoch. An incomplete last
        batch is left out, since the losses compare places within a batch.
        """
        self.epoch = epoch
        loader = DataLoader(
            self,
            batch_size=places,
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            generator=torch.Generator().manual_seed(self.seed + 1000 * epoch),
        )
        labels = torch.arange(places).repeat_interleave(IMAGES_PER_PLACE)
        for batch in loader:
            yield batch.flatten(0, 1), labels


def _decode_all(paths: list[Path]) -> NDArray[np.uint8]:
    """All images as one uint8 array (images, H, W, 3)."""
    with Image.open(paths[0]) as first:
        width, height = first.size
    images = np.empty((len(paths), height, width, 3), np.uint8)

    def decode(index: int) -> None:
        with Image.open(paths[index]) as image:
            if image.size != (width, height):
                raise DatasetError(
                    f"{paths[index]} has {image.size[0]}×{image.size[1]} pixels, the first image "
                    f"{width}×{height}: training takes images of one size."
                )
            images[index] = np.asarray(image.convert("RGB"))
        advance(1)

    with progress("Decoding", len(paths)) as advance, ThreadPoolExecutor() as pool:
        list(pool.map(decode, range(len(paths))))
    return images
