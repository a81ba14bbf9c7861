"""Textures of vehicles: sides, ends, windscreens and paint, in white, to be tinted."""

from __future__ import annotations

from functools import cache

import numpy as np

from .props import blank, cutout
from .textures import Colour, Texture, tint

CAR_COLOURS: tuple[Colour, ...] = (
    (200, 200, 202), (52, 54, 58), (120, 124, 130), (24, 26, 30), (150, 36, 34), (36, 62, 112),
    (226, 226, 224),
    (84, 92, 88), (168, 150, 120), (60, 92, 70), (190, 140, 50),
)  # fmt: skip

HEADLIGHT, TAILLIGHT = 250, 251
"""Lamps of vehicles, in the fourth channel of their ends."""


@cache
def car_side(kind: int) -> Texture:
    """Return a vehicle's side in white paint, to be tinted: 0–3 cars, 4 van, 5 bus."""
    s = 3
    width, height = 108 * s, 40 * s
    image, pen = blank(width, height)
    paint, low, glass, rubber = (
        (230, 230, 230, 255),
        (176, 176, 178, 255),
        (44, 52, 60, 255),
        (22, 22, 24, 255),
    )
    if kind < 4:
        roof = ((34, 44, 74, 92), (28, 40, 84, 100), (36, 48, 70, 86), (24, 36, 88, 102))[kind]
        belt, top = 18, (5, 7, 4, 3)[kind]
        pen.rounded_rectangle([2 * s, belt * s, 106 * s, 34 * s], 5 * s, fill=paint)
        a, b, c, d = (v * s for v in roof)
        pen.polygon([(a, belt * s + 6), (b, top * s), (c, top * s), (d, belt * s + 6)], fill=paint)
        inset = 3 * s
        foot, head = belt * s, (top + 2) * s
        window = [(a + inset, foot), (b + s, head), (c - s, head), (d - inset, foot)]
        pen.polygon(window, fill=glass)
        for x in ((b + c) // 2, (b + 3 * c) // 4 + 4 * s):
            pen.line([(x, top * s), (x, belt * s)], fill=paint, width=2 * s)
        pen.line(
            [((b + c) // 2, belt * s), ((b + c) // 2, 32 * s)],
            fill=(150, 150, 152, 255),
            width=s // 2,
        )
    else:
        top = 0
        pen.rounded_rectangle([0, top, 107 * s, 35 * s], 2 * s, fill=paint)
        if kind == 4:
            pen.polygon(
                [(84 * s, 6 * s), (96 * s, 6 * s), (104 * s, 16 * s), (84 * s, 16 * s)], fill=glass
            )
            pen.line([(82 * s, 2 * s), (82 * s, 34 * s)], fill=low, width=s // 2)
        else:
            for k in range(8):
                pen.rectangle([(3 + 13 * k) * s, 5 * s, (14 + 13 * k) * s, 18 * s], fill=glass)
            pen.rectangle([88 * s, 5 * s, 96 * s, 34 * s], fill=glass)
    pen.rectangle([2 * s, 28 * s, 106 * s, 31 * s], fill=low)
    axles = (22, 86) if kind != 5 else (20, 84)
    wheel = 6 if kind < 5 else 4
    for x in axles:
        centre = (40 - wheel) * s
        pen.ellipse(
            [(x - wheel - 1) * s, centre - (wheel + 1) * s, (x + wheel + 1) * s, 40 * s],
            fill=(60, 60, 60, 255),
        )
        pen.ellipse([(x - wheel) * s, centre - wheel * s, (x + wheel) * s, 40 * s], fill=rubber)
        pen.ellipse(
            [(x - 3) * s, centre - 3 * s, (x + 3) * s, centre + 3 * s], fill=(140, 142, 146, 255)
        )
    pen.rectangle([103 * s, 21 * s, 106 * s, 25 * s], fill=(250, 244, 210, 255))
    pen.rectangle([2 * s, 21 * s, 4 * s, 25 * s], fill=(200, 30, 30, 255))
    return cutout(image, s)


@cache
def car_end(kind: int, rear: bool) -> Texture:
    """Return a vehicle's front or rear in white paint; the fourth channel lights its lamps."""
    width, height = 40, 36 if kind < 4 else 48
    image, pen = blank(width, height)
    pen.rectangle([0, 0, width, height], fill=(222, 222, 222, 0))
    pen.rectangle([0, height - 10, width, height], fill=(60, 60, 62, 0))
    if kind >= 4:
        pen.rectangle([3, 4, width - 4, 20], fill=(48, 56, 64, 0))
        if rear:
            pen.line([(20, 0), (20, height)], fill=(150, 150, 150, 0))
    lamp = (190, 30, 30, TAILLIGHT) if rear else (246, 244, 226, HEADLIGHT)
    y = height - 20
    pen.rectangle([2, y, 9, y + 6], fill=lamp)
    pen.rectangle([width - 10, y, width - 3, y + 6], fill=lamp)
    if not rear:
        pen.rectangle([12, y, width - 13, y + 5], fill=(40, 40, 42, 0))
    pen.rectangle([14, height - 11, 26, height - 8], fill=(230, 228, 220, 0))
    return Texture(np.array(image), cutout=False)


@cache
def car_glass() -> Texture:
    """Return a windscreen."""
    image, pen = blank(40, 24)
    pen.rectangle([0, 0, 40, 24], fill=(236, 236, 236, 0))
    pen.rectangle([3, 2, 36, 21], fill=(52, 60, 68, 0))
    pen.polygon([(6, 20), (16, 3), (22, 3), (12, 20)], fill=(84, 94, 102, 0))
    return Texture(np.array(image), cutout=False)


@cache
def paint() -> Texture:
    """Return plain light bodywork, to be tinted."""
    return Texture(tint(np.full((16, 16), 128, np.uint8), (228, 228, 228)), cutout=False)
