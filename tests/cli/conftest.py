"""Running the command line as users do: as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


@pytest.fixture
def vgbench() -> Callable[..., Ran]:
    """Run `vgbench ARGUMENTS…` and return its exit code and output."""

    def run(*arguments: object) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "vgbench", *map(str, arguments)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def make_streets(tmp_path: Path) -> Callable[[int], Path]:
    """Draw places with four noisy pictures of one colour each in train/, and two more in val/."""

    def draw(places: int) -> Path:
        random = np.random.default_rng(0)
        for place in range(places):
            colour = random.integers(0, 256, 3)
            for number in range(6):
                pixels = colour + random.normal(0, 20, (32, 48, 3))
                at = f"@{500_000 + 100 * place:.2f}@{4_000_000 + number:.2f}"
                role = ("database", "queries")[number - 4] if number > 3 else ""
                folder = tmp_path / "streets" / (f"val/{role}" if role else "train/here")
                folder.mkdir(parents=True, exist_ok=True)
                image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
                image.save(folder / f"{at}@@@@@@@@{place:03}@.jpg", quality=90)
        return tmp_path / "streets"

    return draw
