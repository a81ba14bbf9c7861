"""What training needs besides vgbench's own dependencies, and how to get it."""

from __future__ import annotations

import importlib.util

from vgbench.errors import VgbenchError

PACKAGES = {
    "lightning": "lightning",
    "pytorch_metric_learning": "pytorch-metric-learning",
    "tensorboard": "tensorboard",
}
"""Module → package of the extra `vgbench[train]`."""


def require_extra() -> None:
    """Say how to install what training needs, unless it is there.

    Raises
    ------
    VgbenchError
        Naming the packages that are missing.
    """
    missing = [name for module, name in PACKAGES.items() if not importlib.util.find_spec(module)]
    if missing:
        raise VgbenchError(
            f"Training needs {', '.join(missing)}, which vgbench does not install by itself. "
            "Install the extra: pip install 'vgbench[train]'"
        )
