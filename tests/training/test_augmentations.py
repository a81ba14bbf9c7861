"""The study's augmentations do what their definitions say, to the pixel."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import v2

from vgbench.errors import DatasetError, UsageError
from vgbench.training.augmentations import (
    AUGMENTATIONS,
    HorizontalFlip,
    JitterContrast,
    Nightlight,
    augment_folder,
    augmentation,
    jitter_contrast,
    nightlight,
)


@pytest.fixture
def image() -> Image.Image:
    """Random pixels, every value of a byte among them."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def array(image: Image.Image) -> NDArray[np.uint8]:
    return np.array(image)


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(array(image)).permute(2, 0, 1)


def test_a_flip_mirrors_left_and_right(image: Image.Image) -> None:
    np.testing.assert_array_equal(array(HorizontalFlip(1.0)(image)), array(image)[:, ::-1])


@pytest.mark.parametrize("dimmed", [1, 3, 255])
def test_nightlight_is_the_definition_in_exact_fractions(image: Image.Image, dimmed: int) -> None:
    pixels = array(image) // dimmed
    lit = [[[Fraction(f, 10) * int(v) for f, v in zip((1, 2, 5), pixel, strict=True)]
            for pixel in row] for row in pixels]  # fmt: skip
    largest = max(value for row in lit for pixel in row for value in pixel)
    expected = [[[int(value * 255 / largest + Fraction(1, 2)) for value in pixel]
                 for pixel in row] for row in lit]  # fmt: skip
    found = array(nightlight(Image.fromarray(pixels)))
    np.testing.assert_array_equal(found, expected)
    assert found.max() == 255


def test_nightlight_leaves_black_black() -> None:
    assert not array(nightlight(Image.new("RGB", (3, 2)))).any()


def test_the_largest_value_may_be_in_any_channel() -> None:
    red = Image.new("RGB", (2, 2), (255, 10, 3))
    assert red.getpixel((0, 0)) != nightlight(red).getpixel((0, 0)) == (255, 20 * 1, 15)


def by_hand(pixels: NDArray[np.uint8], noise: NDArray[np.uint8], factor: float) -> object:
    """Noise in wrapping arithmetic, then Pillow's contrast written out with its own blend."""
    noisy = ((pixels.astype(int) + noise) % 256).astype(np.uint8)
    mean = int(np.asarray(Image.fromarray(noisy).convert("L")).mean(dtype=np.float64) + 0.5)
    blended = mean + np.float32(factor) * (noisy.astype(np.float32) - np.float32(mean))
    return np.clip(blended, 0, 255).astype(np.uint8)


def test_jitter_adds_noise_that_wraps_and_then_contrast(image: Image.Image) -> None:
    noise = np.random.default_rng(1).integers(0, 50, (24, 32, 3), dtype=np.uint8)
    for factor in (1.4, 1.7, 2.0):
        found = array(jitter_contrast(image, noise, factor))
        np.testing.assert_array_equal(found, by_hand(array(image), noise, factor))


def test_without_wrapping_a_bright_pixel_stays_bright(image: Image.Image) -> None:
    noise = np.full((24, 32, 3), 49, np.uint8)
    bright = array(image) > 206
    assert (array(jitter_contrast(image, noise, 1.0, wrap=False))[bright] == 255).all()
    assert (array(jitter_contrast(image, noise, 1.0, wrap=True))[bright] < 49).all()


def test_the_noise_of_jitter_is_uniform_over_0_to_49_and_the_contrast_within_its_limits() -> None:
    torch.manual_seed(0)
    # Half black, half at 128: contrast keeps the mean, so noise shows as a spread around it.
    flat = Image.new("RGB", (64, 64))
    drawn = []
    for seed in range(200):
        state = torch.Generator().manual_seed(seed)
        noise = torch.randint(0, 50, (64, 64, 3), dtype=torch.uint8, generator=state).numpy()
        factor = min(2.0, max(1.4, 1.7 + 0.1 * float(torch.randn((), generator=state))))
        found = array(JitterContrast().apply_to(flat, torch.Generator().manual_seed(seed)))
        np.testing.assert_array_equal(found, by_hand(array(flat), noise, factor))
        drawn.append(factor)
        assert (noise.min(), noise.max()) == (0, 49)
    assert abs(np.mean(drawn) - 1.7) < 0.03
    assert 0.07 < np.std(drawn) < 0.13


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_tensor_gives_the_pixels_of_the_picture(name: str, image: Image.Image) -> None:
    change = augmentation(name, 1.0)
    torch.manual_seed(5)
    picture = change(image)
    torch.manual_seed(5)
    tensor = change(as_tensor(image))
    assert tensor.dtype == torch.uint8
    np.testing.assert_array_equal(tensor.permute(1, 2, 0).numpy(), array(picture))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_probability_is_that_of_each_image(name: str, image: Image.Image) -> None:
    torch.manual_seed(0)
    batch = as_tensor(image).expand(400, 3, 24, 32)
    changed = (augmentation(name, 0.3)(batch) != batch).flatten(1).any(1)
    assert 90 < int(changed.sum()) < 150
    assert augmentation(name, 0.0)(image) is image


def test_they_stand_among_torchvisions_transforms(image: Image.Image) -> None:
    chain = v2.Compose([v2.RandAugment(num_ops=1), JitterContrast(0.5), Nightlight(1.0)])
    torch.manual_seed(1)
    first = array(chain(image))
    torch.manual_seed(1)
    np.testing.assert_array_equal(array(chain(image)), first)
    assert first.max() == 255


def test_floats_other_names_and_probabilities_are_refused(image: Image.Image) -> None:
    with pytest.raises(UsageError, match="uint8"):
        Nightlight(1.0)(as_tensor(image).float())
    with pytest.raises(UsageError, match="flip"):
        augmentation("flop", 1.0)
    with pytest.raises(UsageError, match="probability"):
        HorizontalFlip(1.5)


@pytest.fixture
def cities(tmp_path: Path, image: Image.Image) -> Path:
    """Two cities with three images each, one of them PNG."""
    for city in ("here", "there"):
        folder = tmp_path / "train" / city
        folder.mkdir(parents=True)
        for number in range(2):
            image.rotate(90 * number, expand=True).save(folder / f"@1@2@{number}@.jpg", quality=95)
        image.save(folder / "@1@2@2@.png")
    return tmp_path / "train"


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_whole_cities_are_augmented_beforehand(name: str, cities: Path, tmp_path: Path) -> None:
    assert augment_folder(cities, tmp_path / "a", name, ["here"], seed=3) == 3
    assert augment_folder(cities, tmp_path / "b", name, ["here"], seed=3) == 3
    for original in sorted(cities.rglob("*.*")):
        relative = original.relative_to(cities)
        a, b = (tmp_path / target / relative for target in "ab")
        assert a.read_bytes() == b.read_bytes()
        assert (a.read_bytes() == original.read_bytes()) == (relative.parts[0] == "there")
    if name == "flip":
        flipped = array(Image.open(tmp_path / "a" / "here" / "@1@2@2@.png"))
        np.testing.assert_array_equal(
            flipped, array(Image.open(cities / "here" / "@1@2@2@.png"))[:, ::-1]
        )
    if name == "jitter":
        augment_folder(cities, tmp_path / "c", name, ["here"], seed=4)
        c, a = (tmp_path / t / "here" / "@1@2@2@.png" for t in "ca")
        assert c.read_bytes() != a.read_bytes()


def test_a_city_that_is_not_there_is_named_and_nothing_is_made(
    cities: Path, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=r"(?s)nowhere.*here.*there"):
        augment_folder(cities, tmp_path / "a", "flip", ["nowhere"])
    (cities / "here" / "@1@2@0@.jpg").write_bytes(b"no image")
    with pytest.raises(DatasetError, match="does not decode"):
        augment_folder(cities, tmp_path / "a", "flip", ["here"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train"]
