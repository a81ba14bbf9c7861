"""From an image file to what a network sees: RGB, ImageNet normalisation, and the resize rule.

The values are, bit for bit, those of ``PIL.Image.open(path).convert("RGB")`` followed by
torchvision's ToTensor, Normalize and (when asked) Resize, in this order, as
VPR-methods-evaluation applies them. EXIF orientation is not applied, because those tools do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as transforms

from vgbench.errors import ImageError, UsageError

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's mean and deviation per channel, as torchvision documents them for its weights."""

FORMATS = ("JPEG", "PNG")

MAX_SIDE = 16_384


def read_image(path: Path) -> NDArray[np.uint8]:
    """Decode a JPEG or PNG file to RGB, uint8 of shape (H, W, 3).

    Pillow decodes, not torchvision, because Pillow's pixels are what the field's results were made
    from; beside a network's cost the difference in speed does not show.

    Raises
    ------
    ImageError
        When the file is missing, not a JPEG or PNG, truncated, or has too many pixels.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            # Pillow only warns up to twice this number; filters of warnings are not for threads.
            limit = Image.MAX_IMAGE_PIXELS
            if limit is not None and image.width * image.height > limit:
                raise ImageError(
                    f"The image {path} has too many pixels to be read: {image.height} x "
                    f"{image.width}, at most {limit:,} in all."
                )
            # convert() copies an image that is RGB already.
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    except FileNotFoundError:
        raise ImageError(f"The image {path} is missing.") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"The image {path} has too many pixels to be read: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ImageError(
            f"The image {path} does not decode ({error}). Copy it again, or leave it out of the "
            "dataset."
        ) from error


def normalise(images: Tensor) -> Tensor:
    """Turn uint8 images (B, H, W, 3) into normalised float32 (B, 3, H, W), channels-last."""
    scaled = images.permute(0, 3, 1, 2).to(torch.float32).div_(255)
    mean = torch.tensor(MEAN, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=images.device).view(1, 3, 1, 1)
    return scaled.sub_(mean).div_(std)


@dataclass(frozen=True)
class ResizeRule:
    """How images are resized before the network sees them.

    `size` is None (as they are), the length of the shorter side, or (height, width), in pixels.
    """

    size: int | tuple[int, int] | None

    @classmethod
    def of(cls, resize: int | tuple[int, int] | None) -> ResizeRule:
        """Check what a caller asked for.

        Raises
        ------
        UsageError
            When it is not None, a length, or a pair of lengths, of 1 to 16,384 pixels.
        """
        if resize is None:
            return cls(None)
        sides = tuple(resize) if isinstance(resize, (tuple, list)) else (resize,)
        plain = all(isinstance(s, (int, np.integer)) and not isinstance(s, bool) for s in sides)
        if not plain or len(sides) not in (1, 2) or not all(1 <= s <= MAX_SIDE for s in sides):
            raise UsageError(
                f"Cannot resize to {resize!r}: give the shorter side in pixels (512) or height and "
                f"width (480 640), each 1 to {MAX_SIDE:,}."
            )
        return cls(int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1])))

    def __str__(self) -> str:
        """Say the rule as it is recorded with a result.

        >>> print(ResizeRule((480, 640)))
        480x640, bilinear, antialias, after normalisation
        >>> print(ResizeRule(None))
        native size
        """
        if self.size is None:
            return "native size"
        target = (
            f"shorter side {self.size}"
            if isinstance(self.size, int)
            else f"{self.size[0]}x{self.size[1]}"
        )
        return f"{target}, bilinear, antialias, after normalisation"

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """Give (height, width) that an image has after resizing; torchvision rounds down.

        >>> ResizeRule(320).size_of(480, 640), ResizeRule(512).size_of(640, 333)
        ((320, 426), (984, 512))
        """
        if self.size is None:
            return height, width
        if isinstance(self.size, tuple):
            return self.size
        if height <= width:
            return self.size, int(self.size * width / height)
        return int(self.size * height / width), self.size

    def apply(self, images: Tensor) -> Tensor:
        """Resize normalised float images (B, 3, H, W), or give them back as they are."""
        if self.size is None:
            return images
        size = [self.size] if isinstance(self.size, int) else list(self.size)
        resized: Tensor = transforms.resize(images, size, antialias=True)
        return resized


def prepare(images: Sequence[NDArray[np.uint8]], rule: ResizeRule, device: torch.device) -> Tensor:
    """Normalise and resize decoded images (H, W, 3) for a network, float32 (B, 3, H', W').

    All must have one size after resizing.
    """
    if rule.size is None:
        return normalise(torch.from_numpy(np.stack(images)).to(device))
    # Apple's backend has no antialiased resizing, so there it happens before the transfer.
    where = torch.device("cpu") if device.type == "mps" else device
    resized = [
        rule.apply(normalise(torch.from_numpy(image[None].copy()).to(where))) for image in images
    ]
    return torch.cat(resized).to(device)
