"""What extraction gives: descriptors of a split, and how they were made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Extraction:
    """Descriptors of a dataset split, and how they were made.

    Attributes
    ----------
    descriptors
        float32 of shape (N + Q, D): database images, then queries, in the dataset's order.
    device
        "cpu", or the accelerator with its name.
    seconds
        "extraction" is the wall time of the whole; of it "setup" went by before the first batch.
        "decode" and "forward" are sums over threads; "decode_wait" is the time that the network
        waited for images.
    settings
        What was chosen for this machine, plain values that fit into JSON.
    resize
        The resize rule in words.
    image_size
        "512x512" (height x width) as the network saw the images; "480x640, 640x480" for two sizes;
        for more their number, the smallest and the largest.
    image_sizes
        int32 of shape (N + Q, 2): height and width of each image as the network saw it.
    """

    descriptors: NDArray[np.float32] = field(repr=False)
    device: str
    seconds: dict[str, float]
    settings: dict[str, Any]
    resize: str
    image_size: str
    image_sizes: NDArray[np.int32] = field(repr=False)


def range_of_sizes(sizes: NDArray[np.int32]) -> str:
    """Say in a few words which sizes, int32 (images, 2) of height and width, there are.

    >>> range_of_sizes(np.array([[480, 640], [640, 480], [480, 640]], np.int32))
    '480x640, 640x480'
    """
    kinds = np.unique(sizes, axis=0)
    kinds = kinds[np.argsort(kinds.astype(np.int64).prod(axis=1), kind="stable")]
    shown = [f"{height}x{width}" for height, width in kinds]
    if len(shown) <= 2:
        return ", ".join(shown)
    return f"{len(shown)} sizes, {shown[0]} to {shown[-1]}"
