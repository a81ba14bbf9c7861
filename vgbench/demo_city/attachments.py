"""Textures of what is fixed to a façade: bow windows, dormers, hanging signs, railings, awnings."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache

import numpy as np

from .buildings import Building
from .glyphs import lettering
from .openings import SIGN_LAMP, shade, window
from .props import blank, cutout
from .seeds import rng_of
from .textures import DENSITY, Colour, Pixels, Texture, noise, tint


@lru_cache(maxsize=64)
def bow(spec: Building) -> Texture:
    """Return one storey of a bow window: lights side by side over a panelled apron."""
    rng = rng_of("bow", spec.seed)
    height, width = (
        int(spec.storeys[0] * DENSITY),
        int(min(max(spec.bay_width() * 0.92, 1.8), 3.2) * DENSITY),
    )
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[:] = shade(spec.trim, 96)
    lights = 3
    wide = width // lights - 4
    for k in range(lights):
        left = k * width // lights + 2
        pixels[height // 6 : height * 2 // 3, left : left + wide] = window(
            replace(spec, head=0), height * 2 // 3 - height // 6, wide, rng, 100 + k
        )
        pixels[height * 3 // 4 : height - 5, left + 2 : left + wide - 2] = shade(spec.trim, 78)
    pixels[:3] = pixels[-3:] = shade(spec.trim, 70)
    return Texture(pixels, cutout=False)


@cache
def dormer(kind: int) -> Texture:
    """Return a dormer's front, to be tinted."""
    height, width = 40, 30
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[:] = (206, 206, 204, 0)
    pixels[9:36, 5:25] = (58, 68, 78, 30 + kind)
    pixels[9:36, 14:16] = pixels[(18, 20)[kind % 2], 5:25] = (226, 226, 224, 0)
    pixels[:5] = (170, 168, 166, 0)
    pixels[5] = (110, 108, 106, 0)
    if kind > 1:
        for k in range(8):
            pixels[k, : 14 - 2 * k] = pixels[k, width - 14 + 2 * k :] = (96, 98, 104, 0)
    return Texture(pixels, cutout=False)


@lru_cache(maxsize=256)
def blade(text: str, ground: Colour, ink: Colour) -> Texture:
    """Return a sign that hangs out over the pavement: the name in short lines on its ground."""
    size = 48
    pixels = np.zeros((size, size, 4), np.uint8)
    pixels[:] = (*ground, SIGN_LAMP)
    lines = text.split(" ")[:2]
    tall = (size - 8) // len(lines)
    for k, line in enumerate(lines):
        cover = lettering(line, tall, size - 4).astype(np.int32)[..., None]
        part = pixels[4 + k * tall : 4 + (k + 1) * tall, 2:-2, :3]
        part[:] = (part * (255 - cover) + np.array(ink) * cover) // 255
    pixels[:2] = pixels[-2:] = pixels[:, :2] = pixels[:, -2:] = (*ink, 0)
    return Texture(pixels, cutout=False)


@cache
def railing(kind: int) -> Texture:
    """Return 1 m × 1 m of balcony railing or garden fence."""
    s = 2
    image, pen = blank(24 * s, 24 * s)
    iron = ((36, 36, 38, 255), (60, 74, 66, 255), (230, 228, 220, 255))[kind % 3]
    pen.rectangle([0, 0, 24 * s, 2 * s], fill=iron)
    pen.rectangle([0, 22 * s, 24 * s, 24 * s], fill=iron)
    form = kind % 6
    if form == 5:
        pen.rectangle([0, 0, 24 * s, 24 * s], fill=(206, 198, 184, 255))
        for x in (3, 15):
            pen.ellipse([x * s, 6 * s, (x + 6) * s, 18 * s], fill=(120, 112, 102, 255))
        return cutout(image, s)
    step = (4, 6, 4, 8, 6)[form]
    for x in range(0, 24, step):
        pen.rectangle([x * s, 0, x * s + s, 24 * s], fill=iron)
    if form in (1, 4):
        for x in (0, 12):
            pen.ellipse([x * s, 6 * s, (x + 11) * s, 17 * s], outline=iron, width=s)
    if form == 3:
        for x in (0, 8, 16):
            pen.line([(x * s, 2 * s), ((x + 8) * s, 22 * s)], fill=iron, width=s)
            pen.line([((x + 8) * s, 2 * s), (x * s, 22 * s)], fill=iron, width=s)
    return cutout(image, s)


@cache
def awning(kind: int) -> Texture:
    """Return an awning's cloth, 2 m wide: striped or plain."""
    colour: Colour = ((150, 40, 40), (44, 84, 62), (52, 66, 104), (196, 156, 84), (190, 186, 176))[
        kind % 5
    ]
    pixels: Pixels = tint(noise(70, 32, 48, 16, 3) // 8 + 112, colour)
    if kind % 2 == 0:
        pixels[:, (np.arange(48) // 6) % 2 == 0, :3] = (226, 222, 210)
    pixels[-3:] = pixels[-3:] // 2
    pixels[..., 3] = 0
    return Texture(pixels, cutout=False)


@cache
def gable() -> Texture:
    """Return a triangle with its apex in the middle, to be tinted: a gable over a side wall."""
    y, x = np.arange(64)[:, None], np.arange(64)[None, :]
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[..., :3] = 168
    pixels[..., 3] = np.where(np.abs(x - 31.5) * 2 < y, 255, 0)
    return Texture(pixels, cutout=True)
