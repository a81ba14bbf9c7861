"""What can be measured of a split, one fact after the other, each held against the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgbench.datasets.editions import content_pins
from vgbench.datasets.expectations import zone_of
from vgbench.datasets.layout import ROLES
from vgbench.datasets.manifest import SplitManifest
from vgbench.datasets.registry import DatasetSpec

AGREES, DIFFERS, UNKNOWN = "agrees", "differs", "unknown"
THRESHOLD = 25.0
"""Metres within which a database image is a positive, inclusive; as in the field's evaluation."""
_NEAR = 1e-3  # metres around the threshold where a rounded distance must not decide


@dataclass(frozen=True)
class Fact:
    """One fact: what the registry pins (None: nothing), what there is, and whether they agree.

    `state` is "agrees", "differs", or "unknown" where nothing is pinned or nothing can be told.
    """

    what: str
    expected: Any
    found: Any
    state: str


@dataclass(frozen=True)
class Measured:
    """What the manifest of a split tells.

    Attributes
    ----------
    images
        Role → number of images.
    zones
        UTM zones that names state, such as ("10S",), sorted; empty where no name states one.
    box
        Least and greatest easting, least and greatest northing in metres.
    queries_with_positive
        Queries with a database image within 25 m; None for a split without queries.
    """

    images: dict[str, int]
    zones: tuple[str, ...]
    box: tuple[float, float, float, float]
    queries_with_positive: int | None


def measure(split: SplitManifest) -> Measured:
    """Measure a split, from its names alone."""
    images = [split.images[role] for role in ROLES if role in split.images]
    places = np.concatenate([part.positions for part in images])
    zones = {zone_of(path) for part in images for path in part.paths}
    (west, south), (east, north) = places.min(axis=0).tolist(), places.max(axis=0).tolist()
    count = None
    if "database" in split.images and "queries" in split.images:
        count = count_with_positive(
            split.images["database"].positions, split.images["queries"].positions
        )
    return Measured(
        images={role: len(split.images[role]) for role in ROLES if role in split.images},
        zones=tuple(sorted(zone for zone in zones if zone)),
        box=(west, east, south, north),
        queries_with_positive=count,
    )


def count_with_positive(
    database: NDArray[np.float64], queries: NDArray[np.float64], threshold: float = THRESHOLD
) -> int:
    """Count the queries, (Q, 2) metres, with a database image, (N, 2), within `threshold` metres.

    The rule is `dx * dx + dy * dy <= threshold * threshold` in float64.

    >>> count_with_positive(np.array([[0.0, 0.0]]), np.array([[15.0, 20.0], [15.0, 20.1]]))
    1
    """
    from scipy.spatial import cKDTree  # a fifth of a second, which only this function costs

    if not len(database) or not len(queries):
        return 0
    tree = cKDTree(database)
    distances, _ = tree.query(queries, distance_upper_bound=threshold + _NEAR)
    count = int(np.count_nonzero(distances < threshold - _NEAR))
    for row in np.flatnonzero(np.isfinite(distances) & (distances >= threshold - _NEAR)):
        near = database[tree.query_ball_point(queries[row], threshold + _NEAR)] - queries[row]
        count += bool(((near * near).sum(axis=1) <= threshold * threshold).any())
    return count


def facts_of(
    spec: DatasetSpec | None, split: SplitManifest, measured: Measured
) -> tuple[Fact, ...]:
    """Hold what was measured of a split against what the registry pins of it.

    The content may be that of any registered edition.
    """
    known = spec.splits.get(split.name) if spec else None
    found = []
    for role in ROLES:
        pinned = getattr(known, role) if known else None
        if role in measured.images or pinned is not None:
            found.append(_fact(role, pinned, measured.images.get(role, 0)))
    zone = spec.utm_zone if spec else None
    stated = ", ".join(measured.zones) or None
    found.append(_fact("utm_zone", zone, stated))
    box = spec.box if spec else None
    found.append(Fact("box", box, measured.box, UNKNOWN if box is None else
                      AGREES if _contains(box, measured.box) else DIFFERS))  # fmt: skip
    if measured.queries_with_positive is not None:
        pinned = known.queries_with_positive if known else None
        found.append(_fact("queries_with_positive", pinned, measured.queries_with_positive))
    found.append(_fact("ground_truth", known.ground_truth if known else None, split.ground_truth))
    pins = content_pins(spec, split.name)
    expected = split.content if split.content in pins else next(iter(pins), None)
    found.append(_fact("content", expected, split.content))
    return tuple(found)


def decided(facts: tuple[Fact, ...]) -> bool:
    """Whether enough is pinned, and agrees, to say that a split is the registered one.

    That is the ground truth, which fixes every name, or the number of images of every role; and no
    fact may differ: images of no pinned content are of an edition that nobody vouches for.
    """
    states = {fact.what: fact.state for fact in facts}
    counts = [states[role] for role in ROLES if role in states]
    enough = states["ground_truth"] == AGREES or all(state == AGREES for state in counts)
    return enough and DIFFERS not in states.values()


def _fact(what: str, expected: Any, found: Any) -> Fact:
    if expected is None or found is None:
        return Fact(what, expected, found, UNKNOWN)
    return Fact(what, expected, found, AGREES if expected == found else DIFFERS)


def _contains(box: tuple[float, ...], inner: tuple[float, ...]) -> bool:
    return (
        box[0] <= inner[0] and inner[1] <= box[1] and box[2] <= inner[2] and inner[3] <= box[3]
    )  # fmt: skip
