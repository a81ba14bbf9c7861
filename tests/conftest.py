"""Fixtures that all tests share."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell that runs the tests in the background has interrupts ignored, by all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def photographs() -> Path:
    """Small real photographs kept beside the checkout; tests that need them skip without."""
    folder = Path(
        os.environ.get("VGBENCH_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")
    )
    if not folder.is_dir():
        pytest.skip("no real photographs here (set VGBENCH_TEST_DATA)")
    return folder


@pytest.fixture(autouse=True)
def _own_places(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test away from the user's datasets and board."""
    monkeypatch.setenv("VGBENCH_DATA", str(tmp_path_factory.mktemp("data")))
    monkeypatch.setenv("VGBENCH_ROOT", str(tmp_path_factory.mktemp("board")))


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A folder of 24 database images 10 m apart and 7 queries, the last of them far from all."""
    from PIL import Image

    random = np.random.default_rng(0)
    for role, eastings in (
        ("database", [548_000 + 10 * i for i in range(24)]),
        ("queries", [548_003 + 37 * i for i in range(6)] + [560_000]),
    ):
        folder = tmp_path / "my city" / role
        folder.mkdir(parents=True)
        for easting in eastings:
            pixels = random.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"@{easting:010.2f}@4180000.00@.jpg")
    return tmp_path / "my city"


@pytest.fixture
def good_descriptors(city: Path) -> NDArray[np.float32]:
    """Unit descriptors of `city`, by which every query but the last finds the nearest image."""
    names = [*sorted((city / "database").iterdir()), *sorted((city / "queries").iterdir())]
    angles = np.asarray([float(path.name.split("@")[1]) % 10_000 for path in names]) / 3_000
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@pytest.fixture(scope="session")
def draw_city() -> Callable[[Path, int], Path]:
    """Draw demo-city's first places in train/ of a folder; val/ has the same as a dataset."""

    def draw(folder: Path, places: int) -> Path:
        from vgbench.demo_city import generate

        generate(folder, ["train"], places=places, workers=2)
        for role in ("database", "queries"):
            (folder / "val" / role).mkdir(parents=True)
        for number, path in enumerate(sorted((folder / "train").rglob("*.jpg"))):
            role = "queries" if number % 4 == 0 else "database"
            shutil.copy(path, folder / "val" / role)
        return folder

    return draw
