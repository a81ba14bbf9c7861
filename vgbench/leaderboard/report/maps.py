"""The report's map as SVG: where queries are localized and where they are not, with no tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from vgbench.leaderboard.report.reading import Evaluation
from vgbench.leaderboard.site.content import MAP_SIZE, dots


@dataclass(frozen=True)
class Map:
    """From metres to units of the map, which is `width` × `height`; north is up.

    `low` is the position of its lower left corner, `metres` those of one unit.
    """

    low: tuple[float, float]
    metres: float
    width: int
    height: int

    def units(self, positions: NDArray[np.float64]) -> NDArray[np.int64]:
        """Where positions, float64 (…, 2), are on the map, int64 (…, 2)."""
        scaled: NDArray[np.int64] = np.rint((positions - np.array(self.low)) / self.metres).astype(
            np.int64
        )
        scaled[..., 1] = self.height - scaled[..., 1]
        return scaled


def map_of(evaluation: Evaluation) -> Map:
    """The map that holds the database and the queries."""
    everything = np.concatenate([evaluation.database_positions, evaluation.query_positions])
    low = everything.min(axis=0)
    extent = np.maximum(everything.max(axis=0) - low, 1.0)
    metres = float(extent.max()) / MAP_SIZE
    return Map(
        (float(low[0]), float(low[1])),
        metres,
        math.ceil(float(extent[0]) / metres),
        math.ceil(float(extent[1]) / metres),
    )


def map_chart(evaluation: Evaluation) -> Markup:
    """Where queries are localized at 1 and where they are not, over the database's positions."""
    scale = map_of(evaluation)
    localized = evaluation.first_hits == 0
    queries = scale.units(evaluation.query_positions)
    bar = scale_bar(scale.metres)
    hit = "".join(f"M{x} {y}h0" for x, y in np.unique(queries[localized], axis=0).tolist())
    miss = "".join(
        f"M{x - 5} {y - 5}l10 10m0 -10l-10 10"
        for x, y in np.unique(queries[~localized], axis=0).tolist()
    )
    right, below = max(scale.width, round(bar / scale.metres) + 90), scale.height
    return Markup(
        '<svg class="map" viewBox="-20 -50 {} {}" role="img"><title>{}</title>'
        '<path class="database" d="{}"/><path class="hit" d="{}"/><path class="miss" d="{}"/>'
        '<g class="shown"></g><path class="bar" d="M0 {}h{}"/><text x="{}" y="{}">{} m</text>'
        '<text x="{}" y="-14">↑ N</text></svg>'
    ).format(
        right + 40, below + 90,
        f"Map of the queries: {int(localized.sum())} localized at 1 as dots, "
        f"{int((~localized).sum())} not, as crosses",
        dots(scale.units(evaluation.database_positions)), hit, miss,
        below + 20, round(bar / scale.metres), round(bar / scale.metres) + 8, below + 27,
        f"{bar:,}", right - 30,
    )  # fmt: skip


def scale_bar(metres_per_unit: float) -> int:
    """The length of the scale's bar: 1, 2 or 5 times a power of ten metres, near an eighth.

    >>> scale_bar(1.0), scale_bar(30.0)
    (100, 2000)
    """
    wanted = max(metres_per_unit * MAP_SIZE / 8, 1.0)
    power = 10 ** math.floor(math.log10(wanted))
    return int(min((power, 2 * power, 5 * power, 10 * power), key=lambda m: abs(m - wanted)))
