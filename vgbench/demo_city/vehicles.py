"""Vehicles: each kind is a few flat plates in its own axes, placed for all vehicles at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from .camera import SHADOW, Floats, Parts, TextureKey
from .city import Point

_SIZES = (
    (4.2, 1.75, 1.45), (4.0, 1.7, 1.5), (4.5, 1.8, 1.42), (4.6, 1.85, 1.7), (5.4, 2.0, 2.4),
    (11.0, 2.5, 3.1),
)  # fmt: skip
"""Length, width and height of four cars, a van and a bus."""

_CABINS = ((34, 44, 74, 92, 5), (28, 40, 84, 100, 7), (36, 48, 70, 86, 4), (24, 36, 88, 102, 3))
"""Rear foot of the cabin, rear and front of its roof, windscreen's foot (of 108); top (of 40)."""

VAN, BUS = 4, 5


class Vehicle(NamedTuple):
    """A vehicle at a place: its middle, the unit vector it faces, its kind and its paint."""

    at: Point
    ahead: Point
    kind: int
    colour: tuple[float, float, float]


class _Plates(NamedTuple):
    corner: Floats
    across: Floats
    down: Floats
    bias: Floats
    painted: Floats
    textures: list[TextureKey]


@cache
def _plates(kind: int) -> _Plates:
    """Return a kind's plates in metres ahead, to the right and up of its middle on the ground."""
    length, width, high = _SIZES[kind]
    rows: list[tuple[float, ...]] = []
    keys: list[TextureKey] = []

    def point(along: float, right: float, up: float) -> tuple[float, float, float]:
        return (along - 0.5) * length, right * width, up

    def plate(along: float, up: float, foot: float, low: float, key: TextureKey) -> None:
        """Add a plate across the vehicle, from (along, up) above to (foot, low) below."""
        a, b, c = point(along, -0.5, up), point(along, 0.5, up), point(foot, -0.5, low)
        rows.append((*a, *_minus(b, a), *_minus(c, a), 0.0, 1.0))
        keys.append(key)

    rows.append((*point(-0.04, -0.62, 0.03), 0, width * 1.24, 0, length * 1.08, 0, 0, 0.03, 0.0))
    keys.append(SHADOW)
    for side in (-0.5, 0.5):
        rows.append((*point(0, side, high), length, 0, 0, 0, 0, -high, 0.0, 1.0))
        keys.append(("car_side", kind))
    if kind >= VAN:
        plate(0.99, high, 0.99, 0.22, ("car_end", kind, False))
        plate(0.0, high, 0.0, 0.22, ("car_end", kind, True))
        plate(0.0, high, 1.0, high, ("paint",))
    else:
        a, b, c, d, top = _CABINS[kind]
        belt, roof = high * 22 / 40, high * (40 - top) / 40
        plate(0.97, belt, 0.98, 0.22, ("car_end", kind, False))
        plate(0.02, belt, 0.02, 0.22, ("car_end", kind, True))
        plate(d / 108, belt, 0.98, belt, ("paint",))
        plate(0.02, belt, a / 108, belt, ("paint",))
        plate(b / 108, roof, c / 108, roof, ("paint",))
        plate(c / 108, roof, d / 108, belt, ("car_glass",))
        plate(b / 108, roof, a / 108, belt, ("car_glass",))
    table = np.array(rows, np.float64)
    return _Plates(table[:, :3], table[:, 3:6], table[:, 6:9], table[:, 9], table[:, 10], keys)


def _minus(
    a: tuple[float, float, float], b: tuple[float, float, float]
) -> tuple[float, float, float]:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def vehicle_parts(vehicles: Sequence[Vehicle]) -> list[Parts]:
    """Return the vehicles' plates in the world, one table per kind."""
    out = []
    for kind in range(len(_SIZES)):
        chosen = [v for v in vehicles if v.kind == kind]
        if not chosen:
            continue
        plates = _plates(kind)
        ahead = np.array([v.ahead for v in chosen], np.float64)
        colour = np.array([v.colour for v in chosen], np.float64)

        def turned(vectors: Floats, ahead: Floats = ahead) -> Floats:
            ax, ay = ahead[:, 0, None], ahead[:, 1, None]
            along, right, up = vectors[None, :, 0], vectors[None, :, 1], vectors[None, :, 2]
            x, y = ax * along + ay * right, ay * along - ax * right
            return np.stack([x, y, np.broadcast_to(up, x.shape)], axis=2)

        corner = turned(plates.corner)
        corner[:, :, :2] += np.array([v.at for v in chosen], np.float64)[:, None, :]
        count = len(chosen) * len(plates.textures)
        tint = np.where(plates.painted[None, :, None] > 0, colour[:, None, :], 1.0)
        out.append(
            Parts(
                corner.reshape(-1, 3),
                turned(plates.across).reshape(-1, 3),
                turned(plates.down).reshape(-1, 3),
                np.ones((count, 2)),
                tint.reshape(-1, 3),
                np.zeros(count, np.int64),
                np.ones(count, bool),
                np.tile(plates.bias, len(chosen)),
                plates.textures * len(chosen),
            )
        )
    return out
