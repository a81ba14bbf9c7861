"""That nothing simple solves demo-city: copying, colours, layout, gradients, random features."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from vgbench.demo_city import archive_path
from vgbench.models.classical import CLASSICAL

CEILING = 20.0
"""Recall@1, in percent, that a baseline without learning must stay below."""

BLOCK = 16


class Split:
    """The test split's images and positions."""

    def __init__(self) -> None:
        self.images: dict[str, list[Image.Image]] = {}
        positions = {}
        with zipfile.ZipFile(archive_path()) as archive:
            for kind in ("database", "queries"):
                names = [n for n in archive.namelist() if n.startswith(f"demo-city/test/{kind}/")]
                files = [Image.open(io.BytesIO(archive.read(n))) for n in names]
                self.images[kind] = [f.convert("RGB") for f in files]
                parts = [PurePosixPath(n).name.split("@") for n in names]
                positions[kind] = np.array([(float(p[1]), float(p[2])) for p in parts])
        apart = positions["queries"][:, None] - positions["database"][None]
        self.near = (apart**2).sum(axis=2) <= 25**2

    def recall_at_1(self, describe: Callable[[Image.Image], npt.NDArray[np.float64]]) -> float:
        """Return recall@1 in percent of unit-length descriptors."""
        rows = {kind: np.stack([describe(i) for i in self.images[kind]]) for kind in self.images}
        return self.recall_at_1_of(rows["database"], rows["queries"])

    def recall_at_1_of(self, database: npt.NDArray, queries: npt.NDArray) -> float:
        database = database / np.linalg.norm(database, axis=1, keepdims=True)
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        best = (queries @ database.T).argmax(axis=1)
        return 100 * float(self.near[np.arange(len(best)), best].mean())


@pytest.fixture(scope="module")
def split() -> Split:
    return Split()


@pytest.mark.parametrize("model", CLASSICAL.values(), ids=list(CLASSICAL))
def test_no_classical_baseline_solves_it(split, model):
    assert split.recall_at_1(lambda image: model.describe(np.asarray(image))) < CEILING


@pytest.mark.parametrize(("mode", "size"), [("L", (16, 12)), ("L", (32, 24)), ("RGB", (32, 24))])
def test_other_thumbnails_do_not_solve_it(split, mode, size):
    def thumbnail(image: Image.Image) -> npt.NDArray[np.float64]:
        small = image.convert(mode).resize(size, Image.Resampling.BOX)
        pixels = np.asarray(small, np.float64).ravel()
        return pixels - pixels.mean()

    assert split.recall_at_1(thumbnail) < CEILING


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_an_untrained_network_does_not_solve_it(split, seed):
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(seed)
    whole = torchvision.models.resnet18(weights=None)
    stem = (whole.conv1, whole.bn1, whole.relu, whole.maxpool, whole.layer1, whole.layer2)
    net = torch.nn.Sequential(*stem).eval()
    project = torch.nn.Linear(128, 512)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]

    @torch.inference_mode()
    def describe(images: list[Image.Image]) -> npt.NDArray[np.float32]:
        rows = []
        for start in range(0, len(images), 8):
            batch = [np.array(image) for image in images[start : start + 8]]
            pixels = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2) / 255
            pooled = net((pixels - mean) / std).clamp(min=1e-6).pow(3).mean(dim=(2, 3)).pow(1 / 3)
            rows.append(project(torch.nn.functional.normalize(pooled)).numpy())
        return np.concatenate(rows)

    recall = split.recall_at_1_of(*(describe(split.images[k]) for k in ("database", "queries")))
    assert recall < CEILING


def test_no_query_shares_a_pixel_identical_block_with_a_database_image(split):
    """Database blocks on a 16-pixel grid are looked for at every offset of every query.

    A shared region of 31 × 31 pixels contains such a block. Blocks of nearly one grey (sky, a dark
    wall) prove nothing, since compression alone can make them equal, and are left out.
    """
    grey = {k: [np.asarray(i.convert("L")) for i in split.images[k]] for k in split.images}
    weights = np.random.default_rng(0).integers(1, 1 << 63, (BLOCK, BLOCK), dtype=np.uint64)
    wanted = []
    for image in grey["database"]:
        rows, columns = image.shape[0] // BLOCK, image.shape[1] // BLOCK
        whole = image[: rows * BLOCK, : columns * BLOCK]
        blocks = whole.reshape(rows, BLOCK, columns, BLOCK).transpose(0, 2, 1, 3)
        varied = blocks.max(axis=(2, 3)).astype(int) - blocks.min(axis=(2, 3)) > 32
        sums = (blocks.astype(np.uint64) * weights).sum(axis=(2, 3), dtype=np.uint64)
        wanted.append(sums[varied])
    hashes = np.unique(np.concatenate(wanted))
    assert len(hashes) > 50_000
    for image in grey["queries"]:
        wide = image.astype(np.uint64)
        rows, columns = image.shape[0] - BLOCK + 1, image.shape[1] - BLOCK + 1
        sums = np.zeros((rows, columns), np.uint64)
        for y in range(BLOCK):
            for x in range(BLOCK):
                sums += wide[y : y + rows, x : x + columns] * weights[y, x]
        at = np.minimum(np.searchsorted(hashes, sums), len(hashes) - 1)
        assert not (hashes[at] == sums).any()
