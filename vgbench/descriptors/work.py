"""The images of a dataset split as work to be done: in batches of one size, by row number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vgbench.descriptors.images import ResizeRule, prepare, read_image
from vgbench.errors import DatasetChanged

if TYPE_CHECKING:
    from vgbench.datasets import Dataset


class Work:
    """All images of a split.

    Attributes
    ----------
    names
        Canonical image names in C2 order, database first; a row number is an index into it.
    sizes
        int32 (N + Q, 2): height and width after resizing.
    """

    def __init__(self, dataset: Dataset, rule: ResizeRule, device: torch.device) -> None:
        self.names = [*dataset.database_paths, *dataset.query_paths]
        self._dataset = dataset
        self._rule = rule
        self._device = device
        self._native = np.concatenate([dataset.database_sizes, dataset.query_sizes]).astype(
            np.int32
        )
        kinds, of_image = np.unique(self._native, axis=0, return_inverse=True)
        resized = [rule.size_of(int(height), int(width)) for height, width in kinds]
        self.sizes = np.array(resized, np.int32).reshape(-1, 2)[of_image.reshape(-1)]
        self._groups: dict[tuple[int, int], list[int]] = {}
        for row, (height, width) in enumerate(self.sizes.tolist()):
            self._groups.setdefault((height, width), []).append(row)

    def batches(self, batch: int) -> Iterator[list[int]]:
        """Give row numbers in batches whose images have one size, largest images first.

        Largest first, so that a lack of memory shows at the start and the small ones fill the end.
        """
        for size in sorted(self._groups, key=lambda size: (-size[0] * size[1], size)):
            rows = self._groups[size]
            for start in range(0, len(rows), batch):
                yield rows[start : start + batch]

    def samples(self, count: int) -> list[int]:
        """Give up to `count` rows of the most frequent size, spread over the split."""
        rows = max(self._groups.values(), key=len)
        return rows[:: max(1, len(rows) // count)][:count]

    def decode(self, rows: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Decode images, uint8 (H, W, 3) each.

        Raises
        ------
        ImageError
            When one does not decode.
        DatasetChanged
            When one has another size than the manifest says.
        """
        images = []
        for row in rows:
            path = self._dataset.image_path(self.names[row])
            image = read_image(path)
            if image.shape[:2] != tuple(self._native[row]):
                raise DatasetChanged(
                    f"The image {path} is {image.shape[0]}x{image.shape[1]} (height x width), but "
                    f"the manifest says {self._native[row][0]}x{self._native[row][1]}. Run "
                    f"`vgbench datasets verify {self._dataset.id} --deep`."
                )
            images.append(image)
        return images

    def tensor(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Give decoded images of one batch to the device, as the network takes them."""
        return prepare(images, self._rule, self._device)
