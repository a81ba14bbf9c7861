"""All parallelograms that one photograph may show, and the textures that their keys stand for."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from . import attachments, bodywork, props, textures
from .buildings import building
from .camera import SHADOW, Camera, Floats, Parts, TextureKey, chosen, joined
from .city import District, Thing, district
from .collector import Collector
from .facades import facade
from .ground import KERB
from .masonry import masonry
from .seeds import rng_of, sin_cos
from .textures import Texture
from .traffic import traffic
from .vehicles import vehicle_parts

REACH = 165.0
"""How far away buildings are still drawn, in metres."""


def _facade(seed: int, width: float, floors: int) -> Texture:
    return facade(building(seed, width, floors))


def _bow(seed: int, width: float, floors: int) -> Texture:
    return attachments.bow(building(seed, width, floors))


_MAKERS: dict[str, Callable[..., Texture]] = {
    "facade": _facade,
    "bow": _bow,
    "dormer": attachments.dormer,
    "blade": attachments.blade,
    "wall": textures.plain_wall,
    "roof": textures.roof,
    "flat": textures.flat,
    "grass": textures.grass,
    "carriageway": textures.carriageway,
    "pavement": textures.pavement,
    "crossing": props.crossing,
    "railing": attachments.railing,
    "awning": attachments.awning,
    "gable": attachments.gable,
    "paint": bodywork.paint,
    "car_side": bodywork.car_side,
    "car_end": bodywork.car_end,
    "car_glass": bodywork.car_glass,
    "tree": props.tree,
    "person": props.person,
    "lamp": props.lamp_post,
    "sign": props.traffic_sign,
    "furniture": props.furniture,
    "skyline": props.skyline,
}


def texture_of(key: TextureKey) -> Texture:
    """Return the texture that a key, a kind and its arguments, stands for."""
    arguments: tuple[Any, ...] = key[1:]
    return _MAKERS[str(key[0])](*arguments)


@lru_cache(maxsize=2)
def _centres(seed: int, columns: int, rows: int) -> tuple[Floats, Floats]:
    parts = masonry(seed, columns, rows)
    middle = parts.corner + (parts.across + parts.down) / 2
    span = np.abs(parts.across) + np.abs(parts.down)
    return middle, np.maximum(span[:, 0], span[:, 1])


def view(
    camera: Camera, plan_of: tuple[int, int, int], seed: int, occluded: bool, crowd: float
) -> Parts:
    """Return what may be seen from ``camera`` at the moment ``seed``."""
    plan = district(*plan_of)
    built = masonry(*plan_of)
    middle, span = _centres(*plan_of)
    sine, cosine = sin_cos(camera.heading)
    dx, dy = middle[:, 0] - camera.x, middle[:, 1] - camera.y
    ahead = dx * sine + dy * cosine
    aside = np.abs(dx * cosine - dy * sine)
    slope = camera.width / 2 / camera.focal
    rows = np.flatnonzero(
        (ahead > -span) & (ahead < REACH + span) & (aside < ahead * slope + span + 3)
    )
    vehicles, people = traffic(plan, camera, seed, occluded, crowd)
    facing = Collector()
    _things(facing, plan, _feet(*plan_of), people, camera)
    _skyline(facing, camera, plan)
    loose = [facing.parts(), *vehicle_parts(vehicles)]
    return joined([chosen(built, rows), *loose])


@lru_cache(maxsize=2)
def _feet(seed: int, columns: int, rows: int) -> Floats:
    """Return where a district's things stand and how far away they are drawn, (N, 3)."""
    things = district(seed, columns, rows).things
    return np.array([(t.x, t.y, 150 if t.kind == "tree" else 80) for t in things], np.float64)


def _things(
    out: Collector, plan: District, fixed: Floats, people: list[Thing], camera: Camera
) -> None:
    """Add trees, lamps, signs and people, turned towards the camera."""
    sine, cosine = sin_cos(camera.heading)
    dx, dy = fixed[:, 0] - camera.x, fixed[:, 1] - camera.y
    away = dx * sine + dy * cosine
    shown = (away > 0.9) & (away < fixed[:, 2]) & (np.abs(dx * cosine - dy * sine) < away * 1.3 + 5)
    things = [plan.things[k] for k in np.flatnonzero(shown).tolist()]
    for thing in (*things, *people):
        ahead = (thing.x - camera.x) * sine + (thing.y - camera.y) * cosine
        if ahead < (4.5 if thing.kind == "tree" else 0.9):
            continue
        half = thing.width / 2
        out.add(
            (thing.x - cosine * half, thing.y + sine * half, thing.height + KERB),
            (cosine * thing.width, -sine * thing.width, 0),
            (0, 0, -thing.height),
            (thing.kind, thing.number),
            both_sides=True,
        )
        if thing.kind in ("person", "tree") and ahead < 40:
            size = 0.5 if thing.kind == "person" else 1.1
            out.add(
                (thing.x - size, thing.y + size, KERB + 0.01),
                (2 * size, 0, 0),
                (0, -2 * size, 0),
                SHADOW,
                both_sides=True,
                bias=0.03,
            )


def _skyline(out: Collector, camera: Camera, plan: District) -> None:
    """Close the view with distant roofs on eight sides, far beyond the last street."""
    for k in range(8):
        sine, cosine = sin_cos(45.0 * k + 11)
        x, y = camera.x + sine * 195, camera.y + cosine * 195
        high = 11 + int(rng_of("skyline", plan.seed, k).integers(5))
        out.add(
            (x - cosine * 82, y + sine * 82, high),
            (cosine * 164, -sine * 164, 0),
            (0, 0, -high - 1),
            ("skyline", k),
            both_sides=True,
        )
