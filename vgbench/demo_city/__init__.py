"""demo-city: a small rendered city, photographed along its streets at UTM positions.

The test and val splits come with the package as one archive; the generator that made them is here
too, and renders a train split of any size.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .generation import generate

__all__ = ["archive_path", "generate"]


def archive_path() -> Path:
    """Return the path of the included archive of the test and val splits."""
    return Path(str(files(__package__) / "demo-city.zip"))


def __getattr__(name: str) -> Any:
    if name == "generate":  # on demand: reading the archive needs neither numpy nor Pillow
        from .generation import generate

        return generate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
