"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


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
