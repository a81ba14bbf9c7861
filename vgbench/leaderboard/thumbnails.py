"""Small copies of a dataset's images, to be put into a page."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import NamedTuple

from vgbench.datasets.headers import MAX_PIXELS
from vgbench.datasets.scanning import read_image_bytes

_HEADER = "data:image/jpeg;base64,"


class Grade(NamedTuple):
    """How small pictures are made: pixels of the longer side, and JPEG quality."""

    side: int
    quality: int


def thumbnail(file: Path, grade: Grade) -> str | None:
    """A small JPEG of an image as a `data:` URI; None where it cannot be read."""
    import warnings

    from PIL import Image

    try:
        data, _ = read_image_bytes(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
                if image.width * image.height > MAX_PIXELS:
                    return None
                image.draft("RGB", (grade.side, grade.side))
                small = image.convert("RGB")
                small.thumbnail((grade.side, grade.side))
    except Exception:  # a damaged file makes Pillow raise nearly anything
        return None
    packed = io.BytesIO()
    small.save(packed, "JPEG", quality=grade.quality, optimize=True)
    return _HEADER + base64.b64encode(packed.getvalue()).decode("ascii")
