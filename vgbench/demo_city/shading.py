"""Lights a frame: from texels, depths and parts to the photograph's 8-bit pixels.

Everything per pixel is +, -, ×, ÷, sqrt, comparisons and look-ups, so that the photograph is the same,
bit for bit, whichever processor renders it.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from .camera import Camera, Frame, Parts, pixel_grid
from .city import District
from .masonry import footprints
from .openings import SHOP_LAMP, SIGN_LAMP
from .props import HEADLIGHT, TAILLIGHT
from .seeds import rng_of
from .textures import noise
from .weather import Weather, lit_windows

Field = npt.NDArray[np.float32]

_LINEAR = np.array([round((k / 255) ** 2.2, 6) for k in range(256)], np.float32)
_STEPS = 1 << 14
_RANGE = 4.0


@lru_cache(maxsize=64)
def _tone(contrast: int) -> npt.NDArray[np.uint8]:
    """Return the tone curve for light 0 to 4, with a shoulder, as a table."""
    gamma = 1 / 2.2 * (0.45 + 0.55 * contrast / 1000)
    table = []
    for k in range(_STEPS):
        x = k * _RANGE / _STEPS
        x = x * (1 + x / 6) / (1 + x * 0.55)
        table.append(min(255, int(255 * math.pow(x, gamma) + 0.5)))
    return np.array(table, np.uint8)


def shade(
    camera: Camera, parts: Parts, frame: Frame, light: Weather, plan: District
) -> npt.NDArray[np.uint8]:
    """Return the lit frame, (height, width, 3)."""
    f = np.float32
    height, width = camera.height, camera.width
    xs, ys = pixel_grid(camera)
    gx = np.broadcast_to(xs, (height, width)).ravel()
    gy = np.broadcast_to(ys[:, None], (height, width)).ravel()
    axes = camera.axes().astype(np.float32)
    ways = [gx * axes[0, k] + gy * axes[1, k] + axes[2, k] for k in range(3)]
    built = np.flatnonzero(frame.part >= 0)
    depth, part = frame.depth[built], frame.part[built].astype(np.intp)
    texel = frame.texel[built]
    origin = (f(camera.x), f(camera.y), f(camera.z))
    place = [ways[k][built] * depth + origin[k] for k in range(3)]
    ambient, sun = _by_part(camera, parts, light)
    # The sky is seen less from the bottom of a street, and corners at the ground are darker still.
    open_sky = f(0.62) + np.minimum(np.maximum(place[2], f(0)) * f(0.034), f(0.38))
    shadowed = None
    if light.sunlight[0] > 0:
        shadowed = _sun_reaches(camera, frame, light, plan, ways)[built]
    lamp_light = _lamp_light(light, plan, camera, place) if light.lamps > 0 else None
    haze = depth * f(light.haze)
    haze = haze / (f(1) + haze)
    clear = f(1) - haze
    soft = frame.shadow[built]
    glowing, glow = _glow(parts, light, texel, part)
    out = []
    for k in range(3):
        colour = parts.colour[:, k].astype(np.float32)
        albedo = _LINEAR[(texel >> (8 * k)) & 255]
        lit = (colour * ambient[:, k])[part] * open_sky
        if shadowed is not None:
            lit += (colour * sun[:, k])[part] * shadowed
        if lamp_light is not None:
            lit += (colour * f(light.lamp_colour[k]))[part] * lamp_light
        lit *= albedo * soft
        if len(glowing):
            lit[glowing] += glow[0][:, k] + albedo[glowing] * glow[1][:, k]
        full = np.zeros(height * width, np.float32)
        full[built] = lit * clear + f(light.horizon[k]) * haze
        out.append(full)
    _sky(out, frame, light, ways)
    if light.lamps > 0:
        _halos(out, frame, camera, light, plan)
    return _develop(out, light, gx, gy, height, width)


_LIT = {"facade", "bow", "dormer", "blade", "car_end"}
"""Textures whose fourth channel numbers lamps."""
_GROUND = {"carriageway", "crossing", "pavement"}


def _glow(
    parts: Parts, light: Weather, texel: npt.NDArray[np.uint32], part: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.intp], tuple[Field, Field]]:
    """Return which pixels shine by themselves, and how: (M, 3) on their own, (M, 3) per albedo."""
    if light.lit < 0.1:
        return np.zeros(0, np.intp), (np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32))
    has_lamps = np.array([key[0] in _LIT for key in parts.textures])
    at = np.flatnonzero((texel >= 1 << 24) & has_lamps[part])
    code, lamps = (texel[at] >> 24).astype(np.intp), parts.lamps[part[at]]
    shops_open = rng_of("shops", light.seed).random(256) < 0.75
    plain = np.zeros((256, 256, 3), np.float32)  # by lamp of the texture, by number of the part
    tinted = np.zeros((256, 256, 3), np.float32)
    window = (np.arange(256)[:, None] * 7 + np.arange(256)[None, :] * 13) & 255
    glow = lit_windows(light)[window]
    plain[1:230], tinted[1:230] = glow[1:230] * np.float32(0.4), glow[1:230] * np.float32(2)
    for lamp in (SHOP_LAMP, SIGN_LAMP):
        plain[lamp][shops_open] = (0.062, 0.053, 0.037)
        tinted[lamp][shops_open] = (0.93, 0.82, 0.65)
    plain[HEADLIGHT] = 1.6
    plain[TAILLIGHT] = (0.8, 0.0, 0.0)
    which = (code, lamps & 255)
    return at, (plain[which], tinted[which])


def _by_part(camera: Camera, parts: Parts, light: Weather) -> tuple[Field, Field]:
    """Return the sky's and the sun's light on each part, (N, 3) each, from the way it faces."""
    a, d = parts.across, parts.down
    nx = a[:, 1] * d[:, 2] - a[:, 2] * d[:, 1]
    ny = a[:, 2] * d[:, 0] - a[:, 0] * d[:, 2]
    nz = a[:, 0] * d[:, 1] - a[:, 1] * d[:, 0]
    size = np.sqrt(nx * nx + ny * ny + nz * nz)
    here = (camera.x - parts.corner[:, 0]) * nx + (camera.y - parts.corner[:, 1]) * ny
    here = here + (camera.z - parts.corner[:, 2]) * nz
    size = np.where(here < 0, -size, size)
    nx, ny, nz = nx / size, ny / size, nz / size
    facing = np.maximum(nx * light.sun[0] + ny * light.sun[1] + nz * light.sun[2], 0)
    kinds = [str(key[0]) for key in parts.textures]
    round_things = np.array([k in ("tree", "person", "furniture") for k in kinds])
    facing = np.where(round_things, 0.55, facing)
    up = 0.74 + 0.26 * nz + 0.05 * nx + 0.03 * ny
    if light.wet:
        up = np.where(np.array([k in _GROUND for k in kinds]), up * 0.62, up)
    ambient = up[:, None] * np.array(light.skylight)
    return ambient.astype(np.float32), (facing[:, None] * np.array(light.sunlight)).astype(
        np.float32
    )


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


def _sun_reaches(
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


def _near_lamps(
    plan: District, camera: Camera, count: int, reach: float
) -> list[tuple[float, float, float]]:
    ahead = camera.axes()[2]
    x, y = camera.x + float(ahead[0]) * 16, camera.y + float(ahead[1]) * 16
    ranked = sorted(((lx - x) ** 2 + (ly - y) ** 2, lx, ly, lz) for lx, ly, lz in plan.lamps)
    return [(lx, ly, lz) for away, lx, ly, lz in ranked[:count] if away < reach * reach]


def _lamp_light(light: Weather, plan: District, camera: Camera, place: list[Field]) -> Field:
    """Return the street lamps' light at each place, falling off with distance."""
    f = np.float32
    total = np.zeros(len(place[0]), np.float32)
    for lx, ly, lz in _near_lamps(plan, camera, 9, 90):
        dx, dy, dz = place[0] - f(lx), place[1] - f(ly), place[2] - f(lz)
        away = dx * dx + dy * dy + dz * dz
        total += f(light.lamps) / (f(1) + away * f(0.055))
    return total


def _halos(out: list[Field], frame: Frame, camera: Camera, light: Weather, plan: District) -> None:
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


def _sky(out: list[Field], frame: Frame, light: Weather, ways: list[Field]) -> None:
    """Paint the sky: a gradient, and clouds on a plane above."""
    f = np.float32
    at = np.flatnonzero(frame.part < 0)
    if not len(at):
        return
    x, y, z = (w[at] for w in ways)
    flat = np.sqrt(x * x + y * y)
    climb = np.maximum(z, f(0)) / flat
    share = np.minimum(climb / (climb + f(0.45)) * f(1.4), f(1))
    rng = rng_of("clouds", light.seed)
    cover = noise(int(rng.integers(6)), 256, 256, 64, 6)
    lift = f(46) / (climb + f(0.16))
    ix = ((x / flat * lift).astype(np.int32) + int(rng.integers(256))) & 255
    iy = ((y / flat * lift).astype(np.int32) + int(rng.integers(256))) & 255
    density = cover.ravel()[iy * 256 + ix].astype(np.float32)
    threshold = f(205 - 160 * light.clouds)
    cloud = np.minimum(np.maximum((density - threshold) / f(52), f(0)), f(1))
    tone = f(0.82) + density * f(0.0012)
    for k in range(3):
        clear = f(light.horizon[k]) + (f(light.zenith[k]) - f(light.horizon[k])) * share
        out[k][at] = clear + (f(light.cloud_colour[k]) * tone - clear) * cloud


def _develop(
    out: list[Field], light: Weather, gx: Field, gy: Field, height: int, width: int
) -> npt.NDArray[np.uint8]:
    """Expose, balance and tone: linear light to 8 bits."""
    f = np.float32
    # Metered on whole numbers: a sum of floats would depend on the order of addition.
    grid = out[1][:: width // 7 + 2]
    metered = np.minimum(grid * f(4096), f(8192)).astype(np.int64)
    mean = float(int(metered.sum()) / len(metered)) / 4096
    aim = {"day": 0.34, "dusk": 0.17, "night": 0.105}[light.condition]
    gain = aim * light.exposure / (mean + 0.01)
    gain = round(min(gain, 5.0), 5)
    fall = f(1) - f(light.vignette) * (gx * gx + gy * gy)
    table = _tone(int(light.contrast * 40) * 25)
    photo = np.empty((height, width, 3), np.uint8)
    for k in range(3):
        value = out[k] * fall * f(gain * light.balance[k] * (_STEPS / _RANGE))
        index = np.minimum(np.maximum(value, f(0)), f(_STEPS - 1)).astype(np.int32)
        photo[..., k] = table[index].reshape(height, width)
    return photo
