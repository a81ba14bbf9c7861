"""Which pixels the sun reaches, between the buildings and trees of a district."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from .camera import Camera, Field
from .city import District
from .masonry import footprints
from .raster import Frame
from .weather import Weather

_MARGIN = 60


@lru_cache(maxsize=2)
def _heights(plan: District) -> npt.NDArray[np.float32]:
    """Return the height of what stands on each square metre of a district."""
    wide, tall = int(plan.size[0]) + 2 * _MARGIN, int(plan.size[1]) + 2 * _MARGIN
    heights = np.zeros((tall, wide), np.float32)
    for (px, py), (ax, ay), (bx, by), high in footprints(plan):
        area = ax * by - ay * bx
        xs, ys = [px, px + ax, px + bx, px + ax + bx], [py, py + ay, py + by, py + ay + by]
        x0, x1 = max(int(min(xs)) + _MARGIN, 0), min(int(max(xs)) + _MARGIN + 2, wide)
        y0, y1 = max(int(min(ys)) + _MARGIN, 0), min(int(max(ys)) + _MARGIN + 2, tall)
        gx = np.arange(x0, x1)[None, :] + 0.5 - _MARGIN - px
        gy = np.arange(y0, y1)[:, None] + 0.5 - _MARGIN - py
        u, v = (gx * by - gy * bx) / area, (ax * gy - ay * gx) / area
        inside = (u >= 0) & (u < 1) & (v >= 0) & (v < 1)
        part = heights[y0:y1, x0:x1]
        part[inside] = np.maximum(part[inside], high)
    for thing in plan.things:
        if thing.kind == "tree":
            x, y = int(thing.x) + _MARGIN, int(thing.y) + _MARGIN
            crown = heights[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
            np.maximum(crown, thing.height * 0.8, out=crown)
    return heights


def sun_reaches(
    camera: Camera, frame: Frame, light: Weather, plan: District, ways: list[Field]
) -> Field:
    """Return 0 (shadow) to 1 per pixel, by walking towards the sun from every third pixel."""
    f = np.float32
    step = 3
    height, width = camera.height, camera.width
    small = [w.reshape(height, width)[1::step, 1::step].ravel() for w in ways]
    depth = frame.depth.reshape(height, width)[1::step, 1::step].ravel()
    depth = np.where(np.isfinite(depth), depth, f(1)) - f(0.25)  # off the wall, towards the camera
    heights = _heights(plan)
    x = small[0] * depth + f(camera.x + _MARGIN)
    y = small[1] * depth + f(camera.y + _MARGIN)
    z = small[2] * depth + f(camera.z)
    free = np.ones(len(x), bool)
    ground = math.sqrt(light.sun[0] ** 2 + light.sun[1] ** 2)
    stride = 1.3
    away = 0.9
    flat = heights.ravel()
    for _ in range(16):
        s = f(away / ground)
        ix = np.clip((x + s * f(light.sun[0])).astype(np.int32), 0, heights.shape[1] - 1)
        iy = np.clip((y + s * f(light.sun[1])).astype(np.int32), 0, heights.shape[0] - 1)
        free &= flat[iy * np.int32(heights.shape[1]) + ix] < z + s * f(light.sun[2]) + f(0.1)
        away += stride
        stride *= 1.13
    rows, columns = len(range(1, height, step)), len(range(1, width, step))
    mask = Image.fromarray((free.reshape(rows, columns) * 255).astype(np.uint8))
    smooth = mask.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(smooth).ravel().astype(np.float32) / f(255)
