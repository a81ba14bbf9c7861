"""The report's map as SVG: where queries are localized and where they are not, with no tiles."""

from __future__ import annotations

import math

import numpy as np
from markupsafe import Markup

from vgbench.leaderboard.map_scale import MAP_SIZE, MapScale, dots, scale_around
from vgbench.leaderboard.report.reading import Evaluation


def map_of(evaluation: Evaluation) -> MapScale:
    """The map that holds the database and the queries."""
    return scale_around(evaluation.database_positions, evaluation.query_positions)


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
