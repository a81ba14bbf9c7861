"""Training by the study's recipes, or one's own (extra: `vgbench[train]`).

    from vgbench.training import load_recipe, train
    run = train(load_recipe("study"), "demo-city", "runs/study")

Importing this package costs nothing; torch and Lightning are imported when a name needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vgbench.training.augmentations import (
        HorizontalFlip,
        JitterContrast,
        Nightlight,
        augment_folder,
        augmentation,
    )
    from vgbench.training.recall_callback import RecallCallback
    from vgbench.training.recipes import Recipe, load_recipe, recipe_names
    from vgbench.training.run import Run, read_run
    from vgbench.training.running import train

__all__ = [
    "HorizontalFlip",
    "JitterContrast",
    "Nightlight",
    "RecallCallback",
    "Recipe",
    "Run",
    "augment_folder",
    "augmentation",
    "load_recipe",
    "read_run",
    "recipe_names",
    "train",
]

_HOMES = {
    "HorizontalFlip": "augmentations",
    "JitterContrast": "augmentations",
    "Nightlight": "augmentations",
    "RecallCallback": "recall_callback",
    "Recipe": "recipes",
    "Run": "run",
    "augment_folder": "augmentations",
    "augmentation": "augmentations",
    "load_recipe": "recipes",
    "read_run": "run",
    "recipe_names": "recipes",
    "train": "running",
}

_NEED_EXTRA = ("RecallCallback", "train")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _NEED_EXTRA:
        from vgbench.training.extra import require_extra

        require_extra()
    return getattr(import_module(f"vgbench.training.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
