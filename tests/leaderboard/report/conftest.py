"""One unpacked demo-city for all tests of the report."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root that demo-city is unpacked into on first use."""
    return tmp_path_factory.mktemp("unpacked")


@pytest.fixture(autouse=True)
def _shared_data(unpacked: Path, monkeypatch: pytest.MonkeyPatch, _own_places: None) -> None:
    monkeypatch.setenv("VGBENCH_DATA", str(unpacked))
