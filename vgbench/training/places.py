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
from PIL import Image
from torch import Tensor

from vgbench.datasets.names import place_id
from vgbench.errors import DatasetError
from vgbench.progress import progress

IMAGES_PER_PLACE = 4
"""Images drawn of a place for one item, as in the study (and in GSV-Cities)."""


class Places:
    """The places of a folder whose image names carry a place id, as GSV-XS has them.

    Parameters
    ----------
    folder
        Searched recursively for .jpg files of one size; places with fewer than four are dropped.
    """

    def __init__(self, folder: Path) -> None:
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

    def __len__(self) -> int:
        return len(self.places)

    def batches(
        self, places: int, seed: int, transform: Callable[[Tensor], Tensor]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch: images, uint8 (4 × places, 3, H, W), and the place of each, int64.

        Every place comes once, in an order drawn from `seed`; an incomplete last batch is left out,
        since the losses compare places within a batch. `transform` is applied image by image in a
        background thread, one batch ahead.
        """
        random = np.random.default_rng(seed)
        order = random.permutation(len(self.places))
        chosen = [
            [random.choice(self.places[place], IMAGES_PER_PLACE, replace=False) for place in batch]
            for batch in np.split(order, range(places, len(order), places))
            if len(batch) == places
        ]
        labels = torch.arange(places).repeat_interleave(IMAGES_PER_PLACE)

        def load(images: list[np.ndarray]) -> Tensor:
            return torch.stack(
                [transform(torch.from_numpy(self.images[i])) for i in np.concatenate(images)]
            )

        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(load, chosen[0]) if chosen else None
            for following in [*chosen[1:], None]:
                assert ahead is not None
                batch = ahead.result()
                ahead = pool.submit(load, following) if following is not None else None
                yield batch, labels


def _decode_all(paths: list[Path]) -> np.ndarray:
    """All images as one uint8 array (images, 3, H, W)."""
    with Image.open(paths[0]) as first:
        width, height = first.size
    images = np.empty((len(paths), 3, height, width), np.uint8)

    def decode(index: int) -> None:
        with Image.open(paths[index]) as image:
            images[index] = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        advance(1)

    with progress("Decoding", len(paths)) as advance, ThreadPoolExecutor() as pool:
        list(pool.map(decode, range(len(paths))))
    return images
