"""Textures of what stands in the street: trees, people, cars, vans, buses, lamps, signs, railings."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from .seeds import between, chance, pick, rng_of
from .textures import Colour, Pixels, Texture, noise, tint

CAR_COLOURS: tuple[Colour, ...] = (
    (200, 200, 202), (52, 54, 58), (120, 124, 130), (24, 26, 30), (150, 36, 34), (36, 62, 112), (226, 226, 224),
    (84, 92, 88), (168, 150, 120), (60, 92, 70), (190, 140, 50),
)  # fmt: skip


HEADLIGHT, TAILLIGHT = 250, 251
"""Lamps of vehicles, in the fourth channel of their ends."""


def _draw(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    return image, ImageDraw.Draw(image)


def _cutout(image: Image.Image, scale: int = 1) -> Texture:
    if scale > 1:
        image = image.resize((image.width // scale, image.height // scale), Image.Resampling.BOX)
    return Texture(np.array(image), cutout=True)


@lru_cache(maxsize=None)
def tree(kind: int) -> Texture:
    """Return a tree, 7 m wide × 9 m tall: trunk, branches, clumps of leaves by season and species."""
    rng = rng_of("tree", kind)
    width, height = 168, 216
    image, pen = _draw(width, height)
    bark: Colour = pick(rng, ((78, 66, 54), (96, 88, 78), (62, 54, 48)))
    fork = height - int(between(rng, 60, 90))
    pen.line([(84, height), (84, fork)], fill=(*bark, 255), width=int(rng.integers(6, 11)))
    bare = kind % 5 == 4
    tips = []
    for _ in range(16 if bare else 9):
        x, y = 84 + int(rng.integers(-60, 61)), int(rng.integers(24, fork))
        pen.line([(84, fork + int(rng.integers(-14, 10))), (x, y)], fill=(*bark, 255), width=3)
        tips.append((x, y))
        if bare:
            for _ in range(7):
                end = (x + int(rng.integers(-24, 25)), y + int(rng.integers(-30, 12)))
                pen.line([(x, y), end], fill=(*bark, 255), width=1)
    pixels = np.array(image)
    if bare:
        return Texture(pixels, cutout=True)
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    crown = np.zeros((height, width), np.int32)
    relief = np.zeros((height, width), np.int32)
    for _ in range(46):
        cx, cy = 84 + int(rng.integers(-56, 57)), int(rng.integers(26, fork + 8))
        radius = int(rng.integers(9, 24))
        away = (x - cx) * (x - cx) + (y - cy) * (y - cy)
        clump = 255 - away * 200 // (radius * radius)
        # Each clump is lit from above; the foremost one shows.
        relief = np.where(clump > crown, 30 - (y - cy) * 52 // radius, relief)
        crown = np.maximum(crown, clump)
    coarse = noise(200 + kind % 3, 216, 168, 12, 3).astype(np.int32)
    fine = rng.integers(0, 256, (height // 2, width // 2)).repeat(2, 0).repeat(2, 1)
    leaves = crown + (coarse - 128) + (fine - 128) * 3 // 4 > 84
    light = 78 + relief + (fine - 128) // 3 + (coarse - 128) // 3 - (y - 60) // 5
    colour: Colour = pick(
        rng,
        ((84, 104, 52), (72, 94, 54), (100, 112, 58), (128, 108, 56), (82, 98, 68), (92, 108, 60)),
    )
    foliage = tint(np.clip(light, 22, 200).astype(np.uint8), colour)
    foliage[..., 3] = 255
    pixels[leaves] = foliage[leaves]
    return Texture(pixels, cutout=True)


@lru_cache(maxsize=None)
def person(kind: int) -> Texture:
    """Return a person walking or standing, 1 m wide × 1.9 m tall."""
    rng = rng_of("person", kind)
    scale = 4
    width, height = 32 * scale, 60 * scale
    image, pen = _draw(width, height)
    coat: Colour = pick(rng, ((60, 66, 82), (120, 44, 44), (32, 34, 38), (160, 140, 108), (70, 88, 66),
                              (190, 186, 178), (104, 70, 96), (40, 80, 120), (196, 150, 60)))  # fmt: skip
    legs: Colour = pick(
        rng, ((44, 52, 76), (36, 36, 40), (96, 88, 76), (70, 70, 74), (150, 138, 116))
    )
    skin: Colour = pick(rng, ((214, 172, 144), (172, 124, 94), (112, 78, 60), (228, 190, 166)))
    hair: Colour = pick(
        rng, ((48, 38, 32), (96, 70, 44), (150, 130, 96), (30, 30, 32), (160, 158, 154))
    )
    s = scale
    stride = int(rng.integers(0, 6))
    skirt = chance(rng, 0.2)
    for foot in (-stride, stride):
        pen.line(
            [(16 * s, 32 * s), ((16 + foot) * s, 57 * s)],
            fill=(*(skin if skirt else legs), 255),
            width=4 * s,
        )
        pen.ellipse([(13 + foot) * s, 55 * s, (20 + foot) * s, 59 * s], fill=(34, 30, 28, 255))
    hem = 40 if skirt or chance(rng, 0.3) else 33
    pen.polygon(
        [(10 * s, 14 * s), (22 * s, 14 * s), (23 * s, hem * s), (9 * s, hem * s)], fill=(*coat, 255)
    )
    arm = tuple(c * 84 // 100 for c in coat)
    swing = int(rng.integers(-4, 5))
    pen.line([(10 * s, 15 * s), ((8 + swing) * s, 31 * s)], fill=(*arm, 255), width=3 * s)
    pen.line([(22 * s, 15 * s), ((24 - swing) * s, 31 * s)], fill=(*arm, 255), width=3 * s)
    pen.ellipse([12 * s, 4 * s, 20 * s, 14 * s], fill=(*skin, 255))
    pen.pieslice(
        [12 * s, 3 * s, 20 * s, 14 * s], 170, 370 if chance(rng, 0.5) else 400, fill=(*hair, 255)
    )
    if chance(rng, 0.4):
        bag: Colour = pick(rng, ((120, 84, 50), (30, 30, 34), (150, 40, 60), (200, 190, 160)))
        pen.rectangle([22 * s, 26 * s, 28 * s, 35 * s], fill=(*bag, 255))
    return _cutout(image, scale)


@lru_cache(maxsize=None)
def car_side(kind: int) -> Texture:
    """Return a vehicle's side in white paint, to be tinted: 0–3 cars, 4 van, 5 bus."""
    s = 3
    width, height = 108 * s, 40 * s
    image, pen = _draw(width, height)
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
        pen.polygon([(a + inset, belt * s), (b + s, (top + 2) * s), (c - s, (top + 2) * s), (d - inset, belt * s)],
                    fill=glass)  # fmt: skip
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
    return _cutout(image, s)


@lru_cache(maxsize=None)
def car_end(kind: int, rear: bool) -> Texture:
    """Return a vehicle's front or rear in white paint; the fourth channel lights its lamps."""
    width, height = 40, 36 if kind < 4 else 48
    image, pen = _draw(width, height)
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


@lru_cache(maxsize=None)
def car_glass() -> Texture:
    """Return a windscreen."""
    image, pen = _draw(40, 24)
    pen.rectangle([0, 0, 40, 24], fill=(236, 236, 236, 0))
    pen.rectangle([3, 2, 36, 21], fill=(52, 60, 68, 0))
    pen.polygon([(6, 20), (16, 3), (22, 3), (12, 20)], fill=(84, 94, 102, 0))
    return Texture(np.array(image), cutout=False)


@lru_cache(maxsize=None)
def paint() -> Texture:
    """Return plain light bodywork, to be tinted."""
    return Texture(tint(np.full((16, 16), 128, np.uint8), (228, 228, 228)), cutout=False)


@lru_cache(maxsize=None)
def lamp_post(kind: int) -> Texture:
    """Return a street lamp, 1.6 m × 6 m, as a cut-out."""
    s = 3
    width, height = 38 * s, 144 * s
    image, pen = _draw(width, height)
    iron = ((46, 52, 50, 255), (120, 124, 126, 255), (58, 58, 62, 255))[kind % 3]
    pen.line([(19 * s, 14 * s), (19 * s, height)], fill=iron, width=2 * s)
    pen.rectangle([17 * s, 120 * s, 21 * s, height], fill=iron)
    if kind % 3 == 1:
        pen.line([(19 * s, 8 * s), (34 * s, 3 * s)], fill=iron, width=2 * s)
        pen.rectangle([26 * s, 2 * s, 37 * s, 6 * s], fill=(216, 214, 200, 255))
    elif kind % 3 == 0:
        pen.polygon(
            [(12 * s, 4 * s), (26 * s, 4 * s), (23 * s, 15 * s), (15 * s, 15 * s)],
            fill=(226, 220, 190, 255),
        )
        pen.polygon([(11 * s, 4 * s), (27 * s, 4 * s), (19 * s, 0)], fill=iron)
        pen.line([(11 * s, 22 * s), (27 * s, 22 * s)], fill=iron, width=s)
    else:
        pen.ellipse([12 * s, 0, 26 * s, 13 * s], fill=(232, 230, 216, 255))
    return _cutout(image, s)


@lru_cache(maxsize=None)
def traffic_sign(kind: int) -> Texture:
    """Return a traffic sign or bus stop on its post, 0.9 m × 2.8 m."""
    s = 3
    image, pen = _draw(22 * s, 67 * s)
    pen.line([(11 * s, 0), (11 * s, 67 * s)], fill=(130, 132, 134, 255), width=2 * s)
    box = [1 * s, 1 * s, 21 * s, 21 * s]
    red, blue, white = (190, 34, 36, 255), (34, 70, 150, 255), (238, 238, 236, 255)
    form = kind % 6
    if form == 0:
        pen.ellipse(box, fill=red)
        pen.rectangle([5 * s, 9 * s, 17 * s, 13 * s], fill=white)
    elif form == 1:
        pen.ellipse(box, fill=red)
        pen.ellipse([4 * s, 4 * s, 18 * s, 18 * s], fill=blue)
        pen.line([(4 * s, 4 * s), (18 * s, 18 * s)], fill=red, width=2 * s)
    elif form == 2:
        pen.polygon([(11 * s, 1 * s), (21 * s, 20 * s), (1 * s, 20 * s)], fill=red)
        pen.polygon([(11 * s, 6 * s), (17 * s, 17 * s), (5 * s, 17 * s)], fill=white)
    elif form == 3:
        pen.rectangle(box, fill=blue)
        pen.rectangle([8 * s, 4 * s, 10 * s, 18 * s], fill=white)
        pen.ellipse([8 * s, 4 * s, 15 * s, 11 * s], outline=white, width=2 * s)
    elif form == 4:
        pen.polygon([(1 * s, 2 * s), (21 * s, 2 * s), (11 * s, 20 * s)], fill=red)
        pen.polygon([(5 * s, 4 * s), (17 * s, 4 * s), (11 * s, 15 * s)], fill=white)
    else:
        pen.rectangle([3 * s, 0, 19 * s, 26 * s], fill=(222, 190, 60, 255))
        pen.rectangle([5 * s, 3 * s, 17 * s, 9 * s], fill=(40, 70, 60, 255))
    return _cutout(image, s)


@lru_cache(maxsize=None)
def furniture(kind: int) -> Texture:
    """Return a bin, a bollard, a planter, a bicycle or a post box, 1.2 m × 1.2 m."""
    s = 4
    image, pen = _draw(28 * s, 28 * s)
    form = kind % 5
    if form == 0:
        pen.rounded_rectangle([8 * s, 6 * s, 20 * s, 28 * s], 2 * s, fill=(56, 72, 60, 255))
        pen.rectangle([9 * s, 9 * s, 19 * s, 12 * s], fill=(24, 26, 26, 255))
    elif form == 1:
        pen.rectangle([12 * s, 6 * s, 16 * s, 28 * s], fill=(62, 62, 66, 255))
        pen.rectangle([12 * s, 9 * s, 16 * s, 11 * s], fill=(220, 220, 214, 255))
    elif form == 2:
        pen.rectangle([3 * s, 17 * s, 25 * s, 28 * s], fill=(140, 126, 110, 255))
        for k in range(9):
            x = 2 + 24 * k // 9
            pen.ellipse(
                [x * s, (8 + k * 5 % 7) * s, (x + 7) * s, 20 * s],
                fill=(70 + k * 4, 100 - k * 2, 52, 255),
            )
    elif form == 3:
        for x in (1, 15):
            pen.ellipse([x * s, 15 * s, (x + 12) * s, 27 * s], outline=(30, 30, 32, 255), width=s)
        colour = (150, 40, 40, 255) if kind % 2 else (40, 80, 110, 255)
        pen.line([(7 * s, 21 * s), (11 * s, 11 * s), (19 * s, 12 * s), (13 * s, 21 * s), (7 * s, 21 * s)],
                 fill=colour, width=s)  # fmt: skip
        pen.line([(21 * s, 21 * s), (19 * s, 9 * s), (22 * s, 9 * s)], fill=colour, width=s)
    else:
        pen.rounded_rectangle([8 * s, 2 * s, 20 * s, 26 * s], 2 * s, fill=(206, 160, 40, 255))
        pen.rectangle([10 * s, 7 * s, 18 * s, 9 * s], fill=(40, 36, 30, 255))
    return _cutout(image, s)


@lru_cache(maxsize=None)
def railing(kind: int) -> Texture:
    """Return 1 m × 1 m of balcony railing or garden fence."""
    s = 2
    image, pen = _draw(24 * s, 24 * s)
    iron = ((36, 36, 38, 255), (60, 74, 66, 255), (230, 228, 220, 255))[kind % 3]
    pen.rectangle([0, 0, 24 * s, 2 * s], fill=iron)
    pen.rectangle([0, 22 * s, 24 * s, 24 * s], fill=iron)
    form = kind % 6
    if form == 5:
        pen.rectangle([0, 0, 24 * s, 24 * s], fill=(206, 198, 184, 255))
        for x in (3, 15):
            pen.ellipse([x * s, 6 * s, (x + 6) * s, 18 * s], fill=(120, 112, 102, 255))
        return _cutout(image, s)
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
    return _cutout(image, s)


@lru_cache(maxsize=None)
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


@lru_cache(maxsize=None)
def gable() -> Texture:
    """Return a triangle with its apex in the middle, to be tinted: a gable over a side wall."""
    y, x = np.arange(64)[:, None], np.arange(64)[None, :]
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[..., :3] = 168
    pixels[..., 3] = np.where(np.abs(x - 31.5) * 2 < y, 255, 0)
    return Texture(pixels, cutout=True)


@lru_cache(maxsize=None)
def crossing() -> Texture:
    """Return a zebra crossing's stripes, worn."""
    wear = noise(91, 64, 112, 16, 4)
    pixels = np.zeros((64, 112, 4), np.uint8)
    pixels[..., :3] = 206
    stripe = (np.arange(112) // 8 % 2 == 0)[None, :]
    pixels[..., 3] = np.where(stripe & (wear > 70), 255, 0)
    return Texture(pixels, cutout=True)


@lru_cache(maxsize=None)
def skyline(kind: int) -> Texture:
    """Return 160 m × 30 m of distant roofs, towers and hills."""
    rng = rng_of("skyline", kind)
    image, pen = _draw(320, 60)
    x = 0
    while x < 320:
        w, h = int(rng.integers(8, 26)), int(rng.integers(20, 44))
        tone = int(rng.integers(96, 150))
        pen.rectangle([x, 60 - h, x + w, 60], fill=(tone + 8, tone, tone - 8, 255))
        if chance(rng, 0.5):
            pen.polygon(
                [(x, 60 - h), (x + w // 2, 60 - h - w // 3), (x + w, 60 - h)],
                fill=(124, 84, 70, 255),
            )
        for wy in range(60 - h + 4, 58, 6):
            for wx in range(x + 2, x + w - 2, 5):
                pen.rectangle([wx, wy, wx + 1, wy + 2], fill=(tone - 40, tone - 38, tone - 30, 255))
        x += w
    if chance(rng, 0.5):
        x = int(rng.integers(40, 280))
        pen.rectangle([x, 8, x + 9, 60], fill=(150, 136, 120, 255))
        pen.polygon([(x - 1, 9), (x + 5, 0), (x + 10, 9)], fill=(90, 110, 104, 255))
    return _cutout(image)
