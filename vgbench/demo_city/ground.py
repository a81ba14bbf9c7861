"""Turns the streets of a district into parallelograms: roads, crossings, pavements, parks."""

from __future__ import annotations

from .city import Block, District, Street
from .collector import Collector

KERB = 0.13
"""Height of the pavements above the road, in metres."""


def lay_ground(plan: District, out: Collector) -> None:
    wide, tall = plan.size[0] + 400, plan.size[1] + 400
    out.add(
        (-200, plan.size[1] + 200, 0),
        (wide, 0, 0),
        (0, -tall, 0),
        ("carriageway", 1),
        repeat=(wide / 12, tall / 7),
        bias=-0.03,
    )
    for street in plan.streets:
        _road(street, out)


def _road(street: Street, out: Collector) -> None:
    begin, end = street.trim[0], street.length - street.trim[1]
    dx, dy = street.along
    length, half = end - begin, street.road / 2
    x, y = street.at(begin, -half)
    out.add(
        (x, y, 0),
        (dx * length, dy * length, 0),
        (dy * street.road, -dx * street.road, 0),
        ("carriageway", street.surface),
        repeat=(length / 12, 1),
        bias=0.02,
    )
    if street.surface % 3 == 0:
        for s in (begin - 1.0, end - 2.6):
            x, y = street.at(s, -half)
            out.add(
                (x, y, 0.01),
                (dy * street.road, -dx * street.road, 0),
                (dx * 3.6, dy * 3.6, 0),
                ("crossing",),
                both_sides=True,
                bias=0.04,
            )


def lay_block(block: Block, out: Collector) -> None:
    corners = block.corners
    if block.park:
        a, b, d = corners[0], corners[1], corners[3]
        out.add(
            (d[0], d[1], KERB),
            (b[0] - a[0], b[1] - a[1], 0),
            (a[0] - d[0], a[1] - d[1], 0),
            ("grass",),
            repeat=(10, 10),
            both_sides=True,
        )
    for k in range(4):
        p, q = corners[k], corners[(k + 1) % 4]
        vx, vy = q[0] - p[0], q[1] - p[1]
        length = (vx * vx + vy * vy) ** 0.5
        dx, dy = vx / length, vy / length
        walk, before = block.pavements[k], block.pavements[k - 1]
        ox, oy = dy * walk, -dx * walk
        out.add(
            (p[0], p[1], KERB),
            (vx, vy, 0),
            (ox, oy, 0),
            ("pavement", block.slabs),
            repeat=(length / 4, walk / 4),
        )
        out.add((p[0] + ox, p[1] + oy, KERB), (vx, vy, 0), (0, 0, -KERB), ("flat", (150, 148, 142)))
        r = corners[k - 1]
        ux, uy = p[0] - r[0], p[1] - r[1]
        back = (ux * ux + uy * uy) ** 0.5
        qx, qy = uy / back * before, -ux / back * before
        out.add(
            (p[0], p[1], KERB),
            (ox, oy, 0),
            (qx, qy, 0),
            ("pavement", block.slabs),
            repeat=(walk / 4, before / 4),
            both_sides=True,
        )
        for (sx, sy), (tx, ty) in (((ox, oy), (qx, qy)), ((qx, qy), (ox, oy))):
            out.add(
                (p[0] + sx, p[1] + sy, KERB),
                (tx, ty, 0),
                (0, 0, -KERB),
                ("flat", (150, 148, 142)),
                both_sides=True,
            )
        if block.park:
            out.add(
                (p[0], p[1], 1.15),
                (vx, vy, 0),
                (0, 0, -1.05),
                ("railing", block.slabs),
                repeat=(length, 1),
                both_sides=True,
            )
