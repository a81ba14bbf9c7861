"""A training set of real renderings, drawn once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

PLACES = 10


@pytest.fixture(scope="session")
def tiny_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """demo-city's first places, eight images each, in train/; val/ has the same as a dataset."""
    from vgbench.demo_city import generate

    folder = tmp_path_factory.mktemp("tiny") / "tiny-city"
    generate(folder, ["train"], places=PLACES, workers=2)
    for role in ("database", "queries"):
        (folder / "val" / role).mkdir(parents=True)
    for number, path in enumerate(sorted((folder / "train").rglob("*.jpg"))):
        role = "queries" if number % 4 == 0 else "database"
        shutil.copy(path, folder / "val" / role)
    return folder
