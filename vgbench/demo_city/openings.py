"""Small façade parts, painted as RGBA patches: windows, doors, shop fronts.

The fourth channel is 255 where the patch leaves the wall as it is, and otherwise the texel's lamp.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .buildings import Building, Shop
from .glyphs import lettering
from .seeds import between, chance, pick
from .textures import DENSITY, Colour, Pixels, noise

KEEP = 255
SHOP_LAMP = 240
SIGN_LAMP = 241


def shade(colour: Colour, percent: int) -> tuple[int, int, int, int]:
    """Return ``colour`` at ``percent`` of its brightness, as a texel no lamp lights."""
    r, g, b = (min(255, c * percent // 100) for c in colour)
    return (r, g, b, 0)


def head_mask(height: int, width: int, head: int) -> npt.NDArray[np.bool_]:
    """Return where an opening of the given head (0 flat, 1 round, 2 segmental) is open."""
    mask = np.ones((height, width), bool)
    if head == 0:
        return mask
    radius = width / 2 if head == 1 else width * 0.9
    rise = radius if head == 1 else radius - (radius * radius - width * width / 4) ** 0.5
    y = np.arange(height)[:, None] + 0.5
    x = np.arange(width)[None, :] + 0.5 - width / 2
    above = y < rise
    inside = x * x + (radius - y) * (radius - y) <= radius * radius
    return np.where(above, inside, True)


def window(spec: Building, height: int, width: int, rng: np.random.Generator, lamp: int) -> Pixels:
    """Return one window: reveal, frame, glazing bars, glass with curtains or blinds behind."""
    out = np.zeros((height, width, 4), np.uint8)
    mask = head_mask(height, width, spec.head)
    frame = shade(spec.woodwork, 100)
    out[:] = _glass(height, width, rng, lamp)
    bar = max(1, DENSITY // 16)
    for k in range(bar + 1):  # casement
        out[:, k] = out[:, width - 1 - k] = out[height - 1 - k] = frame
        out[k] = frame
    columns, rows, transom = (
        (2, 1, 0),
        (2, 1, 1),
        (2, 3, 0),
        (3, 2, 0),
        (1, 2, 0),
        (1, 1, 0),
        (4, 4, 0),
    )[spec.panes]
    if transom:
        y = height * 28 // 100
        out[y : y + bar + 1] = frame
    for k in range(1, columns):
        x = width * k // columns
        out[:, x - bar // 2 : x - bar // 2 + bar + (columns == 2)] = frame
    for k in range(1, rows):
        y = height * k // rows
        out[y : y + bar + (rows == 2)] = frame
    reveal = shade(spec.wall, 52)
    out[:2] = reveal
    out[:, :1] = reveal
    if spec.head:
        inner = head_mask(height - 2, width - 2, spec.head)
        edge = mask.copy()
        edge[2:, 1:-1] &= ~inner
        out[edge & (np.arange(height)[:, None] < width // 2)] = reveal
    out[~mask] = (0, 0, 0, KEEP)
    return out


def _glass(height: int, width: int, rng: np.random.Generator, lamp: int) -> Pixels:
    out = np.zeros((height, width, 4), np.uint8)
    y = np.arange(height)[:, None]
    top = int(rng.integers(60, 128))
    low = int(rng.integers(24, 56))
    level = top + (low - top) * y // height + np.zeros((1, width), np.int32)
    slant = (np.arange(width)[None, :] * 2 + y) % (width * 3)
    level = level + 26 * (slant < width // 2 + int(rng.integers(width))) * (
        int(rng.integers(3)) == 0
    )
    for channel, percent in enumerate((90, 100, 110)):
        out[..., channel] = np.clip(level * percent // 100, 0, 255)
    style = int(rng.integers(6))
    if style in (0, 1):  # curtains drawn to the sides
        cloth: Colour = pick(
            rng, ((214, 208, 196), (190, 170, 140), (224, 222, 218), (170, 120, 104))
        )
        part = max(2, width * int(rng.integers(12, 34)) // 100)
        folds = np.arange(width) % 3 * 6
        for channel in range(3):
            tone = np.clip(cloth[channel] * 68 // 100 - folds, 0, 255).astype(np.uint8)
            out[:, :part, channel] = tone[:part]
            out[:, -part:, channel] = tone[-part:]
    elif style == 2:  # a blind
        drop = height * int(rng.integers(15, 90)) // 100
        slats = 150 + (np.arange(drop) % 3 == 0) * -26
        out[:drop, :, :3] = slats[:, None, None].astype(np.uint8)
    elif style == 3:  # net curtain
        out[height // 2 :, :, :3] = out[height // 2 :, :, :3] // 2 + 84
    out[..., 3] = lamp
    return out


def shutter(colour: Colour, height: int, width: int) -> Pixels:
    """Return one louvred shutter leaf."""
    out = np.zeros((height, width, 4), np.uint8)
    out[:] = shade(colour, 92)
    out[2:-2:3, 1:-1] = shade(colour, 62)
    out[height // 2 - 1 : height // 2 + 1] = shade(colour, 100)
    out[:, 0] = out[:, -1] = shade(colour, 112)
    return out


def door(spec: Building, height: int, width: int, rng: np.random.Generator) -> Pixels:
    """Return a house door in one of six designs, under a fanlight."""
    out = np.zeros((height, width, 4), np.uint8)
    colour = spec.shutter_colour
    out[:] = shade(colour, 90)
    light = height * 22 // 100
    out[:light] = _glass(light, width, rng, 201)
    out[light - 2 : light + 1] = shade(colour, 70)
    leaves = 2 if width > 1.3 * DENSITY else 1
    for leaf in range(leaves):
        left, right = leaf * width // leaves + 2, (leaf + 1) * width // leaves - 2
        panels = (
            ((30, 96),),
            ((30, 58), (62, 96)),
            ((28, 46), (49, 70), (73, 96)),
            ((30, 74), (78, 96)),
        )[spec.door % 4]
        for k, (top, low) in enumerate(panels):
            y0, y1 = height * top // 100, height * low // 100
            out[y0:y1, left + 1 : right - 1] = shade(colour, 66)
            out[y0 + 1 : y1, left + 2 : right - 1] = shade(colour, 104)
            if spec.door > 3 and k == 0:
                out[y0 + 2 : y1 - 2, left + 3 : right - 3] = _glass(
                    y1 - y0 - 4, right - left - 6, rng, 201
                )
        if leaf:
            out[light:, left - 3 : left - 1] = shade(colour, 48)
    out[height * 62 // 100 : height * 62 // 100 + 2, width // leaves - 5 : width // leaves - 3] = (
        208,
        180,
        92,
        0,
    )
    mask = head_mask(height, width, spec.head if spec.door % 2 else 0)
    out[:3] = shade(spec.wall, 40)
    out[:, :2] = shade(spec.wall, 48)
    out[~mask] = (0, 0, 0, KEEP)
    return out


def shop_front(shop: Shop, height: int, rng: np.random.Generator) -> Pixels:
    """Return a shop front: fascia with the name, display windows, a door, stall riser."""
    width = max(int((shop.right - shop.left) * DENSITY), 30)
    out = np.zeros((height, width, 4), np.uint8)
    frame = shade(shop.sign, 80)
    out[:] = frame
    fascia = max(int(0.62 * DENSITY), 14)
    out[:fascia] = shade(shop.sign, 100)
    out[0] = shade(shop.sign, 130)
    out[fascia - 1 : fascia + 1] = shade(shop.sign, 46)
    cover = lettering(shop.name, fascia - 2, width).astype(np.int32)[..., None]
    ink = np.array(shop.lettering, np.int32)
    words = out[1 : fascia - 1]
    words[..., :3] = (words[..., :3] * (255 - cover) + ink * cover) // 255
    out[1 : fascia - 1, :, 3] = SIGN_LAMP
    top, sill = fascia + 2, height - int((0.5, 0.3, 0.8, 0.12, 0.4)[shop.glazing] * DENSITY)
    door_width = min(int(1.0 * DENSITY), width // 3)
    door_left = (3, width - door_width - 3, (width - door_width) // 2)[int(rng.integers(3))]
    if shop.shutter:
        out[top : height - 2, 3:-3] = (150, 150, 148, 0)
        out[top : height - 2 : 4, 3:-3] = (108, 108, 106, 0)
        return out
    out[top:sill, 3:-3] = _display(sill - top, width - 6, rng)
    panes = (1, 2, 3, 1, 4)[shop.glazing]
    for k in range(1, panes):
        x = width * k // panes
        out[top:sill, x - 1 : x + 1] = frame
    if shop.glazing in (2, 4):
        y = top + (sill - top) * 24 // 100
        out[y : y + 2, 3:-3] = frame
    out[top:, door_left : door_left + door_width] = frame
    inner = _display(height - top - 10, max(door_width - 8, 2), rng)
    out[top + 4 : height - 6, door_left + 4 : door_left + 4 + inner.shape[1]] = inner
    out[top : top + 3, 2:-2] = (34, 34, 36, 0)
    return out


def _display(height: int, width: int, rng: np.random.Generator) -> Pixels:
    """Return the inside of a shop seen through its window: dim depth, goods on shelves, posters."""
    out = np.zeros((height, width, 4), np.uint8)
    haze = noise(int(rng.integers(8)), 96, 256, 32, 4)[:height, :width].astype(np.int32)
    base = np.zeros((height, width), np.int32) + int(rng.integers(34, 70))
    base[: haze.shape[0], : haze.shape[1]] += (haze - 128) // 3
    for channel, percent in enumerate((104, 100, 94)):
        out[..., channel] = np.clip(base * percent // 100, 8, 255)
    shelves = int(rng.integers(1, 4))
    for shelf in range(shelves):
        foot = height - 2 - shelf * height * 2 // (3 * shelves)
        x = int(rng.integers(6))
        while x < width - 3:
            w, h = (
                int(rng.integers(2, 8)),
                int(rng.integers(3, 3 + max(height // (2 * shelves), 4))),
            )
            goods = int(rng.integers(50, 130)) + rng.integers(-30, 31, 3)
            out[max(foot - h, 0) : foot, x : x + w, :3] = goods
            out[max(foot - h, 0) : foot, x + w - 1 : x + w, :3] = goods * 2 // 3
            x += w + int(rng.integers(1, 9))
        out[foot : foot + 1, :, :3] = 76
    if chance(rng, 0.4) and width > 30:
        w, h = int(rng.integers(10, 18)), int(rng.integers(14, 24))
        x, y = int(rng.integers(width - w)), int(rng.integers(max(height - h, 1)))
        out[y : y + h, x : x + w, :3] = int(rng.integers(120, 220)) + rng.integers(-30, 31, 3)
        ink = int(rng.integers(60, 190)) + rng.integers(-50, 51, 3)
        out[y + 3 : y + h // 2, x + 2 : x + w - 2, :3] = ink
    gleam = int(between(rng, 0, width))
    gy = np.arange(height)[:, None]
    gx = np.arange(width)[None, :]
    streak = np.abs(gx + gy // 2 - gleam - height // 4) < width // 8
    out[..., :3] += (streak[..., None] * 22).astype(np.uint8)
    out[..., 3] = SHOP_LAMP
    return out
