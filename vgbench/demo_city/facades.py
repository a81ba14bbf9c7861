"""Paints a building's façade: the wall, openings in their bays and storeys, ornaments, wear."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .buildings import SIGNS, Building
from .glyphs import lettering
from .openings import KEEP, door, head_mask, shade, shop_front, shutter, window
from .seeds import between, chance, pick, rng_of
from .textures import DENSITY, Colour, Pixels, Texture, material, noise, tile_to, tint


@lru_cache(maxsize=320)
def facade(spec: Building) -> Texture:
    """Return the façade as an opaque texture, ``spec.width`` × ``spec.height`` metres."""
    return Texture(_Painter(spec).paint(), cutout=False)


class _Painter:
    def __init__(self, spec: Building) -> None:
        self.spec = spec
        self.rng = rng_of("facade", spec.seed)
        self.height = int(spec.height * DENSITY)
        self.width = int(spec.width * DENSITY)
        detail = tile_to(material(spec.material), self.height, self.width, spec.seed % 240)
        self.canvas = tint(detail, spec.wall)

    def row(self, metres: float) -> int:
        """Return the texel row at a height above the pavement."""
        return self.height - int(metres * DENSITY)

    def paint(self) -> Pixels:
        self._pattern()
        self._ground_wall()
        self._bands()
        lamp = 1
        for storey, tall in enumerate(self.spec.storeys):
            lamp = self._storey(storey, tall, lamp)
        self._ground_floor()
        self._quoins()
        self._cornice()
        self._wear()
        return self.canvas

    def fill(self, y0: int, y1: int, x0: int, x1: int, colour: Colour, percent: int = 100) -> None:
        """Paint a rectangle, keeping a third of the wall's grain."""
        y0, x0 = max(y0, 0), max(x0, 0)
        part = self.canvas[y0:y1, x0:x1]
        if part.size:
            part[:] = shade(colour, percent)

    def raised(
        self, y0: int, y1: int, x0: int, x1: int, colour: Colour, percent: int = 100
    ) -> None:
        """Paint a rectangle that stands out: lit upper edge, shadow below and to the right."""
        self.fill(y1, y1 + 2, x0 + 1, x1 + 1, self.spec.wall, 58)
        self.fill(y0, y1, x0, x1, colour, percent)
        self.fill(y0, y0 + 1, x0, x1, colour, min(percent + 14, 120))
        self.fill(y1 - 1, y1, x0, x1, colour, percent - 18)

    def paste(self, patch: Pixels, top: int, left: int) -> None:
        """Put a patch on the wall where it does not say KEEP."""
        y0, x0 = max(top, 0), max(left, 0)
        part = self.canvas[y0 : top + patch.shape[0], x0 : left + patch.shape[1]]
        patch = patch[y0 - top : y0 - top + part.shape[0], x0 - left : x0 - left + part.shape[1]]
        keep = patch[..., 3] == KEEP
        part[~keep] = patch[~keep]

    def _pattern(self) -> None:
        spec, canvas = self.spec, self.canvas
        top, low = 0, self.row(spec.ground)
        if spec.pattern == 1:  # striped brickwork
            for y in range(low, top, -int(0.9 * DENSITY)):
                self.fill(y - 5, y, 0, self.width, spec.trim, 88)
        elif spec.pattern == 2:  # timber frame
            wood: Colour = (84, 60, 46)
            for storey in range(len(spec.storeys)):
                y = self.row(spec.floor_level(storey))
                self.fill(y - 5, y, 0, self.width, wood)
                tall = int(spec.storeys[storey] * DENSITY)
                for bay in range(spec.bays + 1):
                    x = bay * self.width // spec.bays
                    self.fill(y - tall, y, x - 3, x + 3, wood)
                for bay in range(0, spec.bays, 2):
                    x = bay * self.width // spec.bays
                    for k in range(tall):
                        canvas[max(y - k, 0), x + k // 3 : x + k // 3 + 4] = shade(wood, 100)
        elif spec.pattern == 3:  # panels between the bays
            for bay in range(spec.bays + 1):
                x = bay * self.width // spec.bays
                self.raised(6, low, x - 6, x + 6, spec.trim, 96)

    def _ground_wall(self) -> None:
        spec = self.spec
        top = self.row(spec.ground)
        if spec.base == 0:
            return
        colour = spec.trim if spec.base != 2 else spec.wall
        detail = tile_to(
            material(("smooth", "ashlar", "stone", "smooth")[spec.base]),
            self.height - top,
            self.width,
        )
        self.canvas[top:] = tint(
            detail, (colour[0] * 9 // 10, colour[1] * 9 // 10, colour[2] * 9 // 10)
        )
        if spec.base == 3:
            for y in range(top, self.height, DENSITY // 2):
                self.fill(y, y + 2, 0, self.width, colour, 60)

    def _bands(self) -> None:
        spec = self.spec
        thick = (0, 4, 7, 10)[spec.courses]
        for storey in range(len(spec.storeys)):
            if thick and (storey == 0 or spec.courses != 2):
                y = self.row(spec.floor_level(storey))
                self.raised(y - thick, y, 0, self.width, spec.trim)

    def _storey(self, storey: int, tall: float, lamp: int) -> int:
        spec, rng = self.spec, self.rng
        floor = spec.floor_level(storey)
        french = storey < 4 and spec.balconies in (1, 2, 3) and (spec.balconies != 1 or storey == 0)
        sill = 0.18 if french else min(0.85, tall * 0.28)
        rise = tall * (0.84 if storey == 0 else 0.8) - sill
        width = max(int(spec.bay_width() * spec.opening * DENSITY), 14)
        height = max(int(rise * DENSITY), 20)
        for bay in range(spec.bays):
            if spec.rhythm == 4 and bay % 3 == 1 and spec.bays > 3:
                continue  # a blind bay
            span = width * 3 // 2 if spec.rhythm == 3 and bay == spec.bays // 2 else width
            if spec.rhythm == 2 and bay % 2:
                span = width * 3 // 4
            centre = int((bay + 0.5) * spec.bay_width() * DENSITY)
            top, left = self.row(floor + sill) - height, centre - span // 2
            self._casing(top, left, height, span, storey)
            self.paste(window(spec, height, span, rng, lamp), top, left)
            lamp = lamp % 190 + 1
            if spec.shutters and not french:
                leaf = span // 2
                if chance(rng, 0.12):
                    self.paste(shutter(spec.shutter_colour, height, leaf), top, left)
                    self.paste(shutter(spec.shutter_colour, height, leaf), top, left + leaf)
                else:
                    self.paste(shutter(spec.shutter_colour, height, leaf), top, left - leaf - 1)
                    self.paste(shutter(spec.shutter_colour, height, leaf), top, left + span + 1)
            elif not french and chance(rng, 0.1):  # flower box
                self.fill(top + height - 4, top + height + 3, left, left + span, (112, 64, 44))
                box = rng.integers(0, 3, (6, span))
                colours = np.array([[70, 96, 48, 0], [168, 40, 52, 0], [92, 120, 60, 0]], np.uint8)
                y0 = max(top + height - 9, 0)
                area = self.canvas[y0 : y0 + 6, max(left, 0) : left + span]
                area[:] = colours[box][: area.shape[0], : area.shape[1]]
        return lamp

    def _casing(self, top: int, left: int, height: int, width: int, storey: int) -> None:
        spec = self.spec
        border = (0, 3, 4, 6, 3)[spec.casing]
        if border:
            tall, wide = height + border, width + 2 * border
            frame = np.zeros((tall, wide, 4), np.uint8)
            frame[:] = shade(spec.trim, 100)
            frame[:, -1] = frame[:, border - 1] = shade(spec.trim, 76)
            if spec.casing == 4:
                frame[::8] = shade(spec.trim, 74)
            frame[~head_mask(tall, wide, spec.head)] = (0, 0, 0, KEEP)
            self.paste(frame, top - border, left - border)
        if spec.sills:
            self.raised(top + height, top + height + 4, left - 4, left + width + 4, spec.trim)
        if spec.head:
            if spec.casing == 3:
                self.raised(
                    top - border - 3,
                    top + 4,
                    left + width // 2 - 3,
                    left + width // 2 + 3,
                    spec.trim,
                )
            return
        if spec.pediment == 1 or (spec.pediment > 1 and storey > 1):
            self.raised(top - border - 7, top - border - 2, left - 5, left + width + 5, spec.trim)
        elif spec.pediment == 2 and storey < 2:  # triangle
            for k in range(9):
                inset = (9 - k) * (width + 12) // 20
                self.fill(top - border - 13 + k, top - border - 12 + k, left - 6 + inset,
                          left + width + 6 - inset, spec.trim, 104 if k < 8 else 78)  # fmt: skip
            self.raised(top - border - 4, top - border, left - 6, left + width + 6, spec.trim)
        elif spec.pediment == 3 and storey < 2:  # panel with a rosette
            self.raised(top - border - 11, top - border - 2, left, left + width, spec.trim, 92)
            x = left + width // 2
            self.fill(top - border - 9, top - border - 4, x - 3, x + 3, spec.trim, 62)

    def _ground_floor(self) -> None:
        spec, rng = self.spec, self.rng
        height = int((spec.ground - 0.35) * DENSITY)
        taken = []
        for shop in spec.shops:
            patch = shop_front(shop, height, rng)
            self.paste(patch, self.height - height, int(shop.left * DENSITY))
            taken.append((shop.left, shop.right))
        tall, wide = int(between(rng, 2.5, 2.9) * DENSITY), int(between(rng, 1.1, 1.7) * DENSITY)
        if taken:
            free = [(0.0, taken[0][0]), (taken[-1][1], spec.width)]
            left, right = max(free, key=lambda gap: gap[1] - gap[0])
            if right - left > 1.2:
                wide = min(wide, int((right - left - 0.2) * DENSITY))
                at = int((left + right) / 2 * DENSITY) - wide // 2
                self.paste(door(spec, tall, wide, rng), self.height - tall, at)
            return
        height = int((spec.ground - 1.6) * DENSITY)
        for bay in range(spec.bays):
            centre = int((bay + 0.5) * spec.bay_width() * DENSITY)
            if bay == spec.door_bay:
                if spec.casing:
                    self.raised(self.height - tall - 6, self.height, centre - wide // 2 - 6,
                                centre + wide // 2 + 6, spec.trim)  # fmt: skip
                self.paste(door(spec, tall, wide, rng), self.height - tall, centre - wide // 2)
                continue
            width = max(int(spec.bay_width() * spec.opening * DENSITY), 14)
            top, left = self.row(1.05) - height, centre - width // 2
            self._casing(top, left, height, width, 2)
            self.paste(window(spec, height, width, rng, 192 + bay % 8), top, left)
            if spec.railing % 3 == 0:  # bars before the ground-floor windows
                for x in range(left, left + width, 4):
                    self.fill(top, top + height, x, x + 1, (40, 40, 42))

    def _quoins(self) -> None:
        spec = self.spec
        if not spec.quoins:
            return
        for k, y in enumerate(range(0, self.height - 10, 10)):
            long = (16, 10)[k % 2] if spec.quoins == 1 else 12
            for x0, x1 in ((0, long), (self.width - long, self.width)):
                self.raised(y, y + 9, x0, x1, spec.trim, 96)

    def _cornice(self) -> None:
        spec = self.spec
        thick = (5, 9, 12, 8)[spec.cornice]
        self.raised(0, thick, 0, self.width, spec.trim)
        if spec.cornice >= 2:
            step = 6 if spec.cornice == 2 else 14
            for x in range(0, self.width, step):
                self.fill(thick, thick + 5, x, x + step // 2, spec.trim, 84)
        self.fill(thick + 5, thick + 8, 0, self.width, spec.wall, 62)

    def _wear(self) -> None:
        spec, rng = self.spec, self.rng
        if spec.drain:
            x = 3 if chance(rng, 0.5) else self.width - 7
            self.fill(0, self.height, x, x + 4, (96, 92, 86))
            self.fill(0, self.height, x + 1, x + 2, (140, 136, 128))
            self.fill(0, self.height, x + 4, x + 6, spec.wall, 60)
        if spec.graffiti:
            w, h = int(rng.integers(30, 64)), int(rng.integers(14, 26))
            x, y = (
                int(rng.integers(max(self.width - w, 1))),
                self.height - h - int(rng.integers(12, 30)),
            )
            text = "".join(pick(rng, "ABCEKMNORSTXZ") for _ in range(int(rng.integers(3, 6))))
            self._ink(lettering(text, h, w), y, x, pick(rng, SIGNS))
        if not spec.shops and chance(rng, 0.4):
            x = int(rng.integers(max(self.width - 20, 1)))
            for k in range(int(rng.integers(1, 4))):  # posters
                y = self.row(2.2) + int(rng.integers(6))
                self.fill(y, y + 20, x + 17 * k, x + 17 * k + 14, pick(rng, SIGNS), 130)
                self.fill(y + 3, y + 9, x + 17 * k + 2, x + 17 * k + 12, pick(rng, SIGNS), 130)
        stain = noise(spec.seed % 6, 256, 256, 64, 5)
        stain = tile_to(stain, self.height, self.width, spec.seed % 256)
        rise = self.height - np.arange(self.height)[:, None]
        foot = np.maximum(0, 16 - rise) * 3  # splashed by rain
        factor = 256 + (stain.astype(np.int32) - 128) // 6 - foot
        rgb = self.canvas[..., :3].astype(np.int32) * factor[..., None] >> 8
        self.canvas[..., :3] = np.clip(rgb, 0, 255)

    def _ink(self, cover: Pixels, top: int, left: int, colour: Colour) -> None:
        part = self.canvas[top : top + cover.shape[0], left : left + cover.shape[1], :3]
        weight = cover[: part.shape[0], : part.shape[1], None].astype(np.int32) * 3 // 4
        part[:] = (part * (255 - weight) + np.array(colour) * weight) // 255
