"""Models that go by a name: the reference weights and the classical baselines; needs no torch."""

from __future__ import annotations

import difflib
import os
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from vgbench.errors import ModelError
from vgbench.models.classical import CLASSICAL, ClassicalModel

if TYPE_CHECKING:
    from vgbench.models.loading import LoadedModel

REFERENCE = "reference"
"""The name of the model that comes with the package."""

REFERENCE_FILE = "study-demo-city.safetensors"

NAMES = (REFERENCE, *CLASSICAL)
"""Every name that stands for a model; a file that is called so is `./reference`."""


def reference_file() -> Path:
    """Give the path of the reference weights, whether they are there or not."""
    return Path(str(resources.files("vgbench.models").joinpath(REFERENCE, REFERENCE_FILE)))


def open_model(
    model: str | os.PathLike[str], arch: str | None = None, pooling: str | None = None
) -> LoadedModel | ClassicalModel:
    """Give the model that a name or a path stands for; torch is imported for weights only.

    Parameters
    ----------
    model
        One of `NAMES`, or the path of a checkpoint.
    arch, pooling
        As for `vgbench.models.load_model`; a classical baseline has neither.

    Raises
    ------
    ModelError
        When there is no such name and no such file, or the file cannot be loaded.

    Examples
    --------
    >>> open_model("thumbnail").architecture
    'thumbnail-16x12'
    """
    name = os.fspath(model)
    if name in CLASSICAL:
        for option, value in (("architecture", arch), ("pooling", pooling)):
            if value is not None:
                raise ModelError(
                    f"{name} is a baseline without a network: leave the {option} {value!r} out. "
                    f"If you mean a file, write {os.path.join('.', name)}."  # noqa: PTH118
                )
        return CLASSICAL[name]
    if name not in NAMES and not os.path.lexists(name):
        near = difflib.get_close_matches(name, NAMES, n=1)
        raise ModelError(
            f"There is no file {name}. Give the path of a checkpoint, or one of the names "
            f"{', '.join(NAMES)}." + (f" Did you mean {near[0]}?" if near else "")
        )
    from vgbench.models.loading import load_model

    loaded = load_model(name, arch=arch, pooling=pooling)  # a Path would lose the ./ of a file
    if name == REFERENCE:
        loaded = replace(loaded, metadata={"licence": "MIT", **loaded.metadata})
    return loaded
