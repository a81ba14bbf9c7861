"""What each building is like, from its seed alone: storeys, bays, materials, ornaments, shops."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .glyphs import shop_name
from .seeds import between, chance, pick, rng_of
from .textures import MATERIALS, Colour

WALLS: tuple[Colour, ...] = (
    (214, 190, 146), (196, 124, 98), (222, 210, 188), (176, 100, 78), (206, 168, 120),
    (186, 184, 176),
    (168, 176, 168), (224, 196, 170), (152, 92, 74), (200, 200, 196), (214, 176, 150),
    (178, 158, 126),
)  # fmt: skip
BRICKS: tuple[Colour, ...] = (
    (164, 92, 70), (146, 84, 68), (182, 120, 86), (196, 164, 120), (128, 84, 74), (172, 104, 84),
)  # fmt: skip
TRIMS: tuple[Colour, ...] = (
    (232, 226, 212), (206, 198, 182), (176, 168, 154), (240, 238, 232), (150, 120, 100),
    (188, 180, 160),
)  # fmt: skip
WOODWORK: tuple[Colour, ...] = (
    (240, 238, 230), (70, 84, 66), (88, 62, 44), (62, 72, 88), (120, 44, 38), (52, 52, 54),
    (104, 128, 116),
    (150, 128, 92),
)  # fmt: skip
SIGNS: tuple[Colour, ...] = (
    (36, 60, 44), (128, 32, 30), (32, 42, 78), (214, 176, 60), (40, 38, 38), (226, 220, 204),
    (24, 96, 100),
    (168, 92, 36), (92, 40, 78), (216, 214, 210),
)  # fmt: skip


@dataclass(frozen=True)
class Shop:
    """One shop front: where it is along the façade (metres), and its sign."""

    left: float
    right: float
    name: str
    sign: Colour
    lettering: Colour
    awning: int  # 0: none, else the awning's pattern
    blade: bool
    glazing: int
    shutter: bool


@dataclass(frozen=True)
class Building:
    """A building's façade, fully decided; lengths in metres."""

    seed: int
    width: float
    height: float
    ground: float
    storeys: tuple[float, ...]
    bays: int
    rhythm: int
    material: str
    wall: Colour
    trim: Colour
    woodwork: Colour
    shutter_colour: Colour
    head: int  # 0 flat, 1 round, 2 segmental
    opening: float
    casing: int
    pediment: int
    panes: int
    shutters: bool
    sills: bool
    courses: int
    quoins: int
    cornice: int
    base: int
    door: int
    door_bay: int
    balconies: int
    railing: int
    roof: int
    dormers: bool
    chimneys: int
    drain: bool
    graffiti: bool
    pattern: int
    bow: int
    shops: tuple[Shop, ...]

    def bay_width(self) -> float:
        """Return the distance between window axes."""
        return self.width / self.bays

    def floor_level(self, storey: int) -> float:
        """Return the height of an upper storey's floor above the pavement."""
        return self.ground + sum(self.storeys[:storey])


@lru_cache(maxsize=4096)
def building(seed: int, width: float, floors: int) -> Building:
    """Return the building that ``seed`` stands for, fitted to a plot ``width`` metres wide."""
    rng = rng_of("building", seed)
    ground = between(rng, 3.5, 4.5)
    first = between(rng, 3.0, 3.7)
    shrink = pick(rng, (0.0, 0.0, 0.12, 0.2))
    storeys = tuple(round(max(first - shrink * k, 2.6), 3) for k in range(floors - 1))
    attic = pick(rng, (0.5, 0.8, 1.1, 0.4))
    bays = max(1, int(width / between(rng, 2.1, 3.3)))
    head = pick(rng, (0, 0, 0, 0, 1, 2, 2))
    shutters = chance(rng, 0.35)
    shops = _shops(rng, width) if chance(rng, 0.62) else ()
    material = pick(rng, MATERIALS)
    pattern = pick(rng, (0, 0, 0, 0, 1, 2, 3))
    if pattern == 2:
        material = "plaster"
    return Building(
        seed=seed,
        width=width,
        height=round(ground + sum(storeys) + attic, 3),
        ground=ground,
        storeys=storeys,
        bays=bays,
        rhythm=int(rng.integers(5)),
        material=material,
        wall=pick(rng, BRICKS if material == "brick" else WALLS),
        trim=pick(rng, TRIMS),
        woodwork=pick(rng, WOODWORK),
        shutter_colour=pick(rng, WOODWORK[1:]),
        head=head,
        opening=between(rng, 0.34, 0.44) if shutters else between(rng, 0.38, 0.58),
        casing=int(rng.integers(5)),
        pediment=pick(rng, (0, 0, 0, 1, 2, 3)),
        panes=int(rng.integers(7)),
        shutters=shutters,
        sills=chance(rng, 0.7),
        courses=int(rng.integers(4)),
        quoins=pick(rng, (0, 0, 1, 2)),
        cornice=int(rng.integers(4)),
        base=int(rng.integers(4)),
        door=int(rng.integers(6)),
        door_bay=int(rng.integers(bays)),
        balconies=pick(rng, (0, 0, 0, 1, 2, 3, 4)),
        railing=int(rng.integers(6)),
        roof=int(rng.integers(12)),
        dormers=chance(rng, 0.6),
        chimneys=int(rng.integers(3)),
        drain=chance(rng, 0.5),
        graffiti=chance(rng, 0.22),
        pattern=pattern,
        bow=pick(rng, (0, 0, 0, 0, 0, 1)),
        shops=shops,
    )


def _shops(rng: np.random.Generator, width: float) -> tuple[Shop, ...]:
    count = 1 if width < 8 or chance(rng, 0.45) else (2 if width < 12 else int(rng.integers(2, 4)))
    entrance = between(rng, 1.6, 2.2) if chance(rng, 0.75) and width > 6 else 0.0
    on_left = chance(rng, 0.5)
    start = entrance + 0.2 if on_left else 0.25
    room = (width - entrance - 0.45) / count
    shops = []
    for k in range(count):
        sign = pick(rng, SIGNS)
        dark = sum(sign) < 380
        shops.append(
            Shop(
                left=round(start + k * room + 0.1, 3),
                right=round(start + (k + 1) * room - 0.1, 3),
                name=shop_name(rng),
                sign=sign,
                lettering=pick(rng, ((244, 240, 226), (232, 200, 110), (250, 250, 250)))
                if dark
                else pick(rng, ((40, 34, 30), (120, 26, 26), (24, 40, 80))),
                awning=pick(rng, (0, 0, 1, 2, 3, 4, 5)),
                blade=chance(rng, 0.4),
                glazing=int(rng.integers(5)),
                shutter=chance(rng, 0.1),
            )
        )
    return tuple(shops)
