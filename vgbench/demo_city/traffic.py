"""What moves between captures: parked and driving vehicles, people, and what stands in the way."""

from __future__ import annotations

import numpy as np

from .camera import Camera
from .city import District, Point, Street, Thing, distance
from .masonry import Collector, Vector
from .props import CAR_COLOURS
from .seeds import between, chance, pick, rng_of

_SIZES = ((4.2, 1.75, 1.45), (4.0, 1.7, 1.5), (4.5, 1.8, 1.42), (4.6, 1.85, 1.7), (5.4, 2.0, 2.4), (11.0, 2.5, 3.1))
_CABINS = ((34, 44, 74, 92, 5), (28, 40, 84, 100, 7), (36, 48, 70, 86, 4), (24, 36, 88, 102, 3))
"""Rear of the cabin, rear and front of its roof, foot of its windscreen (of 108), top of its roof (of 40)."""


def vehicle(out: Collector, at: Point, ahead: Point, kind: int, colour: Vector) -> None:
    """Add a vehicle centred at ``at`` and facing ``ahead``."""
    length, width, high = _SIZES[kind]
    (ax, ay), (rx, ry) = ahead, (ahead[1], -ahead[0])

    def point(along: float, right: float, up: float) -> Vector:
        s, t = (along - 0.5) * length, right * width
        return at[0] + ax * s + rx * t, at[1] + ay * s + ry * t, up

    def plate(a: Vector, b: Vector, c: Vector, key: tuple[object, ...], lamps: int = 0) -> None:
        """Add the parallelogram with upper corners a, b and the corner c below a."""
        out.add(a, _minus(b, a), _minus(c, a), key, colour=colour, both_sides=True, lamps=lamps)

    out.add(point(-0.04, -0.62, 0.03), (rx * width * 1.24, ry * width * 1.24, 0),
            (ax * length * 1.08, ay * length * 1.08, 0), ("shadow",), both_sides=True, bias=0.03)  # fmt: skip
    for side in (-0.5, 0.5):
        plate(point(0, side, high), point(1, side, high), point(0, side, 0), ("car_side", kind))
    low = 0.22
    if kind >= 4:
        for along, rear in ((0.99, False), (0.0, True)):
            plate(point(along, -0.5, high), point(along, 0.5, high), point(along, -0.5, low), ("car_end", kind, rear))
        plate(point(0, -0.5, high), point(1, -0.5, high), point(0, 0.5, high), ("paint",))
        return
    a, b, c, d, top = _CABINS[kind]
    belt, roof = high * 22 / 40, high * (40 - top) / 40
    rows = {"a": a / 108, "b": b / 108, "c": c / 108, "d": d / 108}
    plate(point(0.97, -0.5, belt), point(0.97, 0.5, belt), point(0.98, -0.5, low), ("car_end", kind, False))
    plate(point(0.02, -0.5, belt), point(0.02, 0.5, belt), point(0.02, -0.5, low), ("car_end", kind, True))
    plate(point(rows["d"], -0.5, belt), point(rows["d"], 0.5, belt), point(0.98, -0.5, belt), ("paint",))
    plate(point(0.02, -0.5, belt), point(0.02, 0.5, belt), point(rows["a"], -0.5, belt), ("paint",))
    plate(point(rows["b"], -0.5, roof), point(rows["b"], 0.5, roof), point(rows["c"], -0.5, roof), ("paint",))
    plate(point(rows["c"], -0.5, roof), point(rows["c"], 0.5, roof), point(rows["d"], -0.5, belt), ("car_glass",))
    plate(point(rows["b"], -0.5, roof), point(rows["b"], 0.5, roof), point(rows["a"], -0.5, belt), ("car_glass",))


def _minus(a: Vector, b: Vector) -> Vector:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _paint(rng: np.random.Generator) -> Vector:
    r, g, b = pick(rng, CAR_COLOURS)
    return r / 228, g / 228, b / 228


def traffic(plan: District, camera: Camera, seed: int, occluded: bool, crowd: float) -> tuple[Collector, list[Thing]]:
    """Return the vehicles and people of one moment around ``camera``."""
    rng = rng_of("traffic", seed)
    out, people = Collector(), []
    here = (camera.x, camera.y)
    parked = between(rng, 0.25, 0.75)
    for street in plan.streets:
        middle = street.at(street.length / 2, 0)
        if distance(here, middle) > 125:
            continue
        _along(street, here, rng, out, people, parked, crowd)
    if occluded:
        _in_the_way(camera, rng, out, people)
    return out, people


def _along(
    street: Street,
    here: Point,
    rng: np.random.Generator,
    out: Collector,
    people: list[Thing],
    parked: float,
    crowd: float,
) -> None:
    begin, end = street.trim[0] + 4, street.length - street.trim[1] - 4
    ahead = street.along
    back = (-ahead[0], -ahead[1])
    for side in (-1, 1):
        s = begin + between(rng, 0, 4)
        while s < end:
            at = street.at(s, (street.road / 2 - 1.05) * side)
            kind = pick(rng, (0, 1, 2, 3, 0, 1, 2, 3, 4))
            draws = (chance(rng, parked), _paint(rng), chance(rng, 0.9))
            if draws[0] and distance(at, here) > 4.6:
                vehicle(out, at, (ahead if side > 0 else back) if draws[2] else ahead, kind, draws[1])
            s += 5.2 if kind < 4 else 6.4
    for _ in range(int(rng.integers(3))):
        side = pick(rng, (-1, 1))
        at = street.at(between(rng, begin, end), street.road * 0.17 * side)
        kind = pick(rng, (0, 1, 2, 3, 3, 4, 5))
        colour = _paint(rng) if kind < 5 else (0.75, 0.22, 0.16)
        if distance(at, here) > (9 if kind < 4 else 16):
            vehicle(out, at, ahead if side > 0 else back, kind, colour)
    for _ in range(int(rng.integers(1 + int(9 * crowd)))):
        side = pick(rng, (-1, 1))
        offset = street.road / 2 + between(rng, 0.5, street.pavement - 0.3)
        x, y = street.at(between(rng, begin - 4, end + 4), offset * side)
        tall = between(rng, 1.6, 1.95)
        kind = int(rng.integers(40))
        if distance((x, y), here) > 3.2:
            people.append(Thing(x, y, tall / 1.9, tall, "person", kind))


def _in_the_way(camera: Camera, rng: np.random.Generator, out: Collector, people: list[Thing]) -> None:
    """Put a vehicle or a few people between the camera and what it looks at."""
    right, ahead = camera.axes()[0].tolist(), camera.axes()[2].tolist()
    if chance(rng, 0.55):
        away, across = between(rng, 5.5, 10), between(rng, -4, 4)
        at = (camera.x + ahead[0] * away + right[0] * across, camera.y + ahead[1] * away + right[1] * across)
        kind = pick(rng, (0, 2, 3, 4, 4))
        vehicle(out, at, pick(rng, ((right[0], right[1]), (ahead[0], ahead[1]), (-right[0], -right[1]))), kind,
                _paint(rng))  # fmt: skip
    for _ in range(int(rng.integers(1, 4))):
        away, across = between(rng, 2.4, 6), between(rng, -0.5, 0.5)
        x = camera.x + ahead[0] * away + right[0] * across * away
        y = camera.y + ahead[1] * away + right[1] * across * away
        people.append(Thing(x, y, 0.95, between(rng, 1.65, 1.9), "person", int(rng.integers(40))))


