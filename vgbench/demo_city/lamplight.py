"""The light of street lamps on what is near them, and their glare in the lens."""

from __future__ import annotations

import numpy as np

from .camera import Camera, Field
from .city import District
from .raster import Frame
from .weather import Weather


def _near_lamps(
    plan: District, camera: Camera, count: int, reach: float
) -> list[tuple[float, float, float]]:
    ahead = camera.axes()[2]
    x, y = camera.x + float(ahead[0]) * 16, camera.y + float(ahead[1]) * 16
    ranked = sorted(((lx - x) ** 2 + (ly - y) ** 2, lx, ly, lz) for lx, ly, lz in plan.lamps)
    return [(lx, ly, lz) for away, lx, ly, lz in ranked[:count] if away < reach * reach]


def lamp_light_on(light: Weather, plan: District, camera: Camera, place: list[Field]) -> Field:
    """Return the street lamps' light at each place, falling off with distance."""
    f = np.float32
    total = np.zeros(len(place[0]), np.float32)
    for lx, ly, lz in _near_lamps(plan, camera, 9, 90):
        dx, dy, dz = place[0] - f(lx), place[1] - f(ly), place[2] - f(lz)
        away = dx * dx + dy * dy + dz * dz
        total += f(light.lamps) / (f(1) + away * f(0.055))
    return total


def add_halos(
    out: list[Field], frame: Frame, camera: Camera, light: Weather, plan: District
) -> None:
    """Add the glare of lamps in view."""
    f = np.float32
    axes = camera.axes()
    height, width = camera.height, camera.width
    for lx, ly, lz in _near_lamps(plan, camera, 16, 110):
        d = (lx - camera.x, ly - camera.y, lz - 0.25 + 0.13 - camera.z)
        right, up, ahead = (float(a[0] * d[0] + a[1] * d[1] + a[2] * d[2]) for a in axes)
        if ahead < 1.5:
            continue
        px, py = width / 2 + right / ahead * camera.focal, height / 2 - up / ahead * camera.focal
        column, row = int(px), int(py)
        if not (0 <= column < width and 0 <= row < height):
            continue
        if float(frame.depth[row * width + column]) < ahead - 1.0:
            continue
        core = max(camera.focal * 0.16 / ahead, 1.2)
        reach = int(core * 9) + 2
        y0, y1, x0, x1 = (
            max(row - reach, 0),
            min(row + reach, height),
            max(column - reach, 0),
            min(column + reach, width),
        )
        gy = np.arange(y0, y1, dtype=np.float32)[:, None] - f(py)
        gx = np.arange(x0, x1, dtype=np.float32)[None, :] - f(px)
        away = (gx * gx + gy * gy) / f(core * core)
        glare = f(2.2) / (f(1) + away * away) + np.maximum(f(0.12) - away * f(0.0015), f(0))
        for k in range(3):
            part = out[k].reshape(height, width)[y0:y1, x0:x1]
            part += glare * f(light.lamp_colour[k] * (0.6 + 0.4 * light.lamps))
