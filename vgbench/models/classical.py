"""Baselines that learn nothing: thumbnails, colour histograms and a grid of gradient histograms.

A method that learns should be far above them; a dataset on which they do well is easy. They need
numpy and Pillow only. Every descriptor has unit length, so L2 and cosine rank alike, and is a
function of its image alone: neither threads nor batches change a bit of it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vgbench.errors import ModelError

Image = NDArray[np.uint8]
"""RGB, uint8 of shape (H, W, 3)."""

Vector = NDArray[np.float32]
"""A descriptor of shape (D,)."""

THUMBNAIL = (12, 16)
"""Rows and columns of a thumbnail: the shape of a photograph held level."""

BINS = 8
"""Bins of a histogram along each of the three channels, 32 values wide."""

HOG_PIXELS = (96, 128)
HOG_CELL = 8
HOG_ORIENTATIONS = 9
HOG_CLIP = 0.2
"""Images are shrunk to 96 × 128, so that every size has as many cells. Cells of 8 × 8 pixels, 9
orientations over 180°, blocks of 2 × 2 cells that overlap by one, and values clipped at 0.2 between
two normalisations are those of Dalal and Triggs (CVPR 2005, section 6)."""


@dataclass(frozen=True)
class ClassicalModel:
    """A baseline without weights, in the place of a loaded model.

    Attributes
    ----------
    name
        What is typed for it.
    title
        What it is, in a few words.
    architecture
        What it computes, as an entry records it.
    dimension
        Length D of a descriptor.
    describe
        From RGB, uint8 (H, W, 3), to a float32 descriptor (D,) of unit length.
    """

    name: str
    title: str
    architecture: str
    dimension: int
    describe: Callable[[Image], Vector]

    parameters = 0
    """Nothing is learned."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What an entry's card says, as the metadata of a weights file would."""
        return {"method": self.title, "training_data": "none"}


def thumbnail(image: Image) -> Vector:
    """Shrink an image to 16 × 12 colours and leave the mean out: float32 (576,).

    The "tiny images" of Torralba, Fergus and Freeman (PAMI 2008, section 3), at fewer pixels: each
    pixel is the mean of its part of the image, and the vector has zero mean and unit length.
    """
    values = _shrunk(image, THUMBNAIL).astype(np.float64).ravel()
    return _unit(values - values.mean())


def rgb_histogram(image: Image) -> Vector:
    """Count colours in 8 × 8 × 8 bins of red, green and blue: float32 (512,).

    Colour indexing (Swain and Ballard, IJCV 1991). The square roots of the shares are the
    descriptor, so that its inner products are Bhattacharyya coefficients of the histograms.
    """
    return _histogram(image)


def hsv_histogram(image: Image) -> Vector:
    """Count colours in 8 × 8 × 8 bins of hue, saturation and value: float32 (512,).

    As `rgb_histogram`; the conversion is Pillow's, hue from 0 to 255 for the whole circle.
    """
    from PIL import Image as Pillow

    return _histogram(np.asarray(Pillow.fromarray(image).convert("HSV")))


def hog_grid(image: Image) -> Vector:
    """Describe an image by histograms of gradient orientations on a grid: float32 (5940,).

    HOG of the whole image (Dalal and Triggs, "Histograms of oriented gradients for human
    detection", CVPR 2005). The image is shrunk to 96 × 128 and its values' square roots taken; the
    gradient is (−1, 0, 1) along both axes, at each pixel that of the channel with the largest
    magnitude m. Each pixel votes with m for the two nearest of 9 orientations over 180°, and for
    the four nearest of 12 × 16 cells of 8 × 8 pixels, bilinearly in both. Each block of 2 × 2 cells
    v (36 values, 11 × 15 blocks that overlap) becomes v/√(‖v‖² + ε²), is clipped at 0.2, and is
    normalised again (L2-Hys). What differs from the paper: votes are not weighted by a Gaussian
    over the block, and the whole vector is scaled to unit length.
    """
    smooth = np.sqrt(_shrunk(image, HOG_PIXELS).astype(np.float64) / 255)
    padded = np.pad(smooth, ((1, 1), (1, 1), (0, 0)), mode="edge")
    down = padded[2:, 1:-1] - padded[:-2, 1:-1]
    right = padded[1:-1, 2:] - padded[1:-1, :-2]
    squared = down**2 + right**2
    strongest = squared.argmax(axis=2)[..., None]
    magnitude = np.sqrt(np.take_along_axis(squared, strongest, axis=2)[..., 0])
    angle = np.arctan2(
        np.take_along_axis(down, strongest, axis=2)[..., 0],
        np.take_along_axis(right, strongest, axis=2)[..., 0],
    )
    cells = _cells(_votes(angle, magnitude))
    blocks = np.concatenate(
        [cells[:-1, :-1], cells[:-1, 1:], cells[1:, :-1], cells[1:, 1:]], axis=2
    )
    clipped = np.minimum(_blockwise_unit(blocks), HOG_CLIP)
    return _unit(_blockwise_unit(clipped).ravel())


CLASSICAL: Mapping[str, ClassicalModel] = MappingProxyType(
    {
        model.name: model
        for model in (
            ClassicalModel(
                "thumbnail", "Thumbnail of 16×12 colours", "thumbnail-16x12", 576, thumbnail
            ),
            ClassicalModel(
                "rgb-histogram",
                "RGB histogram, 8×8×8 bins",
                "rgb-histogram-8x8x8",
                BINS**3,
                rgb_histogram,
            ),
            ClassicalModel(
                "hsv-histogram",
                "HSV histogram, 8×8×8 bins",
                "hsv-histogram-8x8x8",
                BINS**3,
                hsv_histogram,
            ),
            ClassicalModel(
                "hog-grid",
                "Histograms of oriented gradients, 16×12 cells",
                "hog-16x12-cells-9-orientations",
                5940,
                hog_grid,
            ),
        )
    }
)
"""The baselines by name."""


def classical_model(name: str) -> ClassicalModel:
    """Find a baseline by its name.

    Raises
    ------
    ModelError
        When there is none; says which there are.

    Examples
    --------
    >>> classical_model("rgb-histogram").dimension
    512
    """
    if name in CLASSICAL:
        return CLASSICAL[name]
    near = difflib.get_close_matches(name, CLASSICAL, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ModelError(f"There is no baseline {name!r}, only {', '.join(CLASSICAL)}.{hint}")


def _shrunk(image: Image, size: tuple[int, int]) -> Image:
    """Average an image to (rows, columns); Pillow does it in integers, alike on all machines."""
    from PIL import Image as Pillow

    rows, columns = size
    small = Pillow.fromarray(image).resize((columns, rows), Pillow.Resampling.BOX)
    return np.asarray(small)


def _histogram(image: Image) -> Vector:
    bins = image // (256 // BINS)
    cells = (bins[..., 0].astype(np.intp) * BINS + bins[..., 1]) * BINS + bins[..., 2]
    return _unit(np.sqrt(np.bincount(cells.ravel(), minlength=BINS**3)))


def _votes(angle: NDArray[np.float64], magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Split magnitudes (H, W) over the two nearest orientations: (H, W, 9)."""
    # Bin i is centred on (i + 1/2)·20°; opposite directions are one orientation.
    place = (angle / np.pi) % 1.0 * HOG_ORIENTATIONS - 0.5
    below = np.floor(place)
    share = place - below
    first = below.astype(np.intp) % HOG_ORIENTATIONS
    votes = np.zeros((*angle.shape, HOG_ORIENTATIONS))
    np.put_along_axis(votes, first[..., None], (magnitude * (1 - share))[..., None], axis=2)
    second = (first + 1) % HOG_ORIENTATIONS
    np.put_along_axis(votes, second[..., None], (magnitude * share)[..., None], axis=2)
    return votes


def _cells(votes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum votes (H, W, 9) into cells (H/8, W/8, 9), bilinearly between cell centres."""
    for axis in (0, 1):
        # Padded by half a cell, each stretch of 8 pixels lies between two neighbouring centres.
        # What goes to a centre outside the image is lost, as in the paper.
        padding = [(0, 0)] * votes.ndim
        padding[axis] = (HOG_CELL // 2, HOG_CELL // 2)
        padded = np.moveaxis(np.pad(votes, padding), axis, 0)
        stretches = padded.reshape(-1, HOG_CELL, *padded.shape[1:])
        share = ((np.arange(HOG_CELL) + 0.5) / HOG_CELL).reshape(-1, *[1] * (votes.ndim - 1))
        before = (stretches * (1 - share)).sum(axis=1)
        after = (stretches * share).sum(axis=1)
        votes = np.moveaxis(before[1:] + after[:-1], 0, axis)
    return votes


def _blockwise_unit(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    # ε keeps blocks that are almost flat, with the noise of a sky, from counting like the others.
    epsilon = 0.1
    scaled: NDArray[np.float64] = blocks / np.sqrt((blocks**2).sum(axis=2, keepdims=True) + epsilon)
    return scaled


def _unit(values: NDArray[np.float64]) -> Vector:
    """Scale to unit length; a vector of zeros, of an image without any pattern, to a constant."""
    length = np.sqrt((values**2).sum())
    if length == 0:
        return np.full(len(values), 1 / np.sqrt(len(values)), np.float32)
    unit: Vector = (values / length).astype(np.float32)
    return unit
