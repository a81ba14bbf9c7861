"""The plan of a district: a crooked grid of streets, blocks between them, plots along them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from .buildings import Building, building
from .seeds import between, chance, pick, rng_of

Point = tuple[float, float]

DEPTH = 11.0
"""How deep a building is, in metres."""


@dataclass(frozen=True)
class Street:
    """A street between two crossings: its axis, and the widths of road and pavements in metres."""

    start: Point
    end: Point
    road: float
    pavement: float
    surface: int
    slabs: int
    lamps: int
    trees: int  # 0: none, else species + 1
    inner: bool
    trim: tuple[float, float]  # how far the crossings reach into the axis at either end

    @property
    def length(self) -> float:
        """Return the length of the axis."""
        return distance(self.start, self.end)

    @property
    def along(self) -> Point:
        """Return the unit vector from start to end."""
        return unit(self.start, self.end)

    def at(self, along: float, right: float) -> Point:
        """Return the point ``along`` metres from the start, ``right`` metres off the axis."""
        dx, dy = self.along
        return self.start[0] + dx * along + dy * right, self.start[1] + dy * along - dx * right


@dataclass(frozen=True)
class Plot:
    """A stretch of a block's side: a building, or a gap behind a wall when ``spec`` is None."""

    corner: Point
    along: Point
    outward: Point
    width: float
    spec: Building | None
    first: bool
    last: bool
    wall: int


@dataclass(frozen=True)
class Block:
    """The land between four streets: its corners counter-clockwise, its plots; a park has none."""

    corners: tuple[Point, Point, Point, Point]
    pavements: tuple[float, float, float, float]
    slabs: int
    plots: tuple[Plot, ...]
    park: bool


@dataclass(frozen=True)
class Thing:
    """Something that always faces the camera: its foot, its size in metres, its texture."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    number: int


@dataclass(frozen=True)
class District:
    """Everything that stays where it is between captures."""

    seed: int
    streets: tuple[Street, ...]
    blocks: tuple[Block, ...]
    things: tuple[Thing, ...]
    size: Point
    lamps: tuple[tuple[float, float, float], ...] = field(default=())


def distance(a: Point, b: Point) -> float:
    """Return the distance between two points."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    return float((dx * dx + dy * dy) ** 0.5)


def unit(a: Point, b: Point) -> Point:
    """Return the unit vector from ``a`` to ``b``."""
    length = distance(a, b)
    return (b[0] - a[0]) / length, (b[1] - a[1]) / length


def _inset(corners: list[Point], by: list[float]) -> tuple[Point, Point, Point, Point]:
    """Move each side of a counter-clockwise polygon inwards by its own amount."""
    lines = []
    for k in range(4):
        p, q = corners[k], corners[(k + 1) % 4]
        dx, dy = unit(p, q)
        lines.append(((p[0] - dy * by[k], p[1] + dx * by[k]), (dx, dy)))
    out = []
    for k in range(4):
        (px, py), (dx, dy) = lines[k - 1]
        (qx, qy), (ex, ey) = lines[k]
        cross = dx * ey - dy * ex
        share = ((qx - px) * ey - (qy - py) * ex) / cross
        out.append((px + dx * share, py + dy * share))
    return out[0], out[1], out[2], out[3]


@lru_cache(maxsize=4)
def district(seed: int, columns: int, rows: int) -> District:
    """Return a district of ``columns`` × ``rows`` blocks, the outer ring included."""
    rng = rng_of("district", seed)
    xs = np.cumsum([0.0] + [between(rng, 62, 96) for _ in range(columns)]).tolist()
    ys = np.cumsum([0.0] + [between(rng, 58, 84) for _ in range(rows)]).tolist()
    skew = between(rng, -0.18, 0.18)
    nodes = [
        [
            (xs[i] + skew * ys[j] + between(rng, -8, 8), ys[j] - skew * xs[i] + between(rng, -8, 8))
            for j in range(rows + 1)
        ]
        for i in range(columns + 1)
    ]
    # One width along a whole line of streets: fronts then run on across crossings.
    styles = {
        (way, k): (
            between(rng, 6.4, 9.6),
            between(rng, 1.9, 3.6),
            int(rng.integers(8)),
            int(rng.integers(6)),
            int(rng.integers(3)),
            pick(rng, (0, 0, 0, 1, 2, 3)),
        )
        for way, count in (("across", rows), ("up", columns))
        for k in range(count + 1)
    }

    def half(way: str, k: int) -> float:
        return styles[way, k][0] / 2 + styles[way, k][1]

    streets = []
    for i in range(columns + 1):
        for j in range(rows + 1):
            if i < columns:
                inner = 0 < j < rows and i > 0 and i + 1 < columns
                ends = (half("up", i), half("up", i + 1))
                streets.append(
                    Street(nodes[i][j], nodes[i + 1][j], *styles["across", j], inner, ends)
                )
            if j < rows:
                inner = 0 < i < columns and j > 0 and j + 1 < rows
                ends = (half("across", j), half("across", j + 1))
                streets.append(Street(nodes[i][j], nodes[i][j + 1], *styles["up", i], inner, ends))
    blocks = []
    for i in range(columns):
        for j in range(rows):
            corners = [nodes[i][j], nodes[i + 1][j], nodes[i + 1][j + 1], nodes[i][j + 1]]
            lines = (("across", j), ("up", i + 1), ("across", j + 1), ("up", i))
            inset = _inset(corners, [half(*line) for line in lines])
            walks = tuple(styles[line][1] for line in lines)
            park = 0 < i < columns - 1 and 0 < j < rows - 1 and chance(rng, 0.07)
            plots = () if park else tuple(_plots(inset, rng))
            blocks.append(
                Block(
                    inset,
                    (walks[0], walks[1], walks[2], walks[3]),
                    int(rng.integers(5)),
                    plots,
                    park,
                )
            )
    things = _things(streets, blocks, rng)
    lamps = tuple((t.x, t.y, t.height) for t in things if t.kind == "lamp")
    return District(seed, tuple(streets), tuple(blocks), tuple(things), (xs[-1], ys[-1]), lamps)


def _plots(corners: tuple[Point, Point, Point, Point], rng: np.random.Generator) -> list[Plot]:
    plots = []
    usual = int(rng.integers(3, 6))
    corner_floors = [max(3, usual + int(rng.integers(-1, 2))) for _ in range(4)]
    for k in range(4):
        p, q = corners[k], corners[(k + 1) % 4]
        length = distance(p, q)
        dx, dy = unit(p, q)
        widths: list[float] = []
        while sum(widths) < length - 5:
            widths.append(between(rng, 5.5, 9.5) if chance(rng, 0.55) else between(rng, 9, 17))
        scale = length / sum(widths)
        at = 0.0
        for number, wide in enumerate(widths):
            first, last = number == 0, number == len(widths) - 1
            floors = min(max(usual + int(rng.integers(-1, 2)), 2), 6)
            if first or last:
                floors = corner_floors[k if first else (k + 1) % 4]
            width = round(wide * scale, 3)
            gap = 1 < number < len(widths) - 2 and chance(rng, 0.07)
            seed = int(rng.integers(1 << 30))
            spec = None if gap else building(seed, width, floors)
            corner = (p[0] + dx * at, p[1] + dy * at)
            plots.append(
                Plot(corner, (dx, dy), (dy, -dx), width, spec, first, last, int(rng.integers(5)))
            )
            at += wide * scale
    return plots


def _things(streets: list[Street], blocks: list[Block], rng: np.random.Generator) -> list[Thing]:
    things = []
    for street in streets:
        edge = street.road / 2 + 0.45
        begin, end = street.trim[0] + 3, street.length - street.trim[1] - 3
        side, s = 1, begin
        while s < end:
            x, y = street.at(s, edge * side)
            things.append(Thing(x, y, 1.6, (5.2, 7.0, 4.4)[street.lamps % 3], "lamp", street.lamps))
            side, s = -side, s + 17
        if street.trees:
            for side in (-1, 1):
                s = begin + between(rng, 0, 4)
                while s < end:
                    size = between(rng, 0.75, 1.1)
                    x, y = street.at(s, (edge + 0.3) * side)
                    things.append(
                        Thing(x, y, 6.2 * size, 8.4 * size, "tree", int(rng.integers(12)))
                    )
                    s += between(rng, 8, 14)
        for side in (-1, 1):
            for s in (begin - 1, end + 1):
                if chance(rng, 0.5):
                    x, y = street.at(s, edge * side)
                    things.append(Thing(x, y, 0.85, 2.7, "sign", int(rng.integers(6))))
            for _ in range(int(rng.integers(5))):
                x, y = street.at(between(rng, begin, end), (edge + between(rng, 0, 0.5)) * side)
                things.append(Thing(x, y, 1.2, 1.2, "furniture", int(rng.integers(10))))
    for block in blocks:
        if block.park:
            (ax, ay), (bx, by), (cx, cy), (dx, dy) = block.corners
            for _ in range(34):
                u, v = between(rng, 0.04, 0.96), between(rng, 0.04, 0.96)
                x = (ax * (1 - u) + bx * u) * (1 - v) + (dx * (1 - u) + cx * u) * v
                y = (ay * (1 - u) + by * u) * (1 - v) + (dy * (1 - u) + cy * u) * v
                size = between(rng, 0.9, 1.5)
                things.append(Thing(x, y, 7 * size, 9 * size, "tree", int(rng.integers(12))))
        for plot in block.plots:
            if plot.spec is None and chance(rng, 0.8):
                x = plot.corner[0] + plot.along[0] * plot.width / 2 - plot.outward[0] * 4
                y = plot.corner[1] + plot.along[1] * plot.width / 2 - plot.outward[1] * 4
                things.append(Thing(x, y, 6.5, 8.5, "tree", int(rng.integers(12))))
    return things
