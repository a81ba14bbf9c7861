"""Positions on a map: from metres to whole units, north up."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAP_SIZE = 800
"""Units across the longer side of a map of positions."""


@dataclass(frozen=True)
class MapScale:
    """From metres to units of the map, which is `width` × `height`; north is up.

    `low` is the position of its lower left corner, `metres` those of one unit.
    """

    low: tuple[float, float]
    metres: float
    width: int
    height: int

    def units(self, positions: NDArray[np.float64]) -> NDArray[np.int64]:
        """Where positions, float64 (…, 2), are on the map, int64 (…, 2)."""
        scaled: NDArray[np.int64] = np.rint((positions - np.array(self.low)) / self.metres).astype(
            np.int64
        )
        scaled[..., 1] = self.height - scaled[..., 1]
        return scaled


def scale_around(*positions: NDArray[np.float64]) -> MapScale:
    """The map that holds all of some positions, float64 (N, 2) each."""
    everything = np.concatenate(positions)
    low = everything.min(axis=0)
    extent = np.maximum(everything.max(axis=0) - low, 1.0)
    metres = float(extent.max()) / MAP_SIZE
    return MapScale(
        (float(low[0]), float(low[1])),
        metres,
        math.ceil(float(extent[0]) / metres),
        math.ceil(float(extent[1]) / metres),
    )


def dots(units: NDArray[np.int64]) -> str:
    """One SVG path that draws a dot at each position; equal positions are drawn once.

    >>> dots(np.array([[3, 4], [5, 4], [3, 4]]))
    'M3 4h0m2 0h0'
    """
    points = np.unique(units, axis=0)
    steps = np.diff(points, axis=0)
    first = f"M{points[0, 0]} {points[0, 1]}h0" if len(points) else ""
    return first + "".join(f"m{dx} {dy}h0" for dx, dy in steps.tolist())
