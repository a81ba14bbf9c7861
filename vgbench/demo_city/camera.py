"""A camera, and the parallelograms that it looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .seeds import sin_cos

Floats = npt.NDArray[np.float64]
Field = npt.NDArray[np.float32]
TextureKey = tuple[object, ...]

SHADOW: TextureKey = ("shadow",)
"""Parts of this key darken what lies in their plane and show nothing themselves."""


@dataclass(frozen=True)
class Camera:
    """Where the camera is and looks: metres, degrees clockwise from north, horizontal ``fov``."""

    x: float
    y: float
    z: float
    heading: float
    pitch: float
    roll: float
    fov: float
    width: int
    height: int

    @property
    def focal(self) -> float:
        """Return the focal length in pixels."""
        sine, cosine = sin_cos(self.fov / 2)
        return self.width / 2 * cosine / sine

    def axes(self) -> Floats:
        """Return the camera's right, up and forward directions as rows."""
        (sh, ch), (sp, cp), (sr, cr) = (
            sin_cos(self.heading),
            sin_cos(self.pitch),
            sin_cos(self.roll),
        )
        right, ahead = (ch, -sh, 0.0), (sh * cp, ch * cp, sp)
        up = (-sh * sp, -ch * sp, cp)
        turned_right = [r * cr + u * sr for r, u in zip(right, up, strict=True)]
        turned_up = [u * cr - r * sr for r, u in zip(right, up, strict=True)]
        return np.array([turned_right, turned_up, ahead])


class Parts(NamedTuple):
    """Parallelograms: corner + u·across + v·down with texture coordinates u, v in [0, repeat).

    ``corner``, ``across``, ``down``, ``colour``: (N, 3); ``repeat``: (N, 2); ``lamps``: (N,)
    shifts the choice of lit windows; ``both_sides``: (N,) is false where only the face on which
    ``across`` runs to the right is drawn; ``bias``: (N,) metres by which a part is taken to be
    nearer than it is (marks on a road).
    """

    corner: Floats
    across: Floats
    down: Floats
    repeat: Floats
    colour: Floats
    lamps: npt.NDArray[np.int64]
    both_sides: npt.NDArray[np.bool_]
    bias: Floats
    textures: list[TextureKey]


def chosen(parts: Parts, rows: npt.NDArray[np.intp]) -> Parts:
    """Return some rows of ``parts``."""
    return Parts(
        parts.corner[rows],
        parts.across[rows],
        parts.down[rows],
        parts.repeat[rows],
        parts.colour[rows],
        parts.lamps[rows],
        parts.both_sides[rows],
        parts.bias[rows],
        [parts.textures[k] for k in rows.tolist()],
    )


def joined(tables: Sequence[Parts]) -> Parts:
    """Return the rows of several tables as one."""
    return Parts(
        np.concatenate([p.corner for p in tables]),
        np.concatenate([p.across for p in tables]),
        np.concatenate([p.down for p in tables]),
        np.concatenate([p.repeat for p in tables]),
        np.concatenate([p.colour for p in tables]),
        np.concatenate([p.lamps for p in tables]),
        np.concatenate([p.both_sides for p in tables]),
        np.concatenate([p.bias for p in tables]),
        [key for p in tables for key in p.textures],
    )


def pixel_grid(camera: Camera) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return each column's and each row's slope against the forward axis."""
    focal = camera.focal
    xs = (np.arange(camera.width) + 0.5 - camera.width / 2) / focal
    ys = (camera.height / 2 - 0.5 - np.arange(camera.height)) / focal
    return xs.astype(np.float32), ys.astype(np.float32)
