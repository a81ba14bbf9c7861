"""The study's three augmentations, to the pixel: horizontal flip, nightlight, jitter with contrast.

The study compared them on SF-XS and Tokyo-XS. It applied each beforehand to whole cities of its
training images (`augment_folder`); the callables here do the same to an image with a probability,
as torchvision's transforms do, and stand in a `torchvision.transforms.v2.Compose` beside them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from torch import Tensor, nn

from vgbench.datasets.layout import is_hidden, is_image
from vgbench.durable import atomic_folder
from vgbench.errors import DatasetError, UsageError, first_ten
from vgbench.progress import progress

Picture = TypeVar("Picture", Image.Image, Tensor)

NIGHT = (1, 2, 5)
"""Red, green and blue keep 0.1, 0.2 and 0.5 of their light; only the ratio survives rescaling."""

NOISE_LEVELS = 50
"""Noise is 0 … 49 in steps of one, equally likely."""

CONTRAST_MEAN, CONTRAST_DEVIATION = 1.7, 0.1
CONTRAST_LIMITS = (1.4, 2.0)
"""The contrast factor is drawn from N(1.7, 0.1) and clipped to these."""

QUALITY = 95
"""Of the JPEG files that `augment_folder` writes; the study does not say what it used."""


def horizontal_flip(image: Image.Image) -> Image.Image:
    """Mirror left and right."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def nightlight(image: Image.Image) -> Image.Image:
    """Multiply R, G, B by 0.1, 0.2, 0.5, then rescale so that the largest value is 255.

    Computed in whole numbers and rounded to the nearest, halves upwards; a black image stays black.

    >>> nightlight(Image.new("RGB", (1, 1), (200, 100, 80))).getpixel((0, 0))
    (128, 128, 255)
    """
    image = image.convert("RGB")
    brightest = max(
        factor * cast("tuple[int, int]", channel.getextrema())[1]
        for factor, channel in zip(NIGHT, image.split(), strict=True)
    )
    if brightest == 0:
        return image
    table = [
        # What is above the brightest value does not occur; the table must hold bytes all the same.
        min(255, (2 * 255 * factor * value + brightest) // (2 * brightest))
        for factor in NIGHT
        for value in range(256)
    ]
    return image.point(table)


def jitter_contrast(
    image: Image.Image, noise: NDArray[np.uint8], contrast: float, wrap: bool = True
) -> Image.Image:
    """Add noise to every pixel and channel, then change the contrast as Pillow does.

    Parameters
    ----------
    image
        RGB of width W and height H.
    noise
        uint8 (H, W, 3).
    contrast
        Factor of `PIL.ImageEnhance.Contrast`: 1 leaves the image as it is.
    wrap
        Add as the study did, in 8-bit arithmetic: 250 + 10 is 4, so that bright pixels turn dark.
        False stops at 255, which is what was probably meant.

    >>> white, ten = Image.new("RGB", (1, 1), (250, 100, 0)), np.full((1, 1, 3), 10, np.uint8)
    >>> jitter_contrast(white, ten, 1.0).getpixel((0, 0))
    (4, 110, 10)
    >>> jitter_contrast(white, ten, 1.0, wrap=False).getpixel((0, 0))
    (255, 110, 10)
    """
    pixels = np.asarray(image.convert("RGB"))
    noisy = pixels + noise if wrap else pixels + np.minimum(noise, 255 - pixels)
    return ImageEnhance.Contrast(Image.fromarray(noisy)).enhance(contrast)


class Augmentation(nn.Module):
    """Changes an image with probability `p`, using torch's random numbers.

    Called with a Pillow image or a uint8 tensor (…, 3, H, W) in RGB; gives the same kind back.
    Each image of a batch is drawn for by itself.

    Parameters
    ----------
    p
        Probability with which an image is changed.

    Raises
    ------
    UsageError
        When `p` is no probability, or a tensor is not uint8 with three channels.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise UsageError(f"An augmentation's probability is 0 to 1, not {p}.")
        self.p = p

    def forward(self, image: Picture) -> Picture:
        """Change one image, or each of a batch, with probability `p`."""
        if isinstance(image, Tensor):
            return self._of_tensor(image)
        return self.apply_to(image) if float(torch.rand(())) < self.p else image

    def apply_to(self, image: Image.Image, generator: torch.Generator | None = None) -> Image.Image:
        """Change one image for certain; random numbers come from `generator`, or from torch's."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Show the probability where the module is printed."""
        return f"p={self.p}"

    def _of_tensor(self, images: Tensor) -> Tensor:
        if images.dtype != torch.uint8 or images.ndim < 3 or images.shape[-3] != 3:
            raise UsageError(
                f"{type(self).__name__} takes uint8 images (…, 3, H, W), 0 to 255; found "
                f"{str(images.dtype).removeprefix('torch.')} of shape {tuple(images.shape)}. "
                "Put it before the conversion to floating point."
            )
        if images.ndim > 3:
            return torch.stack([self._of_tensor(image) for image in images])
        if float(torch.rand(())) >= self.p:
            return images
        picture = Image.fromarray(images.permute(1, 2, 0).contiguous().cpu().numpy())
        changed = torch.from_numpy(np.array(self.apply_to(picture)))
        return changed.permute(2, 0, 1).contiguous().to(images.device)


class HorizontalFlip(Augmentation):
    """Mirror left and right with probability `p`."""

    def apply_to(self, image: Image.Image, generator: torch.Generator | None = None) -> Image.Image:
        """Mirror the image."""
        return horizontal_flip(image)


class Nightlight(Augmentation):
    """Make a day image look like night, as `nightlight` does, with probability `p`."""

    def apply_to(self, image: Image.Image, generator: torch.Generator | None = None) -> Image.Image:
        """Darken the image."""
        return nightlight(image)


class JitterContrast(Augmentation):
    """Add noise and change the contrast, as `jitter_contrast` does, with probability `p`.

    The noise is uniform over the whole numbers 0 … 49, the contrast N(1.7, 0.1) clipped to
    [1.4, 2.0]; `wrap` says what happens beyond 255.
    """

    def __init__(self, p: float = 0.5, wrap: bool = True) -> None:
        super().__init__(p)
        self.wrap = wrap

    def apply_to(self, image: Image.Image, generator: torch.Generator | None = None) -> Image.Image:
        """Draw noise and contrast and apply them."""
        size = (image.height, image.width, 3)
        noise = torch.randint(0, NOISE_LEVELS, size, dtype=torch.uint8, generator=generator)
        drawn = float(torch.randn((), generator=generator))
        low, high = CONTRAST_LIMITS
        contrast = min(high, max(low, CONTRAST_MEAN + CONTRAST_DEVIATION * drawn))
        return jitter_contrast(image, noise.numpy(), contrast, self.wrap)

    def extra_repr(self) -> str:
        """Show the parameters where the module is printed."""
        return f"p={self.p}, wrap={self.wrap}"


_BY_NAME: dict[str, Callable[[float], Augmentation]] = {
    "flip": HorizontalFlip,
    "nightlight": Nightlight,
    "jitter": JitterContrast,
    "jitter-saturating": lambda p: JitterContrast(p, wrap=False),
}

AUGMENTATIONS = tuple(_BY_NAME)
"""What `augmentation` knows; "jitter" wraps around as the study did."""


def augmentation(name: str, p: float) -> Augmentation:
    """Give the augmentation of a name, one of `AUGMENTATIONS`, with a probability.

    >>> augmentation("jitter", 0.25)
    JitterContrast(p=0.25, wrap=True)
    """
    if name not in _BY_NAME:
        raise UsageError(
            f"There is no augmentation {name!r}: choose one of {', '.join(AUGMENTATIONS)}."
        )
    return _BY_NAME[name](p)


def augment_folder(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    name: str,
    cities: Sequence[str],
    seed: int = 0,
) -> int:
    """Copy a training folder, its chosen cities augmented: the study's way of augmenting.

    Every image of a chosen city takes the place of the original, under its name, so that place ids
    hold; the images of all other cities are linked or copied as they are.

    Parameters
    ----------
    source
        A folder with one sub-folder a city, as GSV-XS and demo-city's train split have them.
    target
        The folder to make; must not exist. It appears when it is complete.
    name
        One of `AUGMENTATIONS`.
    cities
        The sub-folders to augment. The study does not say which it chose.
    seed
        An image's random numbers depend on it and on the image's name in its city, nothing else.

    Returns
    -------
    int
        How many images were augmented.

    Raises
    ------
    UsageError
        When there is no such augmentation or the target exists.
    DatasetError
        When a city is not there, or an image does not decode.
    """
    source, target = Path(source), Path(target)
    change = augmentation(name, 1.0)
    if target.exists():
        raise UsageError(f"{target} exists: name a folder that is to be made.")
    if not source.is_dir():
        raise DatasetError(f"There is no folder {source}.")
    here = sorted(
        child.name for child in source.iterdir() if child.is_dir() and not is_hidden(child.name)
    )
    missing = [city for city in cities if city not in here]
    if missing or not cities:
        raise DatasetError(
            f"{source} has no {'city ' + ', '.join(missing) if missing else 'city chosen'}. "
            f"It has:\n{first_ten(here, 'cities')}"
        )
    paths = sorted(path.relative_to(source) for path in source.rglob("*") if is_image(path.name))
    chosen = set(cities)
    with atomic_folder(target) as folder:
        for parent in {path.parent for path in paths}:
            (folder / parent).mkdir(parents=True, exist_ok=True)

        def make(path: Path) -> bool:
            changed = path.parts[0] in chosen
            if changed:
                _augment_file(change, source / path, folder / path, seed, path.as_posix())
            else:
                _link(source / path, folder / path)
            advance(1)
            return changed

        with progress("Augmenting", len(paths)) as advance, ThreadPoolExecutor() as pool:
            return sum(pool.map(make, paths))


def _augment_file(change: Augmentation, path: Path, target: Path, seed: int, name: str) -> None:
    from vgbench.descriptors.images import read_image

    key = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(key[:7], "big"))
    image = change.apply_to(Image.fromarray(read_image(path)), generator)
    if path.suffix.lower() == ".png":
        image.save(target, format="PNG")
    else:
        image.save(target, format="JPEG", quality=QUALITY, subsampling=0)


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path.resolve(), target)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(path, target)
