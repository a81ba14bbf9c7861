"""Descriptors: made from images by a model (`extract`), or read from files (`read_descriptors`).

Importing this package costs nothing; only making descriptors imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vgbench.descriptors.extraction import Extraction, extract
    from vgbench.descriptors.files import read_descriptors

__all__ = ["Extraction", "extract", "read_descriptors"]

_HOMES = {"Extraction": "extraction", "extract": "extraction", "read_descriptors": "files"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"vgbench.descriptors.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
