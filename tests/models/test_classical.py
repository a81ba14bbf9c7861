"""Baselines that learn nothing: what they compute, and that they need no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import vgbench
from vgbench.datasets import load_dataset
from vgbench.descriptors.classical import extract_classical
from vgbench.errors import ImageError, ModelError, UsageError
from vgbench.models.classical import (
    CLASSICAL,
    ClassicalModel,
    classical_model,
    hog_grid,
    hsv_histogram,
    rgb_histogram,
    thumbnail,
)

every_model = pytest.mark.parametrize("model", CLASSICAL.values(), ids=list(CLASSICAL))


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    """Smooth colours with noise, 48 × 64."""
    random = np.random.default_rng(5)
    small = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    noise = random.integers(-20, 20, (48, 64, 3))
    pixels = np.asarray(small.resize((64, 48), Image.Resampling.BICUBIC)).astype(int) + noise
    return pixels.clip(0, 255).astype(np.uint8)


def stripes(degrees: float, period: float = 16.0) -> NDArray[np.uint8]:
    """A grating whose gradient points `degrees` from the right, downwards; 96 × 128."""
    y, x = np.mgrid[:96, :128]
    phase = x * np.cos(np.radians(degrees)) + y * np.sin(np.radians(degrees))
    grey = 127 + 100 * np.sin(2 * np.pi * phase / period)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


@every_model
@pytest.mark.parametrize("size", [(96, 128), (33, 57), (1, 1), (480, 640), (5, 300)])
def test_images_of_any_size_give_as_many_values_of_unit_length(
    model: ClassicalModel, size: tuple[int, int]
) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    vector = model.describe(image)
    assert vector.shape == (model.dimension,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector.astype(float)) == pytest.approx(1, abs=1e-6)


@every_model
@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_image_of_one_colour_has_a_descriptor_too(model: ClassicalModel, value: int) -> None:
    vector = model.describe(np.full((40, 60, 3), value, np.uint8))
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector.astype(float)) == pytest.approx(1, abs=1e-6)


@every_model
def test_an_image_is_like_itself_with_noise_and_unlike_another(
    model: ClassicalModel, picture: NDArray[np.uint8]
) -> None:
    random = np.random.default_rng(2)
    noisy = (picture.astype(int) + random.integers(-2, 3, picture.shape)).clip(0, 255)
    other = random.integers(0, 256, picture.shape, dtype=np.uint8)
    own, near, far = map(model.describe, (picture, noisy.astype(np.uint8), other))
    assert own @ near > 0.98
    assert own @ near > own @ far + 0.05


def test_a_thumbnail_is_the_mean_of_each_part_less_the_mean_of_all(
    picture: NDArray[np.uint8],
) -> None:
    parts = picture.astype(float).reshape(12, 4, 16, 4, 3).mean(axis=(1, 3))
    expected = (parts - parts.mean()).ravel()
    expected /= np.linalg.norm(expected)
    # Pillow rounds to whole values, once for rows and once for columns.
    rounding = 1.1 / np.linalg.norm(parts - parts.mean())
    np.testing.assert_allclose(thumbnail(picture), expected, atol=rounding)


def test_a_thumbnail_does_not_change_with_brightness() -> None:
    image = np.random.default_rng(3).integers(0, 200, (12, 16, 3), dtype=np.uint8)
    np.testing.assert_allclose(thumbnail(image), thumbnail(image + np.uint8(50)), atol=1e-6)


def test_a_histogram_counts_every_pixel_in_its_bin(picture: NDArray[np.uint8]) -> None:
    counts = np.zeros((8, 8, 8))
    for red, green, blue in picture.reshape(-1, 3):
        counts[red // 32, green // 32, blue // 32] += 1
    expected = np.sqrt(counts.ravel() / counts.sum())
    np.testing.assert_allclose(rgb_histogram(picture), expected, atol=1e-6)


@pytest.mark.parametrize("describe", [rgb_histogram, hsv_histogram])
def test_a_histogram_does_not_see_where_a_pixel_is(
    describe: object, picture: NDArray[np.uint8]
) -> None:
    pixels = picture.reshape(-1, 3).copy()
    np.random.default_rng(4).shuffle(pixels)
    np.testing.assert_array_equal(describe(picture), describe(pixels.reshape(picture.shape)))  # type: ignore[operator]


def test_an_hsv_histogram_keeps_hues_apart_and_rgb_channels_their_order() -> None:
    red, blue = np.zeros((2, 8, 8, 3), np.uint8)
    red[..., 0] = blue[..., 2] = 255
    # Pillow's hue: red 0, blue 170; saturation and value 255.
    assert hsv_histogram(red).reshape(8, 8, 8)[0, 7, 7] == 1
    assert hsv_histogram(blue).reshape(8, 8, 8)[170 // 32, 7, 7] == 1
    assert rgb_histogram(blue).reshape(8, 8, 8)[0, 0, 7] == 1


def orientations(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What each orientation has in the middle blocks of a HOG, shape (9,)."""
    blocks = hog_grid(image).astype(float).reshape(11, 15, 4, 9)
    return blocks[3:8, 4:11].sum(axis=(0, 1, 2))


@pytest.mark.parametrize("bin_", range(9))
def test_stripes_fall_into_the_bin_of_their_gradient(bin_: int) -> None:
    found = orientations(stripes(20 * bin_ + 10))
    assert found.argmax() == bin_
    # A gradient on a bin's centre gives it nearly all; values are clipped at 0.2 before.
    others = np.delete(found, [bin_, (bin_ + 1) % 9, (bin_ - 1) % 9])
    assert found[bin_] > 4 * others.max()


def test_a_gradient_between_two_bins_is_shared_by_them() -> None:
    found = orientations(stripes(40))
    assert set(np.argsort(found)[-2:]) == {1, 2}
    assert found[1] == pytest.approx(found[2], rel=0.15)


def test_opposite_gradients_are_one_orientation() -> None:
    np.testing.assert_allclose(
        orientations(stripes(30)), orientations(255 - stripes(30)), atol=0.02
    )


def test_an_edge_is_seen_in_the_blocks_around_it_only() -> None:
    image = np.zeros((96, 128, 3), np.uint8)
    image[:, 64:] = 200
    energy = (hog_grid(image).astype(float).reshape(11, 15, 36) ** 2).sum(axis=2)
    assert energy[:, 6:9].min() > 0
    assert energy[:, :5].max() == 0
    assert energy[:, 10:].max() == 0


def test_cells_of_the_grid_equal_a_slow_reference() -> None:
    """Votes pixel by pixel, as the paper tells it, against the array code."""
    from vgbench.models.classical import _cells, _votes

    random = np.random.default_rng(8)
    angle = random.uniform(-np.pi, np.pi, (16, 24))
    magnitude = random.uniform(0, 1, (16, 24))
    expected = np.zeros((2, 3, 9))
    for y in range(16):
        for x in range(24):
            degrees = np.degrees(angle[y, x]) % 180
            for row in range(2):
                for column in range(3):
                    down = 1 - abs((y + 0.5) - (8 * row + 4)) / 8
                    right = 1 - abs((x + 0.5) - (8 * column + 4)) / 8
                    if down <= 0 or right <= 0:
                        continue
                    for bin_ in range(9):
                        apart = abs(degrees - (20 * bin_ + 10))
                        near = 1 - min(apart, 180 - apart) / 20
                        if near > 0:
                            expected[row, column, bin_] += magnitude[y, x] * down * right * near
    np.testing.assert_allclose(_cells(_votes(angle, magnitude)), expected, atol=1e-12)


@every_model
def test_threads_do_not_change_a_bit(model: ClassicalModel, city: Path) -> None:
    dataset = load_dataset(city)
    one, many = (
        extract_classical(model, dataset, threads=threads).descriptors for threads in (1, 7)
    )
    assert one.tobytes() == many.tobytes()
    rows = [model.describe(np.asarray(Image.open(dataset.image_path(p)))) for p in dataset.paths]
    np.testing.assert_array_equal(one, np.stack(rows))


def test_a_file_holds_what_memory_would(city: Path, tmp_path: Path) -> None:
    dataset, model = load_dataset(city), classical_model("rgb-histogram")
    made = extract_classical(model, dataset, out=tmp_path / "d.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "d.npy"), made.descriptors)
    assert (made.image_size, made.resize, made.device) == ("48x64", "native size", "cpu")
    via_network = vgbench.extract(model, dataset)
    np.testing.assert_array_equal(via_network.descriptors, made.descriptors)


def test_a_picture_that_does_not_decode_is_named_and_leaves_no_file(
    city: Path, tmp_path: Path
) -> None:
    dataset = load_dataset(city)
    victim = dataset.image_path(dataset.query_paths[3])
    whole, told = victim.read_bytes(), victim.stat()
    victim.write_bytes(whole[:200] + bytes(len(whole) - 200))  # of the same length and time
    os.utime(victim, ns=(told.st_atime_ns, told.st_mtime_ns))
    with pytest.raises(ImageError, match=victim.name):
        extract_classical(classical_model("thumbnail"), dataset, out=tmp_path / "d.npy")
    assert not (tmp_path / "d.npy").exists()


@pytest.mark.parametrize(
    ("option", "found"),
    [
        ({"resize": 64}, "--resize"),
        ({"resize": (48, 64)}, "--resize"),
        ({"device": "cuda"}, "cuda"),
        ({"precision": "bfloat16"}, "bfloat16"),
    ],
)
def test_options_of_networks_are_refused(city: Path, option: dict[str, object], found: str) -> None:
    with pytest.raises(UsageError, match=found):
        vgbench.evaluate("thumbnail", city, **option)
    with pytest.raises(ModelError, match="avg"):
        vgbench.evaluate("thumbnail", city, pooling="avg")


def test_a_result_says_what_made_it(city: Path) -> None:
    result = vgbench.evaluate("hsv-histogram", city)
    assert result.model.architecture == "hsv-histogram-8x8x8"
    assert result.model.parameters == 0
    assert result.model.weights_digest is None
    assert result.status == "unverified"  # the folder is nobody's pinned dataset
    assert result.warnings == ()


def test_a_name_that_is_none_is_answered_with_those_there_are() -> None:
    with pytest.raises(ModelError, match=r"rgb-histogram.*Did you mean hog-grid"):
        classical_model("hog-gird")
    with pytest.raises(ModelError, match="no weights"):
        vgbench.load_model("hog-grid")


def test_the_names_on_the_command_line_are_all_there_are() -> None:
    import vgbench.cli.evaluate as command

    shown = command.Model.__metadata__[0].help
    assert all(f"'{name}'" in shown for name in CLASSICAL)


def test_evaluating_a_baseline_imports_no_torch(tmp_path: Path) -> None:
    """The command itself, on the included city, to an entry on the board."""
    code = (
        "import sys\n"
        "from vgbench.cli.main import run\n"
        "try:\n"
        "    run(['evaluate', 'hog-grid', '-d', 'demo-city', '--json'])\n"
        "except SystemExit as ended:\n"
        "    assert not ended.code, ended.code\n"
        "heavy = {'torch', 'torchvision', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    places = {"VGBENCH_DATA": str(tmp_path / "data"), "VGBENCH_ROOT": str(tmp_path / "board")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **places}
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["submission"], document["status"]) == ("hog-grid", "verified")
    written = json.loads((tmp_path / "board/submissions/hog-grid/submission.json").read_text())
    assert written["method"]["architecture"] == "hog-16x12-cells-9-orientations"
    assert "Histograms of oriented gradients" in written["method"]["method"]
