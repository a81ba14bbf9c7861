"""Turns the plots of a district into parallelograms: walls, roofs, balconies, awnings, signs."""

from __future__ import annotations

from functools import lru_cache

from .buildings import Building
from .camera import Parts, TextureKey
from .city import DEPTH, District, Plot, Point, district
from .collector import WHITE, Collector, Vector
from .ground import KERB, lay_block, lay_ground
from .textures import Colour


@lru_cache(maxsize=2)
def masonry(seed: int, columns: int, rows: int) -> Parts:
    """Return everything built in a district."""
    plan = district(seed, columns, rows)
    out = Collector()
    lay_ground(plan, out)
    for block in plan.blocks:
        lay_block(block, out)
        for plot in block.plots:
            _Frame(plot, out).build()
    return out.parts()


def _scaled(colour: Colour) -> Vector:
    r, g, b = (c / 200 for c in colour)
    return r * r, g * g, b * b  # as light, near enough


class _Frame:
    """A plot's own axes: metres along the front, out of it, and up."""

    def __init__(self, plot: Plot, out: Collector) -> None:
        self.plot = plot
        self.out = out

    def put(
        self,
        corner: Vector,
        across: Vector,
        down: Vector,
        texture: TextureKey,
        repeat: tuple[float, float] = (1.0, 1.0),
        colour: Vector = WHITE,
        lamps: int = 0,
        both_sides: bool = False,
    ) -> None:
        """Add a parallelogram given in metres along the front, out of it, and up."""
        self.out.add(
            self.at(*corner),
            self.way(*across),
            self.way(*down),
            texture,
            repeat=repeat,
            colour=colour,
            lamps=lamps,
            both_sides=both_sides,
        )

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
            self.put(
                (0, 0, high),
                (plot.width, 0, 0),
                (0, 0, -high),
                ("wall", plot.wall),
                repeat=(plot.width / 10, high / 10),
                both_sides=True,
            )
            self.put(
                (0, -0.3, high),
                (plot.width, 0, 0),
                (0, 0.4, 0),
                ("flat", (160, 154, 144)),
                both_sides=True,
            )
            return
        width, high = spec.width, spec.height
        self.put(
            (0, 0, high + KERB),
            (width, 0, 0),
            (0, 0, -high),
            ("facade", spec.seed, spec.width, len(spec.storeys) + 1),
            lamps=spec.seed % 251,
        )
        size = (DEPTH / 10, high / 10)
        if not plot.first:
            self.put(
                (0, -DEPTH, high), (0, DEPTH, 0), (0, 0, -high), ("wall", plot.wall), repeat=size
            )
        if not plot.last:
            self.put(
                (width, 0, high), (0, -DEPTH, 0), (0, 0, -high), ("wall", plot.wall), repeat=size
            )
        self.put(
            (width, -DEPTH, high),
            (-width, 0, 0),
            (0, 0, -high),
            ("wall", plot.wall),
            repeat=(width / 10, high / 10),
        )
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
        self.put((left, out, top), (right - left, 0, 0), (0, 0, low - top), key)
        self.put(
            (left, out, low), (right - left, 0, 0), (0, -out, 0), key, colour=(0.62, 0.62, 0.64)
        )
        self.put((left, 0, top), (0, out, 0), (0, 0, low - top), key)
        self.put((right, out, top), (0, -out, 0), (0, 0, low - top), key)

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
            self.put(
                (0, -run, high + rise),
                (width, 0, 0),
                (0, run + 0.3, -rise),
                cover,
                repeat=(width / 4, 1.6),
            )
            self.put(
                (width, -run, high + rise),
                (-width, 0, 0),
                (0, -run, -rise),
                cover,
                repeat=(width / 4, 1.6),
            )
            for s in (0.05, width - 0.05):
                self.put(
                    (s, -2 * run, high + rise),
                    (0, 2 * run, 0),
                    (0, 0, -rise),
                    ("gable",),
                    colour=_scaled(spec.wall),
                    both_sides=True,
                )
        else:
            rise = 2.3
            self.put(
                (0, -0.9, high + rise),
                (width, 0, 0),
                (0, 0.8, -rise),
                cover,
                repeat=(width / 4, 0.6),
            )
            for s in (0.02, width - 0.02):
                self.put(
                    (s, -DEPTH, high + rise),
                    (0, DEPTH - 0.9, 0),
                    (0, 0, -rise),
                    ("wall", self.plot.wall),
                    repeat=(1, 0.23),
                    both_sides=True,
                )
        if form in (2, 3) and spec.dormers:
            back = -0.35 if form == 2 else -1.2
            for bay in range(0, spec.bays, 1 + spec.rhythm % 2):
                s = (bay + 0.5) * spec.bay_width() - 0.6
                self.put(
                    (s, back, high + 1.9),
                    (1.2, 0, 0),
                    (0, 0, -1.6),
                    ("dormer", spec.seed % 4),
                    colour=_scaled(spec.trim),
                    lamps=spec.seed % 251 + bay,
                )
                for t in (s, s + 1.2):
                    self.put(
                        (t, back - 1.5, high + 1.9),
                        (0, 1.5, 0),
                        (0, 0, -1.6),
                        ("flat", (120, 116, 112)),
                        both_sides=True,
                    )
        for k in range(spec.chimneys):
            s = (0.6, width - 1.3)[k]
            top = high + (1.6, 3.6, 3.4, 5.0)[form]
            for corner, way in (
                ((s, -4.0), (0.8, 0.0)),
                ((s, -5.2), (0.0, 1.2)),
                ((s + 0.8, -4.0), (0.0, -1.2)),
            ):
                self.put((*corner, top), (*way, 0), (0, 0, -3.0), ("wall", 1), repeat=(0.1, 0.3))

    def _balcony(
        self, spec: Building, left: float, right: float, floor: float, reach: float
    ) -> None:
        tall, slab = 0.95, 0.14
        rail: TextureKey = ("railing", spec.railing)
        self._box(left, right, reach, floor, floor - slab, spec.trim)
        span = right - left
        self.put(
            (left, reach - 0.03, floor + tall),
            (span, 0, 0),
            (0, 0, -tall),
            rail,
            repeat=(max(round(span), 1), 1),
            both_sides=True,
        )
        for s in (left + 0.03, right - 0.03):
            self.put((s, 0, floor + tall), (0, reach, 0), (0, 0, -tall), rail, both_sides=True)

    def _balconies(self, spec: Building) -> None:
        bay = spec.bay_width()
        for storey in range(len(spec.storeys)):
            floor = spec.floor_level(storey) + KERB + 0.1
            if spec.balconies == 2 and storey < 4:  # railings before French windows
                half = bay * spec.opening / 2 + 0.1
                for k in range(spec.bays):
                    self.put(
                        ((k + 0.5) * bay - half, 0.14, floor + 1),
                        (2 * half, 0, 0),
                        (0, 0, -0.95),
                        ("railing", spec.railing),
                        repeat=(max(round(2 * half), 1), 1),
                        both_sides=True,
                    )
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
        self.put(
            (middle - half, 0.77, top),
            (2 * half, 0, 0),
            (0, 0, low - top),
            ("bow", spec.seed, spec.width, len(spec.storeys) + 1),
            repeat=(1, len(spec.storeys) - 1),
            lamps=spec.seed % 251 + 3,
        )

    def _shops(self, spec: Building) -> None:
        for shop in spec.shops:
            top = min(spec.ground - 0.9, 3.1) + KERB
            if shop.awning and not shop.shutter:
                span = shop.right - shop.left
                self.put(
                    (shop.left, 0.05, top),
                    (span, 0, 0),
                    (0, 1.25, -0.65),
                    ("awning", shop.awning),
                    repeat=(span / 2, 1),
                    both_sides=True,
                )
                self.put(
                    (shop.left, 1.3, top - 0.65),
                    (span, 0, 0),
                    (0, 0, -0.22),
                    ("awning", shop.awning),
                    repeat=(span / 2, 1),
                    both_sides=True,
                )
            if shop.blade:
                key: TextureKey = ("blade", shop.name, shop.sign, shop.lettering)
                s = shop.left + 0.2
                self.put((s, 0.15, 3.7), (0, 0.8, 0), (0, 0, -0.75), key)
                self.put((s + 0.08, 0.95, 3.7), (0, -0.8, 0), (0, 0, -0.75), key)


def footprints(plan: District) -> list[tuple[Point, Point, Point, float]]:
    """Return the buildings' ground plans for shadows: corner, front edge, side edge, height."""
    out = []
    for block in plan.blocks:
        for plot in block.plots:
            if plot.spec is not None:
                (tx, ty), (nx, ny) = plot.along, plot.outward
                out.append(
                    (
                        (plot.corner),
                        (tx * plot.width, ty * plot.width),
                        (-nx * DEPTH, -ny * DEPTH),
                        plot.spec.height + 1.0,
                    )
                )
    return out
