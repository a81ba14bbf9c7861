"""Random numbers and angles that come out the same on every processor.

Only integer and uniform draws of PCG64 are used in this package, sines and cosines are rounded, and
pixels see nothing but exactly rounded operations (+, -, *, /, sqrt): vector units of different
processors disagree in the last bit of everything else.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def rng_of(*keys: int | str) -> np.random.Generator:
    """Return a generator that depends on ``keys`` alone."""
    words = [zlib.crc32(k.encode()) if isinstance(k, str) else int(k) for k in keys]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """Return one of ``options``, all equally likely."""
    return options[int(rng.integers(len(options)))]


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a number drawn uniformly from ``[low, high)``."""
    return low + (high - low) * float(rng.random())


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Return True with the given probability."""
    return float(rng.random()) < probability


def sin_cos(degrees: float) -> tuple[float, float]:
    """Return sine and cosine, rounded so that no libm's last bit shows."""
    angle = math.radians(degrees)
    return round(math.sin(angle), 6), round(math.cos(angle), 6)
