"""Where the weights are that come with the package; found without importing torch."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

REFERENCE = "reference"
"""The name of the model that comes with the package."""

REFERENCE_FILE = "study-demo-city.safetensors"


def reference_file() -> Path:
    """Give the path of the reference weights, whether they are there or not."""
    return Path(str(resources.files("vgbench.models").joinpath(REFERENCE, REFERENCE_FILE)))
