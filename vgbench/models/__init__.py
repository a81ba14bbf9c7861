"""From a checkpoint to a network that is ready to run: architectures, safe loading, the reference.

Importing this package costs nothing; torch is imported when one of its names is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vgbench.models.architectures import Architecture, build, parse_architecture
    from vgbench.models.loading import LoadedModel, load_model
    from vgbench.models.saving import save_model, untrained_model

__all__ = [
    "Architecture",
    "LoadedModel",
    "build",
    "load_model",
    "parse_architecture",
    "save_model",
    "untrained_model",
]

_HOMES = {
    "Architecture": "architectures",
    "LoadedModel": "loading",
    "build": "architectures",
    "load_model": "loading",
    "parse_architecture": "architectures",
    "save_model": "saving",
    "untrained_model": "saving",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"vgbench.models.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
