"""Small datasets of real JPEG files, made in a moment."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def jpeg(seed: int = 0, height: int = 24, width: int = 32, kind: str = "JPEG") -> bytes:
    """Draw noise, as JPEG or PNG bytes."""
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def name_of(east: float, north: float, note: str = "", pano: str = "", zone: str = "10@S") -> str:
    """Name an image as the field does."""
    return f"@{east:010.2f}@{north:010.2f}@{zone}@@@{pano}@@@@@@@{note}@.jpg"


@pytest.fixture
def make_jpeg() -> Callable[..., bytes]:
    return jpeg


@pytest.fixture
def make_name() -> Callable[..., str]:
    return name_of


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """A function that makes a dataset folder: `make_folder("name", {"test/database": 4, …})`."""

    def make(
        name: str = "town",
        parts: dict[str, int] | None = None,
        notes: Sequence[str] = ("",),
        zone: str = "10@S",
    ) -> Path:
        folder = tmp_path / name
        parts = {"database": 6, "queries": 3} if parts is None else parts
        for seed, (part, count) in enumerate(parts.items()):
            (folder / part).mkdir(parents=True)
            for index in range(count):
                file = folder / part / name_of(550_000 + index, 4_180_000 + seed,
                                               notes[index % len(notes)], zone=zone)  # fmt: skip
                file.write_bytes(jpeg(1000 * seed + index))
        return folder

    return make
