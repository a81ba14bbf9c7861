"""Turns the plan of a district into parallelograms: walls, roofs, balconies, awnings, roads, kerbs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .buildings import Building
from .camera import Parts, TextureKey
from .city import DEPTH, Block, District, Plot, Point, Street, district
from .textures import Colour

Vector = tuple[float, float, float]
WHITE: Vector = (1.0, 1.0, 1.0)
KERB = 0.13


class Collector:
    """Gathers parallelograms, and packs them into :class:`Parts`."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, ...]] = []
        self.textures: list[TextureKey] = []

    def add(
        self,
        corner: Vector,
        across: Vector,
        down: Vector,
        texture: TextureKey,
        *,
        repeat: tuple[float, float] = (1.0, 1.0),
        colour: Vector = WHITE,
        lamps: int = 0,
        both_sides: bool = False,
        bias: float = 0.0,
    ) -> None:
        """Add one parallelogram."""
        self.rows.append((*corner, *across, *down, *repeat, *colour, lamps, both_sides, bias))
        self.textures.append(texture)

    def parts(self) -> Parts:
        """Return what was gathered as arrays."""
        table = np.array(self.rows, np.float64).reshape(-1, 17)
        return Parts(
            table[:, 0:3], table[:, 3:6], table[:, 6:9], table[:, 9:11], table[:, 11:14],
            table[:, 14].astype(np.int64), table[:, 15] > 0, table[:, 16], self.textures,
        )  # fmt: skip


@lru_cache(maxsize=2)
def masonry(seed: int, columns: int, rows: int) -> Parts:
    """Return everything built in a district."""
    plan = district(seed, columns, rows)
    out = Collector()
    _ground(plan, out)
    for block in plan.blocks:
        _block(block, out)
        for plot in block.plots:
            _Frame(plot, out).build()
    return out.parts()


def _ground(plan: District, out: Collector) -> None:
    wide, tall = plan.size[0] + 400, plan.size[1] + 400
    out.add((-200, plan.size[1] + 200, 0), (wide, 0, 0), (0, -tall, 0), ("carriageway", 1),
            repeat=(wide / 12, tall / 7), bias=-0.03)  # fmt: skip
    for street in plan.streets:
        _road(street, out)


def _road(street: Street, out: Collector) -> None:
    begin, end = street.trim[0], street.length - street.trim[1]
    dx, dy = street.along
    length, half = end - begin, street.road / 2
    x, y = street.at(begin, -half)
    out.add((x, y, 0), (dx * length, dy * length, 0), (dy * street.road, -dx * street.road, 0),
            ("carriageway", street.surface), repeat=(length / 12, 1), bias=0.02)  # fmt: skip
    if street.surface % 3 == 0:
        for s in (begin - 1.0, end - 2.6):
            x, y = street.at(s, -half)
            out.add((x, y, 0.01), (dy * street.road, -dx * street.road, 0), (dx * 3.6, dy * 3.6, 0),
                    ("crossing",), both_sides=True, bias=0.04)  # fmt: skip


def _block(block: Block, out: Collector) -> None:
    corners = block.corners
    if block.park:
        a, b, d = corners[0], corners[1], corners[3]
        out.add((d[0], d[1], KERB), (b[0] - a[0], b[1] - a[1], 0), (a[0] - d[0], a[1] - d[1], 0),
                ("grass",), repeat=(10, 10), both_sides=True)  # fmt: skip
    for k in range(4):
        p, q = corners[k], corners[(k + 1) % 4]
        vx, vy = q[0] - p[0], q[1] - p[1]
        length = (vx * vx + vy * vy) ** 0.5
        dx, dy = vx / length, vy / length
        walk, before = block.pavements[k], block.pavements[k - 1]
        ox, oy = dy * walk, -dx * walk
        out.add((p[0], p[1], KERB), (vx, vy, 0), (ox, oy, 0), ("pavement", block.slabs),
                repeat=(length / 4, walk / 4))  # fmt: skip
        out.add((p[0] + ox, p[1] + oy, KERB), (vx, vy, 0), (0, 0, -KERB), ("flat", (150, 148, 142)))
        r = corners[k - 1]
        ux, uy = p[0] - r[0], p[1] - r[1]
        back = (ux * ux + uy * uy) ** 0.5
        qx, qy = uy / back * before, -ux / back * before
        out.add((p[0], p[1], KERB), (ox, oy, 0), (qx, qy, 0), ("pavement", block.slabs),
                repeat=(walk / 4, before / 4), both_sides=True)  # fmt: skip
        for (sx, sy), (tx, ty) in (((ox, oy), (qx, qy)), ((qx, qy), (ox, oy))):
            out.add((p[0] + sx, p[1] + sy, KERB), (tx, ty, 0), (0, 0, -KERB), ("flat", (150, 148, 142)),
                    both_sides=True)  # fmt: skip
        if block.park:
            out.add((p[0], p[1], 1.15), (vx, vy, 0), (0, 0, -1.05), ("railing", block.slabs),
                    repeat=(length, 1), both_sides=True)  # fmt: skip


def _scaled(colour: Colour) -> Vector:
    r, g, b = (c / 200 for c in colour)
    return r * r, g * g, b * b  # as light, near enough


class _Frame:
    """A plot's own axes: metres along the front, out of it, and up."""

    def __init__(self, plot: Plot, out: Collector) -> None:
        self.plot = plot
        self.out = out

    def at(self, along: float, outward: float, up: float) -> Vector:
        (px, py), (tx, ty), (nx, ny) = self.plot.corner, self.plot.along, self.plot.outward
        return px + tx * along + nx * outward, py + ty * along + ny * outward, up

    def way(self, along: float, outward: float, up: float) -> Vector:
        (tx, ty), (nx, ny) = self.plot.along, self.plot.outward
        return tx * along + nx * outward, ty * along + ny * outward, up

    def build(self) -> None:
        plot, spec = self.plot, self.plot.spec
        if spec is None:
            high = 2.4 + plot.wall * 0.2
            self.out.add(self.at(0, 0, high), self.way(plot.width, 0, 0), self.way(0, 0, -high),
                         ("wall", plot.wall), repeat=(plot.width / 10, high / 10), both_sides=True)  # fmt: skip
            self.out.add(self.at(0, -0.3, high), self.way(plot.width, 0, 0), self.way(0, 0.4, 0),
                         ("flat", (160, 154, 144)), both_sides=True)  # fmt: skip
            return
        width, high = spec.width, spec.height
        self.out.add(self.at(0, 0, high + KERB), self.way(width, 0, 0), self.way(0, 0, -high),
                     ("facade", spec.seed, spec.width, len(spec.storeys) + 1), lamps=spec.seed % 251)  # fmt: skip
        size = (DEPTH / 10, high / 10)
        if not plot.first:
            self.out.add(self.at(0, -DEPTH, high), self.way(0, DEPTH, 0), self.way(0, 0, -high),
                         ("wall", plot.wall), repeat=size)  # fmt: skip
        if not plot.last:
            self.out.add(self.at(width, 0, high), self.way(0, -DEPTH, 0), self.way(0, 0, -high),
                         ("wall", plot.wall), repeat=size)  # fmt: skip
        self.out.add(self.at(width, -DEPTH, high), self.way(-width, 0, 0), self.way(0, 0, -high),
                     ("wall", plot.wall), repeat=(width / 10, high / 10))  # fmt: skip
        self._cornice(spec)
        self._roof(spec)
        self._balconies(spec)
        self._shops(spec)
        if spec.bow and not spec.balconies and len(spec.storeys) > 1:
            self._bow(spec)

    def _box(
        self, left: float, right: float, out: float, top: float, low: float, colour: Colour
    ) -> None:
        """A box against the façade: front, underside and cheeks."""
        key: TextureKey = ("flat", colour)
        self.out.add(
            self.at(left, out, top), self.way(right - left, 0, 0), self.way(0, 0, low - top), key
        )
        self.out.add(self.at(left, out, low), self.way(right - left, 0, 0), self.way(0, -out, 0), key,
                     colour=(0.62, 0.62, 0.64))  # fmt: skip
        self.out.add(self.at(left, 0, top), self.way(0, out, 0), self.way(0, 0, low - top), key)
        self.out.add(self.at(right, out, top), self.way(0, -out, 0), self.way(0, 0, low - top), key)

    def _cornice(self, spec: Building) -> None:
        reach = (0.12, 0.28, 0.45, 0.35)[spec.cornice]
        tall = (0.18, 0.26, 0.34, 0.22)[spec.cornice]
        self._box(
            0, spec.width, reach, spec.height + 0.12 + KERB, spec.height - tall + KERB, spec.trim
        )

    def _roof(self, spec: Building) -> None:
        width, high = spec.width, spec.height + 0.1
        form, cover = spec.roof % 4, ("roof", spec.roof % 6)
        if form == 0:
            pass
        elif form in (1, 3):
            rise, run = (2.4, 5.5) if form == 1 else (4.0, 5.5)
            self.out.add(self.at(0, -run, high + rise), self.way(width, 0, 0), self.way(0, run + 0.3, -rise),
                         cover, repeat=(width / 4, 1.6))  # fmt: skip
            self.out.add(self.at(width, -run, high + rise), self.way(-width, 0, 0), self.way(0, -run, -rise),
                         cover, repeat=(width / 4, 1.6))  # fmt: skip
            for s in (0.05, width - 0.05):
                self.out.add(self.at(s, -2 * run, high + rise), self.way(0, 2 * run, 0), self.way(0, 0, -rise),
                             ("gable",), colour=_scaled(spec.wall), both_sides=True)  # fmt: skip
        else:
            rise = 2.3
            self.out.add(self.at(0, -0.9, high + rise), self.way(width, 0, 0), self.way(0, 0.8, -rise), cover,
                         repeat=(width / 4, 0.6))  # fmt: skip
            for s in (0.02, width - 0.02):
                self.out.add(self.at(s, -DEPTH, high + rise), self.way(0, DEPTH - 0.9, 0), self.way(0, 0, -rise),
                             ("wall", self.plot.wall), repeat=(1, 0.23), both_sides=True)  # fmt: skip
        if form in (2, 3) and spec.dormers:
            back = -0.35 if form == 2 else -1.2
            for bay in range(0, spec.bays, 1 + spec.rhythm % 2):
                s = (bay + 0.5) * spec.bay_width() - 0.6
                self.out.add(self.at(s, back, high + 1.9), self.way(1.2, 0, 0), self.way(0, 0, -1.6),
                             ("dormer", spec.seed % 4), colour=_scaled(spec.trim), lamps=spec.seed % 251 + bay)  # fmt: skip
                for t in (s, s + 1.2):
                    self.out.add(self.at(t, back - 1.5, high + 1.9), self.way(0, 1.5, 0), self.way(0, 0, -1.6),
                                 ("flat", (120, 116, 112)), both_sides=True)  # fmt: skip
        for k in range(spec.chimneys):
            s = (0.6, width - 1.3)[k]
            top = high + (1.6, 3.6, 3.4, 5.0)[form]
            for corner, way in (
                ((s, -4.0), (0.8, 0.0)),
                ((s, -5.2), (0.0, 1.2)),
                ((s + 0.8, -4.0), (0.0, -1.2)),
            ):
                self.out.add(self.at(*corner, top), self.way(*way, 0), self.way(0, 0, -3.0), ("wall", 1),
                             repeat=(0.1, 0.3))  # fmt: skip

    def _balcony(
        self, spec: Building, left: float, right: float, floor: float, reach: float
    ) -> None:
        tall, slab = 0.95, 0.14
        rail: TextureKey = ("railing", spec.railing)
        self._box(left, right, reach, floor, floor - slab, spec.trim)
        span = right - left
        self.out.add(self.at(left, reach - 0.03, floor + tall), self.way(span, 0, 0), self.way(0, 0, -tall), rail,
                     repeat=(max(round(span), 1), 1), both_sides=True)  # fmt: skip
        for s in (left + 0.03, right - 0.03):
            self.out.add(self.at(s, 0, floor + tall), self.way(0, reach, 0), self.way(0, 0, -tall), rail,
                         both_sides=True)  # fmt: skip

    def _balconies(self, spec: Building) -> None:
        bay = spec.bay_width()
        for storey in range(len(spec.storeys)):
            floor = spec.floor_level(storey) + KERB + 0.1
            if spec.balconies == 2 and storey < 4:  # railings before French windows
                half = bay * spec.opening / 2 + 0.1
                for k in range(spec.bays):
                    self.out.add(self.at((k + 0.5) * bay - half, 0.14, floor + 1), self.way(2 * half, 0, 0),
                                 self.way(0, 0, -0.95), ("railing", spec.railing), repeat=(max(round(2 * half), 1), 1),
                                 both_sides=True)  # fmt: skip
            elif spec.balconies == 3 and storey in (0, 3):
                self._balcony(spec, 0.3, spec.width - 0.3, floor, 0.9)
            elif (spec.balconies == 1 and storey == 0) or (spec.balconies == 4 and storey % 2 == 0):
                for k in range(storey % 2, spec.bays, 1 if spec.balconies == 1 else 2):
                    self._balcony(spec, (k + 0.12) * bay, (k + 0.88) * bay, floor, 0.8)

    def _bow(self, spec: Building) -> None:
        bay = spec.bay_width()
        middle = (spec.bays // 2 + 0.5) * bay
        half = min(max(bay * 0.46, 0.9), 1.6)
        low, top = spec.floor_level(0) + KERB, spec.floor_level(len(spec.storeys) - 1) + KERB
        self._box(middle - half, middle + half, 0.75, top, low - 0.3, spec.trim)
        self.out.add(self.at(middle - half, 0.77, top), self.way(2 * half, 0, 0), self.way(0, 0, low - top),
                     ("bow", spec.seed, spec.width, len(spec.storeys) + 1), repeat=(1, len(spec.storeys) - 1),
                     lamps=spec.seed % 251 + 3)  # fmt: skip

    def _shops(self, spec: Building) -> None:
        for shop in spec.shops:
            top = min(spec.ground - 0.9, 3.1) + KERB
            if shop.awning and not shop.shutter:
                span = shop.right - shop.left
                self.out.add(self.at(shop.left, 0.05, top), self.way(span, 0, 0), self.way(0, 1.25, -0.65),
                             ("awning", shop.awning), repeat=(span / 2, 1), both_sides=True)  # fmt: skip
                self.out.add(self.at(shop.left, 1.3, top - 0.65), self.way(span, 0, 0), self.way(0, 0, -0.22),
                             ("awning", shop.awning), repeat=(span / 2, 1), both_sides=True)  # fmt: skip
            if shop.blade:
                key: TextureKey = ("blade", shop.name, shop.sign, shop.lettering)
                s = shop.left + 0.2
                self.out.add(self.at(s, 0.15, 3.7), self.way(0, 0.8, 0), self.way(0, 0, -0.75), key)
                self.out.add(
                    self.at(s + 0.08, 0.95, 3.7), self.way(0, -0.8, 0), self.way(0, 0, -0.75), key
                )


def footprints(plan: District) -> list[tuple[Point, Point, Point, float]]:
    """Return the buildings' ground plans for shadows: corner, front edge, side edge, height."""
    out = []
    for block in plan.blocks:
        for plot in block.plots:
            if plot.spec is not None:
                (tx, ty), (nx, ny) = plot.along, plot.outward
                out.append(((plot.corner), (tx * plot.width, ty * plot.width), (-nx * DEPTH, -ny * DEPTH),
                            plot.spec.height + 1.0))  # fmt: skip
    return out
