"""A training set of real renderings, drawn once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PLACES = 10


@pytest.fixture(scope="session")
def tiny_city(
    draw_city: Callable[[Path, int], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """demo-city's first places, eight images each, in train/; val/ has the same as a dataset."""
    return draw_city(tmp_path_factory.mktemp("tiny") / "tiny-city", PLACES)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute in one thread, here and in processes that tests start.

    Images are so small here that threads mostly wait for one another, for seconds on a machine that
    has other work; and how many there are decides the last bit of a sum.
    """
    import torch

    before, variable = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    yield
    torch.set_num_threads(before)
    if variable is None:
        del os.environ["OMP_NUM_THREADS"]
    else:
        os.environ["OMP_NUM_THREADS"] = variable
