"""What the registry says of a dataset, held against what is there."""

from __future__ import annotations

import re

import numpy as np

from vgbench.datasets.manifest import Manifest, SplitManifest
from vgbench.datasets.names import file_name
from vgbench.datasets.registry import DatasetSpec, load_registry
from vgbench.errors import first_ten

_NOUN = {
    "database": "database images",
    "queries": "queries",
    "train": "training images",
}


def slug(text: str) -> str:
    """Make a dataset's id of any name.

    >>> slug("SF_XS"), slug("My photos (2)"), slug("東京")
    ('sf-xs', 'my-photos-2', 'dataset')
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "dataset"


def problems_of(spec: DatasetSpec, manifest: Manifest) -> list[str]:
    """Say how a dataset contradicts the registry; nothing when it does not.

    Fewer splits than registered are no contradiction: many keep only those that they need.
    """
    found = []
    for name, split in manifest.splits.items():
        if name not in spec.splits:
            known = ", ".join(spec.splits)
            found.append(f"{name}: {spec.id} has no such split, only {known}")
        else:
            found += [f"{name}: {problem}" for problem in problems_of_split(spec, name, split)]
    return found


def problems_of_split(spec: DatasetSpec, name: str, split: SplitManifest) -> list[str]:
    """Say how a split contradicts what the registry has under `name`: counts, places, pins."""
    known = spec.splits[name]
    found = []
    for role in ("database", "queries", "train"):
        expected, have = getattr(known, role), len(split.images.get(role, ()))
        if expected is not None and have != expected:
            found.append(f"{_NOUN[role]}: {have:,}, expected {expected:,}")
    if not found and known.ground_truth and known.ground_truth != split.ground_truth:
        found.append(
            f"other image names than the registered ones (ground truth {split.ground_truth[:16]}…, "
            f"expected {known.ground_truth[:16]}…)"
        )
    return found + _misplaced(spec, split)


def recognise(split: SplitManifest, name: str) -> tuple[DatasetSpec, str] | None:
    """Tell which registered dataset and split a folder is, by its fingerprint or its facts.

    A pinned ground truth decides, whatever the folder is called. Where none is pinned, a folder
    of the dataset's name is it when numbers of images and places agree with the registry.

    Parameters
    ----------
    name
        The folder's name as a slug.
    """
    registry = load_registry()
    for spec in registry.values():
        for known in spec.splits.values():
            if known.ground_truth == split.ground_truth:
                return spec, known.name
    if name in registry and split.name in registry[name].splits:
        spec = registry[name]
        known = spec.splits[split.name]
        told = known.database is not None and known.queries is not None
        if told and not known.ground_truth and not problems_of_split(spec, split.name, split):
            return spec, split.name
    return None


def zone_of(path: str) -> str | None:
    """Give the UTM zone that a name states, without leading zeros; None where it states none.

    >>> zone_of("database/@0381418.20@3946450.42@54@S@035.65478@@@@@@@@@@.jpg")
    '54S'
    >>> zone_of("@1@2@.jpg")
    """
    fields = file_name(path).split("@", 5)
    if len(fields) < 5 or not fields[3] or not fields[4]:
        return None
    return fields[3].lstrip("0") + fields[4].upper()


def _misplaced(spec: DatasetSpec, split: SplitManifest) -> list[str]:
    found = []
    outside: list[str] = []
    zones: list[str] = []
    for images in split.images.values():
        if spec.box is not None:
            west, east, south, north = spec.box
            x, y = images.positions.T
            inside = (west <= x) & (x <= east) & (south <= y) & (y <= north)
            outside += [images.paths[row] for row in np.flatnonzero(~inside).tolist()]
        if spec.utm_zone is not None:
            zones += [path for path in images.paths if zone_of(path) not in (None, spec.utm_zone)]
    if outside:
        found.append(
            f"{len(outside):,} images lie outside the dataset's bounding box:\n"
            f"{first_ten(outside, 'images')}"
        )
    if zones:
        found.append(
            f"{len(zones):,} images are not in UTM zone {spec.utm_zone}:\n"
            f"{first_ten(zones, 'images')}"
        )
    return found
