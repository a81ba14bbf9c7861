"""Textures: mip-mapped RGBA images, noise, and the wall, roof and ground materials made of it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from .seeds import rng_of

Pixels = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

DENSITY = 24
"""Texels per metre of façade."""

LEVELS = 6


class Texture:
    """An RGBA image with its smaller versions, packed one after the other into one flat array.

    The fourth channel is coverage where ``cutout`` is true, and otherwise tells which lamp lights
    the texel at night (0: none). Coverage is averaged down the pyramid; lamp numbers are picked.
    """

    __slots__ = ("cutout", "height", "heights", "offsets", "texels", "width", "widths")

    def __init__(self, pixels: Pixels, *, cutout: bool) -> None:
        self.cutout = cutout
        self.height, self.width = pixels.shape[:2]
        levels = [np.ascontiguousarray(pixels)]
        for _ in range(LEVELS - 1):
            levels.append(_halve(levels[-1], cutout))
        self.widths = np.array([p.shape[1] for p in levels], np.int32)
        self.heights = np.array([p.shape[0] for p in levels], np.int32)
        sizes = [p.shape[0] * p.shape[1] for p in levels]
        self.offsets = np.array([sum(sizes[:k]) for k in range(LEVELS)], np.int32)
        self.texels = np.concatenate([p.reshape(-1, 4).view(np.uint32).ravel() for p in levels])


def _halve(pixels: Pixels, cutout: bool) -> Pixels:
    height, width = pixels.shape[:2]
    even = pixels[: max(height // 2 * 2, 1), : max(width // 2 * 2, 1)]
    if height < 2 or width < 2:
        step = even[:: 2 if height > 1 else 1, :: 2 if width > 1 else 1]
        return np.ascontiguousarray(step)
    wide = even.astype(np.uint16)
    if cutout:  # colour weighted by coverage, so that the invisible background does not bleed in
        weight = wide[..., 3:] + 1
        wide[..., :3] = wide[..., :3] * weight >> 8
        total = wide[0::2, 0::2] + wide[0::2, 1::2] + wide[1::2, 0::2] + wide[1::2, 1::2]
        cover = total[..., 3:]
        rgb = np.minimum(total[..., :3].astype(np.uint32) * 256 // (cover + 4), 255)
        return np.concatenate([rgb, cover >> 2], axis=2).astype(np.uint8)
    total = wide[0::2, 0::2] + wide[0::2, 1::2] + wide[1::2, 0::2] + wide[1::2, 1::2] + 2
    small = (total >> 2).astype(np.uint8)
    small[..., 3] = even[0::2, 0::2, 3]
    return small


def clamped(values: npt.NDArray[np.integer[Any]]) -> Pixels:
    """Return whole numbers as 8 bits, those out of range at its end."""
    pixels: Pixels = np.clip(values, 0, 255).astype(np.uint8)
    return pixels


def noise(seed: int, height: int, width: int, cell: int, octaves: int = 4) -> Pixels:
    """Return tileable value noise around 128, its coarsest features ``cell`` wide."""
    rng = rng_of("noise", seed, height, width, cell)
    total = np.zeros((height, width), np.int32)
    weight, used = 256, 0
    for _ in range(octaves):
        rows, cols = max(1, height // cell), max(1, width // cell)
        grid = rng.integers(0, 256, (rows, cols), dtype=np.uint8)
        tiled = np.pad(grid, 2, mode="wrap")
        image = Image.fromarray(tiled).resize(
            ((cols + 4) * cell, (rows + 4) * cell), Image.Resampling.BICUBIC
        )
        part = np.asarray(image)[2 * cell : 2 * cell + height, 2 * cell : 2 * cell + width]
        total[: part.shape[0], : part.shape[1]] += part.astype(np.int32) * weight
        used += weight
        weight //= 2
        cell //= 2
        if cell < 1:
            break
    level = total // used
    return clamped((level - 128) * 3 // 2 + 128)


def tint(detail: Pixels, colour: Colour) -> Pixels:
    """Return ``colour`` modulated by ``detail`` (128 leaves it as it is), as RGBA with fourth 0."""
    out = np.zeros((*detail.shape, 4), np.uint8)
    wide = detail.astype(np.int32)
    for channel in range(3):
        out[..., channel] = np.minimum(wide * colour[channel] >> 7, 255)
    return out


def tile_to(detail: Pixels, height: int, width: int, shift: int = 0) -> Pixels:
    """Return ``detail`` repeated to ``(height, width)``, starting ``shift`` texels in."""
    rows = (np.arange(height) + shift) % detail.shape[0]
    cols = (np.arange(width) + shift * 7) % detail.shape[1]
    return np.ascontiguousarray(detail[rows[:, None], cols[None, :]])


def _courses(seed: int, size: int, course: int, length: int, joint: int, spread: int) -> Pixels:
    """Masonry in running bond: stones ``length`` × ``course`` texels, joints darkened."""
    rng = rng_of("courses", seed, course, length)
    rows = np.arange(size) // course
    shift = np.where(rows % 2 == 0, 0, length // 2)
    x = (np.arange(size)[None, :] + shift[:, None]) % size
    stone = x // length
    values = rng.integers(-spread, spread + 1, (size // course + 2, size // length + 2))
    detail = 132 + values[rows[:, None], stone]
    in_joint = (x % length < joint) | ((np.arange(size) % course < joint)[:, None])
    light = (np.arange(size) % course == joint)[:, None] & ~in_joint
    detail = np.where(in_joint, 108, detail + 8 * light)
    grain = noise(seed, size, size, 8, 3).astype(np.int32) - 128
    return clamped(detail + grain // 7)


MATERIALS = ("plaster", "brick", "stone", "smooth", "roughcast", "ashlar")


@cache
def material(name: str) -> Pixels:
    """Return the grey detail (240 × 240, 128 on average) of a wall material."""
    if name == "brick":
        return _courses(1, 240, 4, 10, 1, 15)
    if name == "stone":
        return _courses(2, 240, 12, 20, 1, 10)
    if name == "ashlar":
        return _courses(3, 240, 20, 40, 1, 6)
    coarse = noise(11, 240, 240, 60, 5).astype(np.int32) - 128
    fine = noise(12, 240, 240, 4, 2).astype(np.int32) - 128
    strength = {"plaster": (10, 30), "smooth": (18, 60), "roughcast": (14, 9)}[name]
    level = 128 + coarse // strength[0] + fine // strength[1]
    return clamped(level)


@cache
def roof(kind: int) -> Texture:
    """Return a 4 m × 4 m tile of roof covering: tiles, slate, or seamed metal."""
    size = 64
    y, x = np.arange(size)[:, None], np.arange(size)[None, :]
    rng = rng_of("roof", kind)
    grain = noise(20 + kind, size, size, 16, 4).astype(np.int32) - 128
    if kind % 3 == 2:
        detail = (
            128 + np.where(x % 10 == 0, 40, 0) - np.where(x % 10 == 1, 30, 0) + grain // 8 + 0 * y
        )
    else:
        tiles = rng.integers(-18, 19, (size, size))
        detail = (
            128 + tiles[y // 4, (x + (y // 4 % 2) * 2) // 4 % size] - 35 * (y % 4 == 3) + grain // 4
        )
    colours = (
        (150, 82, 58),
        (88, 92, 100),
        (120, 128, 128),
        (132, 70, 54),
        (104, 98, 92),
        (96, 112, 106),
    )
    return Texture(tint(clamped(detail), colours[kind % 6]), cutout=False)


@cache
def plain_wall(kind: int) -> Texture:
    """Return a 10 m × 10 m side or back wall, rendered or of brick, stained by rain."""
    colours = ((176, 160, 140), (150, 96, 78), (188, 182, 170), (140, 128, 116), (196, 178, 146))
    base = material(("roughcast", "brick", "plaster")[kind % 3]).astype(np.int32)
    stain = noise(40 + kind, 240, 240, 80, 5).astype(np.int32) - 128
    return Texture(tint(clamped(base + stain // 5), colours[kind % 5]), cutout=False)


@cache
def carriageway(kind: int) -> Texture:
    """Return 12 m of road, 7 m across (rows): asphalt or setts, with markings by ``kind``."""
    height, width = 168, 288
    grain = noise(60 + kind, height, width, 24, 5).astype(np.int32) - 128
    fine = rng_of("asphalt", kind).integers(-9, 10, (height, width))
    detail = 128 + grain // 6 + fine
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    colour: Colour = ((92, 92, 94), (104, 102, 100), (80, 82, 86), (112, 106, 100))[kind % 4]
    if kind % 4 == 3:
        rng = rng_of("setts", kind)
        stones = rng.integers(-20, 21, (height, width))
        detail = 128 + stones[y // 4, (x + y // 4 % 2 * 3) // 6 % width] + grain // 5
        detail = detail - 34 * ((y % 4 == 0) | ((x + y // 4 % 2 * 3) % 6 == 0))
    else:
        rng = rng_of("patches", kind)
        for _ in range(3):  # repairs, with a sealed edge
            x0, y0 = int(rng.integers(width - 60)), int(rng.integers(height - 50))
            w, h = int(rng.integers(16, 60)), int(rng.integers(12, 50))
            detail[y0 : y0 + h, x0 : x0 + w] -= 22
            detail[y0 + 1 : y0 + h - 1, x0 + 1 : x0 + w - 1] += int(rng.integers(4, 34))
    wheel = (np.abs(y - 50) < 8) | (np.abs(y - 118) < 8)
    pixels = tint(clamped(detail + 5 * wheel), colour)
    if kind % 4 in (0, 2):
        dash = (np.abs(y - 84) < 2) & (x % 144 < 72) & (grain > -40)
        pixels[dash] = (206, 204, 196, 0)
    if kind % 4 == 2:
        edge = ((np.abs(y - 10) < 2) | (np.abs(y - 158) < 2)) & (grain > -34) & (x >= 0)
        pixels[edge] = (198, 196, 188, 0)
    return Texture(pixels, cutout=False)


@cache
def pavement(kind: int) -> Texture:
    """Return 4 m × 4 m of pavement: slabs, small stones, asphalt or brick."""
    size = 96
    y, x = np.arange(size)[:, None], np.arange(size)[None, :]
    rng = rng_of("pavement", kind)
    course, length = ((16, 24), (6, 8), (96, 96), (4, 12), (24, 24))[kind % 5]
    tone = rng.integers(-14, 15, (size, size))
    row = y // course
    shifted = (x + row % 2 * (length // 2)) % size
    detail = 128 + tone[row, shifted // length] - 30 * ((y % course == 0) | (shifted % length == 0))
    grain = noise(80 + kind, size, size, 24, 5).astype(np.int32) - 128
    colour: Colour = (
        (152, 148, 140),
        (138, 130, 122),
        (112, 112, 112),
        (150, 112, 94),
        (164, 160, 150),
    )[kind % 5]
    return Texture(tint(clamped(detail + grain // 5), colour), cutout=False)


@cache
def flat(colour: Colour) -> Texture:
    """Return a small texture of one colour with a little grain."""
    detail = noise(99, 32, 32, 8, 3).astype(np.int32)
    return Texture(tint((128 + (detail - 128) // 6).astype(np.uint8), colour), cutout=False)


@cache
def grass() -> Texture:
    """Return 6 m × 6 m of lawn."""
    detail = noise(101, 96, 96, 32, 6).astype(np.int32)
    fine = rng_of("grass").integers(-24, 25, (96, 96))
    return Texture(tint(clamped(detail // 2 + 64 + fine), (92, 110, 58)), cutout=False)
