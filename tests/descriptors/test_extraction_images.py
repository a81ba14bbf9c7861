"""What the network sees: pixels and normalisation bit for bit as the field's tools make them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from vgbench.descriptors.images import ResizeRule, normalise, prepare, read_image
from vgbench.errors import ImageError

CPU = torch.device("cpu")
FIELD = [
    transforms.ToTensor(),
    transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
]


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """One image of each kind that a dataset may hold."""
    rgb = Image.fromarray(noise(37, 53))
    deep = Image.fromarray(noise(37, 53, 1).astype(np.uint16) * 257)
    alpha = Image.fromarray(noise(37, 53, 4), mode="RGBA")
    palette = rgb.quantize(32)
    palette.info["transparency"] = b"\x00\x80"
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to show"
    images = {
        "colour.jpg": (rgb, {}),
        "full_chroma.jpg": (rgb, {"subsampling": 0}),
        "progressive.jpg": (rgb, {"progressive": True}),
        "grey.jpg": (rgb.convert("L"), {}),
        "cmyk.jpg": (rgb.convert("CMYK"), {}),
        "rotated.jpg": (rgb, {"exif": exif.tobytes()}),
        "colour.png": (rgb, {}),
        "palette.png": (palette, {}),
        "alpha.png": (alpha, {}),
        "grey_alpha.png": (alpha.convert("LA"), {}),
        "one_bit.png": (rgb.convert("1"), {}),
        "sixteen_bit.png": (deep, {}),
    }
    for name, (image, options) in images.items():
        image.save(tmp_path / name, **options)
    return {name: tmp_path / name for name in images}


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
def test_every_kind_of_image_is_read_as_pillow_converts_it(files: dict[str, Path]) -> None:
    for name, path in files.items():
        expected = np.asarray(Image.open(path).convert("RGB"))
        found = read_image(path)
        assert found.dtype == np.uint8
        assert np.array_equal(found, expected), name


def test_exif_orientation_is_not_applied(files: dict[str, Path]) -> None:
    assert read_image(files["rotated.jpg"]).shape == (37, 53, 3)


@pytest.mark.parametrize("size", [None, 20, 64, (40, 30), (37, 53)])
def test_prepared_images_equal_the_fields_transforms_bit_for_bit(
    files: dict[str, Path], size: int | tuple[int, int] | None
) -> None:
    steps = list(FIELD)
    if size is not None:
        steps.append(
            transforms.Resize(size if isinstance(size, int) else list(size), antialias=True)
        )
    names = ["colour.jpg", "grey.jpg", "sixteen_bit.png"]
    expected = [transforms.Compose(steps)(Image.open(files[n]).convert("RGB")) for n in names]
    found = prepare([read_image(files[name]) for name in names], ResizeRule.of(size), CPU)
    assert torch.equal(found, torch.stack(expected))


def test_images_of_different_sizes_become_one_batch_under_an_exact_size() -> None:
    images = [noise(30, 50), noise(64, 20, seed=1)]
    batch = prepare(images, ResizeRule.of((32, 32)), CPU)
    assert batch.shape == (2, 3, 32, 32)
    alone = prepare(images[1:], ResizeRule.of((32, 32)), CPU)
    assert torch.equal(batch[1:], alone)


def test_normalising_leaves_the_decoded_pixels_alone() -> None:
    pixels = torch.from_numpy(noise(8, 8)[None].copy())
    before = pixels.clone()
    batch = normalise(pixels)
    assert torch.equal(pixels, before)
    assert batch.is_contiguous(memory_format=torch.channels_last)


@given(size=st.integers(1, 700), height=st.integers(1, 900), width=st.integers(1, 900))
def test_the_predicted_size_is_the_one_torchvision_makes(
    size: int, height: int, width: int
) -> None:
    rule = ResizeRule.of(size)
    predicted = rule.size_of(height, width)
    meta = torch.empty(1, 3, height, width, device="meta")
    if min(predicted) < 1:
        return  # a line of pixels so thin that it would vanish
    resized = transforms.functional.resize(meta, [size], antialias=True)
    assert tuple(resized.shape[2:]) == predicted


@pytest.mark.parametrize("cut", [0, 2, 20, 300, -40, -2])
def test_truncated_images_are_refused_and_never_filled_with_grey(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "image.jpg"
    Image.fromarray(noise(64, 64)).save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ImageError, match=r"image\.jpg"):
        read_image(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_other_formats_and_oversized_images_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gif = tmp_path / "really_a_gif.jpg"
    Image.fromarray(noise(8, 8)).save(gif, format="GIF")
    with pytest.raises(ImageError, match="does not decode"):
        read_image(gif)
    large = tmp_path / "large.png"
    Image.fromarray(noise(50, 50)).save(large)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)  # a warning up to twice as many
    with pytest.raises(ImageError, match="too many pixels"):
        read_image(large)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match="too many pixels"):
        read_image(large)
