"""Lights a frame: from texels, depths and parts to the photograph's 8-bit pixels.

Everything per pixel is +, -, ×, ÷, sqrt, comparisons and look-ups, so that the photograph is the
same, bit for bit, whichever processor renders it.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from .bodywork import HEADLIGHT, TAILLIGHT
from .camera import Camera, Field, Parts, pixel_grid
from .city import District
from .lamplight import add_halos, lamp_light_on
from .openings import SHOP_LAMP, SIGN_LAMP
from .raster import Frame
from .seeds import rng_of
from .sunlight import sun_reaches
from .textures import noise
from .weather import Weather, lit_windows

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
        shadowed = sun_reaches(camera, frame, light, plan, ways)[built]
    lamp_light = lamp_light_on(light, plan, camera, place) if light.lamps > 0 else None
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
        add_halos(out, frame, camera, light, plan)
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
