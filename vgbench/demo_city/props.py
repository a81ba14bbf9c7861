"""Textures of what stands in the street: trees, people, lamps, traffic signs, a skyline."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from .seeds import between, chance, pick, rng_of
from .textures import Colour, Texture, noise, tint

_COATS: tuple[Colour, ...] = (
    (60, 66, 82), (120, 44, 44), (32, 34, 38), (160, 140, 108), (70, 88, 66), (190, 186, 178),
    (104, 70, 96), (40, 80, 120), (196, 150, 60),
)  # fmt: skip


def blank(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return a transparent image and a pen for it."""
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    return image, ImageDraw.Draw(image)


def cutout(image: Image.Image, scale: int = 1) -> Texture:
    """Return the image, drawn ``scale`` times too large, as a cut-out."""
    if scale > 1:
        image = image.resize((image.width // scale, image.height // scale), Image.Resampling.BOX)
    return Texture(np.array(image), cutout=True)


@cache
def tree(kind: int) -> Texture:
    """Return a tree, 7 m wide × 9 m tall: trunk, branches, clumps of leaves."""
    rng = rng_of("tree", kind)
    width, height = 168, 216
    image, pen = blank(width, height)
    bark: Colour = pick(rng, ((78, 66, 54), (96, 88, 78), (62, 54, 48)))
    fork = height - int(between(rng, 60, 90))
    pen.line([(84, height), (84, fork)], fill=(*bark, 255), width=int(rng.integers(6, 11)))
    bare = kind % 5 == 4
    for _ in range(16 if bare else 9):
        tip = (84 + int(rng.integers(-60, 61)), int(rng.integers(24, fork)))
        pen.line([(84, fork + int(rng.integers(-14, 10))), tip], fill=(*bark, 255), width=3)
        if bare:
            for _ in range(7):
                end = (tip[0] + int(rng.integers(-24, 25)), tip[1] + int(rng.integers(-30, 12)))
                pen.line([tip, end], fill=(*bark, 255), width=1)
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


@cache
def person(kind: int) -> Texture:
    """Return a person walking or standing, 1 m wide × 1.9 m tall."""
    rng = rng_of("person", kind)
    scale = 4
    width, height = 32 * scale, 60 * scale
    image, pen = blank(width, height)
    coat: Colour = pick(rng, _COATS)
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
    return cutout(image, scale)


@cache
def lamp_post(kind: int) -> Texture:
    """Return a street lamp, 1.6 m × 6 m, as a cut-out."""
    s = 3
    width, height = 38 * s, 144 * s
    image, pen = blank(width, height)
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
    return cutout(image, s)


@cache
def traffic_sign(kind: int) -> Texture:
    """Return a traffic sign or bus stop on its post, 0.9 m × 2.8 m."""
    s = 3
    image, pen = blank(22 * s, 67 * s)
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
    return cutout(image, s)


@cache
def furniture(kind: int) -> Texture:
    """Return a bin, a bollard, a planter, a bicycle or a post box, 1.2 m × 1.2 m."""
    s = 4
    image, pen = blank(28 * s, 28 * s)
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
        frame = ((7, 21), (11, 11), (19, 12), (13, 21), (7, 21))
        pen.line([(x * s, y * s) for x, y in frame], fill=colour, width=s)
        pen.line([(21 * s, 21 * s), (19 * s, 9 * s), (22 * s, 9 * s)], fill=colour, width=s)
    else:
        pen.rounded_rectangle([8 * s, 2 * s, 20 * s, 26 * s], 2 * s, fill=(206, 160, 40, 255))
        pen.rectangle([10 * s, 7 * s, 18 * s, 9 * s], fill=(40, 36, 30, 255))
    return cutout(image, s)


@cache
def crossing() -> Texture:
    """Return a zebra crossing's stripes, worn."""
    wear = noise(91, 64, 112, 16, 4)
    pixels = np.zeros((64, 112, 4), np.uint8)
    pixels[..., :3] = 206
    stripe = (np.arange(112) // 8 % 2 == 0)[None, :]
    pixels[..., 3] = np.where(stripe & (wear > 70), 255, 0)
    return Texture(pixels, cutout=True)


@cache
def skyline(kind: int) -> Texture:
    """Return 160 m × 30 m of distant roofs, towers and hills."""
    rng = rng_of("skyline", kind)
    image, pen = blank(320, 60)
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
    return cutout(image)
