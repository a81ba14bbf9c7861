"""What moves between captures: parked and driving vehicles, people, and what stands in the way."""

from __future__ import annotations

import numpy as np

from .bodywork import CAR_COLOURS
from .camera import Camera
from .city import District, Point, Street, Thing, distance
from .seeds import between, chance, pick, rng_of
from .textures import Colour
from .vehicles import BUS, VAN, Vehicle

_REACH = 95.0
_KINDS = (0, 1, 2, 3, 0, 1, 2, 3, VAN)
_DRIVEN = (0, 1, 2, 3, 3, VAN, BUS)
PEOPLE = 40
"""How many different people there are."""


def _paint(colour: Colour) -> tuple[float, float, float]:
    r, g, b = (c / 232 for c in colour)
    return r * r, g * g, b * b  # as light, near enough


_PAINTS = tuple(_paint(c) for c in CAR_COLOURS)
_BUS_PAINTS = (_paint((200, 60, 44)), _paint((60, 120, 90)), _paint((220, 190, 90)))


class _Sight:
    """Tells what may be in a photograph, so that nothing is built behind the camera."""

    def __init__(self, camera: Camera) -> None:
        right, _, ahead = camera.axes().tolist()
        self.here = (camera.x, camera.y)
        self.ahead = (ahead[0], ahead[1])
        self.right = (right[0], right[1])
        self.slope = camera.width / 2 / camera.focal

    def shows(self, at: Point, size: float) -> bool:
        dx, dy = at[0] - self.here[0], at[1] - self.here[1]
        away = dx * self.ahead[0] + dy * self.ahead[1]
        aside = abs(dx * self.right[0] + dy * self.right[1])
        within = aside < max(away, 0) * self.slope + size
        return bool(-size < away < _REACH and within)


def traffic(
    plan: District, camera: Camera, seed: int, occluded: bool, crowd: float
) -> tuple[list[Vehicle], list[Thing]]:
    """Return the vehicles and people of one moment that ``camera`` may see."""
    rng = rng_of("traffic", seed)
    sight = _Sight(camera)
    vehicles: list[Vehicle] = []
    people: list[Thing] = []
    parked = between(rng, 0.25, 0.75)
    for street in plan.streets:
        if distance(sight.here, street.at(street.length / 2, 0)) < _REACH + 45:
            _parked(street, sight, rng, vehicles, parked)
            _driving(street, sight, rng, vehicles)
            _walking(street, sight, rng, people, crowd)
    if occluded:
        _in_the_way(sight, rng, vehicles, people)
    return vehicles, people


def _parked(
    street: Street, sight: _Sight, rng: np.random.Generator, out: list[Vehicle], share: float
) -> None:
    begin, end = street.trim[0] + 4, street.length - street.trim[1] - 4
    ahead, back = street.along, (-street.along[0], -street.along[1])
    for side in (-1, 1):
        slots = int((end - begin) / 5.4)
        draws = rng.random((max(slots, 1), 5)).tolist()
        for k, (there, shift, kind, colour, turn) in enumerate(draws[: max(slots, 0)]):
            if there > share:
                continue
            at = street.at(
                begin + (k + 0.5 + 0.12 * (shift - 0.5)) * 5.4, side * (street.road / 2 - 1.05)
            )
            if distance(at, sight.here) > 4.6 and sight.shows(at, 4):
                way = (
                    (ahead if side > 0 else back) if turn > 0.08 else (back if side > 0 else ahead)
                )
                paint = _PAINTS[int(colour * len(_PAINTS))]
                out.append(Vehicle(at, way, _KINDS[int(kind * len(_KINDS))], paint))


def _driving(street: Street, sight: _Sight, rng: np.random.Generator, out: list[Vehicle]) -> None:
    ahead, back = street.along, (-street.along[0], -street.along[1])
    begin, end = street.trim[0] + 6, street.length - street.trim[1] - 6
    for there, place, side, kind, colour in rng.random((2, 5)).tolist():
        if there > 0.5:
            continue
        way = 1 if side < 0.5 else -1
        at = street.at(begin + (end - begin) * place, street.road * 0.17 * way)
        model = _DRIVEN[int(kind * len(_DRIVEN))]
        paints = _BUS_PAINTS if model == BUS else _PAINTS
        if distance(at, sight.here) > (9 if model < VAN else 15) and sight.shows(at, 7):
            out.append(
                Vehicle(at, ahead if way > 0 else back, model, paints[int(colour * len(paints))])
            )


def _walking(
    street: Street, sight: _Sight, rng: np.random.Generator, out: list[Thing], crowd: float
) -> None:
    begin, end = street.trim[0] - 1, street.length - street.trim[1] + 1
    for place, side, lane, tall, kind in rng.random((int(9 * crowd * rng.random()), 5)).tolist():
        offset = street.road / 2 + 0.5 + lane * (street.pavement - 0.8)
        x, y = street.at(begin + (end - begin) * place, offset if side < 0.5 else -offset)
        if distance((x, y), sight.here) > 3.2 and sight.shows((x, y), 1):
            height = 1.6 + 0.33 * tall
            out.append(Thing(x, y, height / 1.9, height, "person", int(kind * PEOPLE)))


def _in_the_way(
    sight: _Sight, rng: np.random.Generator, vehicles: list[Vehicle], people: list[Thing]
) -> None:
    """Put a vehicle or a few people between the camera and what it looks at."""

    def point(away: float, aside: float) -> Point:
        (x, y), (ax, ay), (rx, ry) = sight.here, sight.ahead, sight.right
        return x + ax * away + rx * aside, y + ay * away + ry * aside

    if chance(rng, 0.55):
        at = point(between(rng, 5.5, 10), between(rng, -4, 4))
        (rx, ry) = sight.right
        way = pick(rng, (sight.ahead, (rx, ry), (-rx, -ry)))
        vehicles.append(Vehicle(at, way, pick(rng, (0, 2, 3, VAN, VAN)), pick(rng, _PAINTS)))
    for _ in range(int(rng.integers(1, 4))):
        away = between(rng, 2.4, 6)
        x, y = point(away, between(rng, -0.5, 0.5) * away)
        number = int(rng.integers(PEOPLE))
        people.append(Thing(x, y, 0.95, between(rng, 1.65, 1.9), "person", number))
