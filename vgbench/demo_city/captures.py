"""Which photographs make up each split: where they are taken, which way, when, and their names.

Test, val and every train district are different districts, kilometres apart. Database images look
along the street and at both fronts from every eleventh metre or so; queries come from anywhere
across the street, by day, at dusk and at night. A train place is a spot and a side of the street,
seen eight times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .city import Point, Street, distance, district
from .photograph import Capture
from .seeds import between, chance, pick, rng_of

CITY_SEED = 20250
TEST = (CITY_SEED + 1, 5, 5)
VAL = (CITY_SEED + 2, 4, 4)
TRAIN_SIZE = (7, 7)

ORIGIN: Point = (395000.0, 4990000.0)
"""UTM zone 32 T of the test district; the city is made up."""

DISTRICTS = (
    "alder",
    "birch",
    "cedar",
    "dyer",
    "elder",
    "fuller",
    "granary",
    "harbour",
    "inn",
    "jetty",
    "kiln",
    "lock",
    "mill",
    "north",
    "orchard",
    "potter",
    "quay",
    "ropewalk",
    "smith",
    "tanner",
    "union",
    "vine",
    "wharf",
    "yard",
)

TEST_DATABASE, TEST_QUERIES = 600, 240
VAL_DATABASE, VAL_QUERIES = 180, 72
LOST = 3
"""Test queries taken where no database image is near."""

PER_PLACE = 8
SPACING = 18.0
"""Metres between the spots of train places along a street; each spot is a place per side."""


def captures(split: str, places: int = 1500) -> list[Capture]:
    """Return the photographs of ``test``, ``val`` or ``train``, street by street.

    Parameters
    ----------
    split : str
        ``test``, ``val`` or ``train``.
    places : int
        How many train places; the first ones are the same for any number.
    """
    if split == "test":
        return _evaluation("test", TEST, ORIGIN, TEST_DATABASE, TEST_QUERIES, LOST)
    if split == "val":
        return _evaluation(
            "val", VAL, (ORIGIN[0] + 2600, ORIGIN[1] + 1900), VAL_DATABASE, VAL_QUERIES, 0
        )
    if split == "train":
        return list(_train(places))
    raise ValueError(f"unknown split {split!r}: expected 'test', 'val' or 'train'")


def _field_of_view(zoom: float) -> float:
    """Return the angle that shows 1 / ``zoom`` of what 74° shows."""
    return round(2 * math.degrees(math.atan(math.tan(math.radians(37)) / zoom)), 2)


def _name(at: Point, heading: float, pitch: float, pano: str, when: str, note: str) -> str:
    east, north = f"{at[0]:010.2f}", f"{at[1]:010.2f}"
    tile = f"{int(heading) // 30:02d}"
    return (
        f"@{east}@{north}@32@T@@@{pano}@{tile}@{int(heading):03d}@{pitch:.0f}@0@@{when}@{note}@.jpg"
    )


def _moment(rng: np.random.Generator, condition: str) -> str:
    hour = {"day": (9, 17), "dusk": (18, 21), "night": (21, 24)}[condition]
    year, month, day = (
        int(rng.integers(2017, 2025)),
        int(rng.integers(3, 11)),
        int(rng.integers(1, 29)),
    )
    clock = f"{int(rng.integers(*hour)):02d}{int(rng.integers(60)):02d}{int(rng.integers(60)):02d}"
    return f"{year}{month:02d}{day:02d}_{clock}"


def _heading(street: Street) -> float:
    dx, dy = street.along
    return math.degrees(math.atan2(dx, dy))


def _capture(
    rng: np.random.Generator,
    folder: str,
    plan: tuple[int, int, int],
    origin: Point,
    at: Point,
    heading: float,
    zoom: float,
    z: float,
    condition: str,
    occluded: bool,
    note: str,
) -> Capture:
    seed = int(rng.integers(1 << 40))
    x, y = round(at[0], 2), round(at[1], 2)
    heading = round(heading % 360, 1) % 360
    pitch, roll = round(between(rng, 1, 7), 1), round(between(rng, -1.5, 1.5), 1)
    name = _name(
        (origin[0] + x, origin[1] + y),
        heading,
        pitch,
        f"dc{seed:010x}",
        _moment(rng, condition),
        note,
    )
    return Capture(
        f"{folder}/{name}",
        plan,
        x,
        y,
        round(z, 2),
        heading,
        pitch,
        roll,
        _field_of_view(zoom),
        condition,
        seed,
        occluded,
    )


def _evaluation(
    split: str, plan: tuple[int, int, int], origin: Point, database: int, queries: int, lost: int
) -> list[Capture]:
    rng = rng_of("captures", split, plan[0])
    streets = district(*plan).streets
    inner = [s for s in streets if s.inner]
    total = sum(s.length for s in inner)
    headings = 4
    step = total / (database // headings)
    out: list[Capture] = []
    spots: list[Point] = []
    at, number = step / 2, 0
    for street in inner:
        while at < street.length and number < database // headings:
            right = pick(rng, (-1, 1)) * street.road * 0.2 + between(rng, -0.4, 0.4)
            spot = street.at(at, right)
            spots.append(spot)
            for turn in (38, 142, 218, 322):  # both fronts, seen both ways along the street
                heading = _heading(street) + turn + between(rng, -8, 8)
                out.append(
                    _capture(
                        rng,
                        f"{split}/database",
                        plan,
                        origin,
                        spot,
                        heading,
                        1.0,
                        between(rng, 2.1, 2.6),
                        "day",
                        False,
                        "day",
                    )
                )
            at += step
            number += 1
        at -= street.length
    conditions = ("day", "dusk", "night")
    step = total / (queries - lost)
    at, number = step / 2, 0
    for street in inner:
        while at < street.length and number < queries - lost:
            out.append(_query(rng, split, plan, origin, street, at, conditions[number % 3]))
            at += step
            number += 1
        at -= street.length
    known = {end for s in inner for end in (s.start, s.end)}
    outer = [s for s in streets if not s.inner and (s.start in known or s.end in known)]
    while lost:
        street = pick(rng, outer)
        at = between(rng, 0.3, 0.7) * street.length
        if min(distance(street.at(at, 0), spot) for spot in spots) > 34:
            out.append(_query(rng, split, plan, origin, street, at, conditions[number % 3]))
            number, lost = number + 1, lost - 1
    return out


def _clear_of_fronts(right: float, turn: float, street: Street) -> float:
    """Return ``right`` kept off the pavement towards which the camera is turned.

    A photograph of the nearest shop window from a step away shows no place at all.
    """
    limit = street.road / 2 - 1.0
    if 30 < turn % 360 < 150:
        return min(right, limit)
    if 210 < turn % 360 < 330:
        return max(right, -limit)
    return right


def _query(
    rng: np.random.Generator,
    split: str,
    plan: tuple[int, int, int],
    origin: Point,
    street: Street,
    at: float,
    condition: str,
) -> Capture:
    reach = street.road / 2 + 1.2  # as far as the pavements
    along, right = at + between(rng, -2, 2), between(rng, -reach, reach)
    usual = pick(rng, (0, 90, 180, 270) if chance(rng, 0.2) else (38, 142, 218, 322))
    turn = usual + between(rng, -22, 22)
    spot = street.at(along, _clear_of_fronts(right, turn, street))
    zoom = between(rng, 0.85, 1.3)
    return _capture(
        rng,
        f"{split}/queries",
        plan,
        origin,
        spot,
        _heading(street) + turn,
        zoom,
        between(rng, 1.5, 1.9),
        condition,
        chance(rng, 0.3),
        condition,
    )


def _train(places: int) -> Iterator[Capture]:
    made = 0
    for number, name in enumerate(DISTRICTS):
        plan = (CITY_SEED + 100 + number, *TRAIN_SIZE)
        origin = (ORIGIN[0] - 6000 + 1200 * (number % 6), ORIGIN[1] - 4000 - 1200 * (number // 6))
        for street in district(*plan).streets:
            if not street.inner:
                continue
            at = SPACING * 0.4
            while at < street.length - 4:
                for side in (1, -1):
                    if made == places:
                        return
                    yield from _place(name, plan, origin, street, at, side, made)
                    made += 1
                at += SPACING
    if made < places:
        raise ValueError(f"the city has {made} train places, {places} were asked for")


def _place(
    name: str,
    plan: tuple[int, int, int],
    origin: Point,
    street: Street,
    at: float,
    side: int,
    number: int,
) -> Iterator[Capture]:
    rng = rng_of("place", plan[0], number)
    turn = pick(rng, (25, 45, 65, 115, 135, 155)) * side
    for k in range(PER_PLACE):
        condition = ("day", "night", "day", "dusk", "day", "night", "dusk", "day")[k]
        reach = street.road / 2 + 0.8
        along, right = at + between(rng, -3.5, 3.5), between(rng, -reach, reach) * 0.8
        spot = street.at(along, _clear_of_fronts(right, turn, street))
        heading = _heading(street) + turn + between(rng, -15, 15)
        yield _capture(
            rng,
            f"train/{name}",
            plan,
            origin,
            spot,
            heading,
            between(rng, 0.85, 1.25),
            between(rng, 1.5, 2.6),
            condition,
            chance(rng, 0.2),
            f"{number:05d}",
        )
