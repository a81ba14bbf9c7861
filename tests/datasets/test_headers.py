from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vgbench.datasets import headers
from vgbench.datasets.headers import BrokenImageError, image_size


def encoded(mode: str = "RGB", kind: str = "JPEG", **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (37, 53, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind, **options)
    return file.getvalue()


VARIANTS = {
    "baseline": encoded(),
    "progressive": encoded(progressive=True),
    "grey": encoded("L"),
    "cmyk": encoded("CMYK"),
    "restart markers": encoded(restart_marker_blocks=2),
    "exif": encoded(exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0" + b"\0" * 3000),
    "png": encoded(kind="PNG"),
    "png palette": encoded("P", "PNG"),
    "png alpha": encoded("RGBA", "PNG"),
    "bytes appended": encoded() + b"\0" * 100,
    "many bytes appended": encoded() + b"\0" * 5000,
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_size_is_that_which_pillow_reads(variant: str) -> None:
    assert image_size(VARIANTS[variant]) == (37, 53)


def test_orientation_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert image_size(encoded(exif=exif)) == (37, 53)


def test_an_ordinary_image_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "decode", lambda data: pytest.fail("decoded"))
    assert image_size(VARIANTS["baseline"]) == image_size(VARIANTS["png"]) == (37, 53)


@pytest.mark.parametrize("variant", ["baseline", "progressive", "exif", "png"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_an_image_that_is_cut_short_is_broken(variant: str, kept: float) -> None:
    data = VARIANTS[variant]
    with pytest.raises(BrokenImageError, match="does not decode|neither"):
        image_size(data[: int(len(data) * kept)])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<html>quota exceeded</html>", "neither JPEG nor PNG"),
        (encoded(kind="GIF"), "neither JPEG nor PNG"),
        (encoded(kind="WEBP"), "neither JPEG nor PNG"),
        (b"\xff\xd8\xff\xd9", "decode|neither"),
        (b"\xff\xd8" + b"\xff" * 5000 + b"\xff\xd9", "decode|neither"),
        (b"\x89PNG\r\n\x1a\n", "decode|neither"),
    ],
)
def test_what_is_no_jpeg_or_png_is_broken_whatever_its_name(data: bytes, reason: str) -> None:
    with pytest.raises(BrokenImageError, match=reason):
        image_size(data)


def test_an_image_of_too_many_pixels_is_refused_by_its_header() -> None:
    data = bytearray(VARIANTS["png"])
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(BrokenImageError, match="60,000 × 60,000 pixels, more than"):
        image_size(bytes(data))


def test_random_damage_never_raises_anything_else() -> None:
    random = np.random.default_rng(1)
    for variant in ("baseline", "progressive", "png"):
        for _ in range(150):
            data = bytearray(VARIANTS[variant])
            for at in random.integers(0, len(data), 4):
                data[at] = random.integers(0, 256)
            try:
                height, width = image_size(bytes(data))
            except BrokenImageError:
                continue
            assert height > 0 and width > 0


def test_real_photographs_have_the_size_that_pillow_reads(
    photographs: Path, make_jpeg: Callable[..., bytes]
) -> None:
    for path in sorted(photographs.rglob("*.jpg")):
        with Image.open(path) as image:
            assert image_size(path.read_bytes()) == (image.height, image.width)
