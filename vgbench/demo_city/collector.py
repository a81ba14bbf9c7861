"""Gathers the parallelograms of a scene one by one, and packs them into arrays."""

from __future__ import annotations

import numpy as np

from .camera import Parts, TextureKey

Vector = tuple[float, float, float]
WHITE: Vector = (1.0, 1.0, 1.0)


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
