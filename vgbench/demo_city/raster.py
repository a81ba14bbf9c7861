"""A rasteriser: textured parallelograms in, colour, depth and part per pixel out.

Texture coordinates and depth of a plane are ratios of functions linear in the pixel, so that one
parallelogram costs a handful of vectorised operations over its bounding box. Parts are drawn
nearest first, and whatever lies wholly behind is skipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .camera import SHADOW, Camera, Field, Floats, Parts, TextureKey, pixel_grid
from .textures import LEVELS, Texture

NEAR = 0.15
FAR = 230.0
SPECK = 5
"""Parts whose box has no more pixels than this are left out."""


class Frame(NamedTuple):
    """What each pixel shows, flat arrays of height × width.

    The texel, its depth (inf: sky), its row of the parts (-1: sky), and how much of the light soft
    shadows on the ground leave (1: all).
    """

    texel: npt.NDArray[np.uint32]
    depth: npt.NDArray[np.float32]
    part: npt.NDArray[np.int32]
    shadow: npt.NDArray[np.float32]


_BAYER = (
    np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.int32) * 14 + 22
)


def _to_camera(vectors: Floats, axes: Floats) -> Floats:
    # Written out rather than as a matrix product: BLAS sums in an order of its own.
    x, y, z = vectors[:, 0], vectors[:, 1], vectors[:, 2]
    return np.stack([x * a[0] + y * a[1] + z * a[2] for a in axes], axis=1)


def _cross(a: Floats, b: Floats) -> Floats:
    return np.stack(
        [
            a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
            a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
            a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        ],
        axis=1,
    )


def _dot(a: Floats, b: Floats) -> Floats:
    return a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]


def _boxes(
    corner: Floats, across: Floats, down: Floats, camera: Camera
) -> tuple[Floats, Floats, Floats]:
    """Return the parts' pixel boxes (x0, x1, y0, y1) and their nearest and farthest depth."""
    corners = [corner, corner + across, corner + across + down, corner + down]
    focal = camera.focal
    low = np.full((len(corner), 2), np.inf)
    high = np.full((len(corner), 2), -np.inf)
    nearest = np.minimum.reduce([p[:, 2] for p in corners])
    farthest = np.maximum.reduce([p[:, 2] for p in corners])

    def include(points: Floats, valid: npt.NDArray[np.bool_]) -> None:
        depth = np.where(valid, points[:, 2], 1.0)
        px = np.stack([points[:, 0] / depth, -points[:, 1] / depth], axis=1) * focal
        np.minimum(low, np.where(valid[:, None], px, np.inf), out=low)
        np.maximum(high, np.where(valid[:, None], px, -np.inf), out=high)

    for k, p in enumerate(corners):
        include(p, p[:, 2] >= NEAR)
        q = corners[(k + 1) % 4]
        cuts = (p[:, 2] < NEAR) != (q[:, 2] < NEAR)
        span = np.where(cuts, q[:, 2] - p[:, 2], 1.0)
        share = (NEAR - p[:, 2]) / span
        point = p + (q - p) * share[:, None]
        point[:, 2] = NEAR
        include(point, cuts)
    width, height = camera.width, camera.height
    box = np.stack(
        [
            np.clip(np.floor(low[:, 0] + width / 2), 0, width),
            np.clip(np.ceil(high[:, 0] + width / 2), 0, width),
            np.clip(np.floor(low[:, 1] + height / 2), 0, height),
            np.clip(np.ceil(high[:, 1] + height / 2), 0, height),
        ],
        axis=1,
    )
    return box, nearest, farthest


def rasterise(camera: Camera, parts: Parts, texture_of: Callable[[TextureKey], Texture]) -> Frame:
    """Draw ``parts`` as ``camera`` sees them."""
    axes = camera.axes()
    corner = _to_camera(parts.corner - np.array([camera.x, camera.y, camera.z]), axes)
    across, down = _to_camera(parts.across, axes), _to_camera(parts.down, axes)
    normal = _cross(across, down)
    plane = _dot(corner, normal)
    for_u, for_v = _cross(down, corner), _cross(corner, across)
    area = np.sqrt(_dot(normal, normal))
    box, nearest, farthest = _boxes(corner, across, down, camera)
    # The side of a texel's square, in metres, is spread / sqrt(its width × height).
    spread = np.sqrt(np.sqrt(_dot(across, across) * _dot(down, down)))
    visible = (
        (farthest > NEAR)
        & (nearest < FAR)
        & (box[:, 1] > box[:, 0])
        & (box[:, 3] > box[:, 2])
        & (area > 0)
        & ((box[:, 1] - box[:, 0]) * (box[:, 3] - box[:, 2]) > SPECK)
    )
    visible &= (plane < 0) | parts.both_sides
    order = np.flatnonzero(visible)
    order = order[np.argsort(nearest[order] - parts.bias[order], kind="stable")]
    canvas = _Canvas(camera)
    shadows: list[tuple[_Box, _Planes, float]] = []
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for row, sides, near in zip(
            order.tolist(),
            box[order].astype(np.int64).tolist(),
            (nearest[order] - parts.bias[order]).tolist(),
            strict=True,
        ):
            x0, x1, y0, y1 = sides
            if canvas.hidden(x0, x1, y0, y1, near):
                continue
            planes = (for_u[row].tolist(), for_v[row].tolist(), normal[row].tolist())
            if parts.textures[row] == SHADOW:
                shadows.append(((x0, x1, y0, y1), planes, float(plane[row])))
                continue
            canvas.draw(
                row,
                (x0, x1, y0, y1),
                planes,
                float(plane[row]),
                float(area[row]),
                float(spread[row]),
                (float(parts.repeat[row, 0]), float(parts.repeat[row, 1])),
                float(parts.bias[row]),
                texture_of(parts.textures[row]),
            )
        for sides_of, planes, height in shadows:
            canvas.darken(sides_of, planes, height)
    return Frame(
        canvas.texel.ravel(), canvas.depth.ravel(), canvas.part.ravel(), canvas.shadow.ravel()
    )


_Box = tuple[int, int, int, int]
_Planes = tuple[list[float], list[float], list[float]]


def _linear(xs: Field, ys: Field, factors: list[float]) -> Field:
    """Return what is linear in the pixel: factors are those of x, of y, and the constant."""
    f = np.float32
    across: Field = xs * f(factors[0]) + f(factors[2])
    down: Field = ys * f(factors[1])
    return across + down


class _Canvas:
    def __init__(self, camera: Camera) -> None:
        shape = (camera.height, camera.width)
        self.focal = camera.focal
        self.xs, self.ys = pixel_grid(camera)
        self.texel = np.zeros(shape, np.uint32)
        self.depth = np.full(shape, np.inf, np.float32)
        self.part = np.full(shape, -1, np.int32)
        self.shadow = np.ones(shape, np.float32)
        self.width = camera.width
        reps = (camera.height // 4 + 1, camera.width // 4 + 1)
        self.dither = np.tile(_BAYER, reps)[: camera.height, : camera.width]

    def hidden(self, x0: int, x1: int, y0: int, y1: int, nearest: float) -> bool:
        """Return whether all in the box is nearer already, from a sample of its pixels."""
        step_y, step_x = max((y1 - y0) // 6, 1), max((x1 - x0) // 8, 1)
        return bool(self.depth[y0:y1:step_y, x0:x1:step_x].max() < nearest)

    def draw(
        self,
        row: int,
        box: _Box,
        planes: _Planes,
        plane: float,
        area: float,
        spread: float,
        repeat: tuple[float, float],
        bias: float,
        texture: Texture,
    ) -> None:
        """Draw one part where it is nearer than what is there."""
        x0, x1, y0, y1 = box
        xs, ys = self.xs[x0:x1], self.ys[y0:y1, None]
        a, b, n = planes
        f = np.float32
        below = _linear(xs, ys, n)
        depth: Field = np.divide(f(plane), below)
        if bias:
            depth = np.subtract(depth, f(bias))
        # u and v measured from the middle: one comparison tests both ends.
        a = [p - q / 2 for p, q in zip(a, n, strict=True)]
        b = [p - q / 2 for p, q in zip(b, n, strict=True)]
        u: Field = _linear(xs, ys, a) / below
        v: Field = _linear(xs, ys, b) / below
        seen = (
            (depth < self.depth[y0:y1, x0:x1]) & (depth > 0) & (np.abs(u) < 0.5) & (np.abs(v) < 0.5)
        )
        at = np.flatnonzero(seen)
        if not len(at):
            return
        u, v, depth = u.ravel()[at] + f(0.5), v.ravel()[at] + f(0.5), depth.ravel()[at]
        wide = x1 - x0
        at = (at // wide + y0) * self.width + at % wide + x0
        index = _lookup(
            texture, u, v, depth, repeat, self._switches(plane, area, spread, repeat, texture)
        )
        texel = texture.texels[index]
        if texture.cutout:
            solid = (texel >> 24).astype(np.int32) > self.dither.ravel()[at]
            at, texel, depth = at[solid], texel[solid], depth[solid]
        self.texel.ravel()[at] = texel
        self.depth.ravel()[at] = depth
        self.part.ravel()[at] = row

    def darken(self, box: _Box, planes: _Planes, plane: float) -> None:
        """Darken what lies in the plane of a soft shadow, most in the shadow's middle."""
        x0, x1, y0, y1 = box
        xs, ys = self.xs[x0:x1], self.ys[y0:y1, None]
        f = np.float32
        a, b, n = planes
        below = _linear(xs, ys, n)
        away = np.abs(self.depth[y0:y1, x0:x1] - f(plane) / below)
        u = np.abs(_linear(xs, ys, a) / below - f(0.5))
        v = np.abs(_linear(xs, ys, b) / below - f(0.5))
        strength = np.minimum(np.maximum(f(2.6) - np.maximum(u, v) * f(5.2), f(0)), f(0.78))
        self.shadow[y0:y1, x0:x1] *= np.where(away < f(0.3), f(1) - strength, f(1))

    def _switches(
        self,
        plane: float,
        area: float,
        spread: float,
        repeat: tuple[float, float],
        texture: Texture,
    ) -> list[float]:
        """Return the depths at which the next smaller version of the texture takes over.

        A texel's footprint grows with depth, and again with the slant at which the plane is met;
        the slant is depth over the camera's distance from the plane. Both directions are averaged.
        """
        away = max(abs(plane) / area, 0.3)
        texels = texture.width * repeat[0] * texture.height * repeat[1]
        density = math.sqrt(texels) / spread
        limits = []
        for level in range(LEVELS - 1):
            reach = 1.25 * 2**level * self.focal / density
            limits.append(round(reach if reach < away else (reach * math.sqrt(away)) ** (2 / 3), 3))
        return limits


def _lookup(
    texture: Texture,
    u: npt.NDArray[np.float32],
    v: npt.NDArray[np.float32],
    depth: npt.NDArray[np.float32],
    repeat: tuple[float, float],
    switches: list[float],
) -> npt.NDArray[np.int32]:
    """Return the packed index of the texel under each (u, v), from the level fit for its depth."""
    nearest, farthest = float(depth.min()), float(depth.max())
    first = sum(nearest >= s for s in switches)
    last = sum(farthest >= s for s in switches)
    f = np.float32
    if repeat != (1.0, 1.0):
        u, v = u * f(repeat[0]), v * f(repeat[1])
        u, v = u - np.floor(u), v - np.floor(v)
    if first == last:
        width, height = int(texture.widths[first]), int(texture.heights[first])
        x = np.minimum((u * f(width)).astype(np.int32), width - 1)
        y = np.minimum((v * f(height)).astype(np.int32), height - 1)
        single: npt.NDArray[np.int32] = y * np.int32(width) + x + texture.offsets[first]
        return single
    level = np.full(len(depth), first, np.int32)
    for s in switches[first:last]:
        level += depth >= f(s)
    widths, heights = texture.widths[level], texture.heights[level]
    x = np.minimum((u * widths.astype(np.float32)).astype(np.int32), widths - 1)
    y = np.minimum((v * heights.astype(np.float32)).astype(np.int32), heights - 1)
    packed: npt.NDArray[np.int32] = y * widths + x + texture.offsets[level]
    return packed
