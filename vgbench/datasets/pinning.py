"""What an installed dataset's images and names are, as the block that a registry holds of it."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from vgbench.datasets.catalogue import known_name
from vgbench.datasets.editions import database_sizes, size_text, tell_edition
from vgbench.datasets.expectations import slug
from vgbench.datasets.facts import Measured, measure
from vgbench.datasets.lockfile import read_lock
from vgbench.datasets.manifest import Images, Manifest
from vgbench.datasets.manifest_file import MANIFEST, read_manifest
from vgbench.datasets.private import find_spec
from vgbench.datasets.registry import (
    SCHEMA,
    DatasetSpec,
    Edition,
    Source,
    SplitSpec,
    parse_registry,
)
from vgbench.errors import DatasetError
from vgbench.places import data_root as place_of_data

_GRID = 100
"""Metres to which a box is widened, and again by as much: images beside those seen fit too."""


@dataclass(frozen=True)
class Pins:
    """What there is to pin of a dataset.

    Attributes
    ----------
    spec
        What a registry can say of it: what it says already, with everything measured filled in.
    edition
        The name of the edition in it that is the installed one.
    image_sizes
        Split → role → the images' sizes in words.
    """

    spec: DatasetSpec
    edition: str
    image_sizes: Mapping[str, Mapping[str, str]]

    @property
    def toml(self) -> str:
        """The block for a registry."""
        return block_of(self.spec)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        [edition] = [e for e in self.spec.editions if e.name == self.edition]
        measured = {name: self.spec.splits[name] for name in self.image_sizes}
        return {
            "dataset": self.spec.id,
            "utm_zone": self.spec.utm_zone,
            "box": list(self.spec.box) if self.spec.box else None,
            "splits": {
                name: {
                    "database": split.database,
                    "queries": split.queries,
                    "train": split.train,
                    "queries_with_positive": split.queries_with_positive,
                    "ground_truth": split.ground_truth,
                    "content": edition.content[name],
                    "image_sizes": dict(self.image_sizes[name]),
                }
                for name, split in measured.items()
            },
            "edition": self.edition,
            "database_size": edition.database_size,
            "archive_sha256": edition.archive_sha256,
            "toml": self.toml,
        }


def pin_dataset(name: str, data_root: str | os.PathLike[str] | None = None) -> Pins:
    """Measure an installed dataset; the caller has verified it.

    Raises
    ------
    DatasetError
        When it has a name that no registry can hold, or its manifest cannot be read.
    """
    root = place_of_data(data_root)
    name = known_name(name, root)
    if name != slug(name):
        raise DatasetError(
            f"No registry can hold the name {name!r}: import it as {slug(name)!r}, in small "
            "letters, digits and single hyphens."
        )
    base = find_spec(name, root) or DatasetSpec(
        id=name,
        title=name,
        description="Say what it shows, and where its images are from.",
        splits={},
        terms="Say who may use it for what.",
    )
    lock = read_lock(root, name)
    return pins_of(base, read_manifest(root / name / MANIFEST), lock.sha256 if lock else None)


def pins_of(base: DatasetSpec, manifest: Manifest, archive: str | None = None) -> Pins:
    """Fill in what a manifest tells of a dataset, and the digest of the archive it came from."""
    measured = {name: measure(split) for name, split in manifest.splits.items()}
    contents = {name: split.content for name, split in manifest.splits.items()}
    splits = dict(base.splits)
    for name, split in manifest.splits.items():
        facts = measured[name]
        known = splits.get(name) or SplitSpec(name)
        splits[name] = replace(
            known,
            database=facts.images.get("database", known.database),
            queries=facts.images.get("queries", known.queries),
            train=facts.images.get("train", known.train),
            queries_with_positive=facts.queries_with_positive,
            ground_truth=split.ground_truth,
            # Of several editions it is that of the registry's sources, which this may not be.
            content=known.content if base.editions else split.content,
        )
    sizes = database_sizes(manifest.splits)
    same = set(sizes.values())
    words = {
        name: {role: _sizes(images) for role, images in split.images.items()}
        for name, split in manifest.splits.items()
    }
    told = tell_edition(base, contents, sizes, archive)
    possible = [e for e in base.editions if e.name not in told.ruled_out]
    name = told.name or (possible[0].name if len(possible) == 1 else _new_name(base.editions))
    known_edition = next((e for e in base.editions if e.name == name), None)
    edition = known_edition or Edition(name, _in_words(words))
    edition = replace(
        edition,
        database_size=next(iter(same)) if len(same) == 1 else edition.database_size,
        archive_sha256=archive or edition.archive_sha256,
        content={**edition.content, **contents},
    )
    editions = [edition if e.name == name else e for e in base.editions]
    spec = replace(
        base,
        splits=splits,
        utm_zone=base.utm_zone or _zone(measured.values()),
        box=base.box or _box(measured.values()),
        editions=tuple(editions if known_edition else [*editions, edition]),
    )
    return Pins(spec, name, words)


def block_of(spec: DatasetSpec) -> str:
    """Write a dataset's block as `registry.toml` has it.

    Raises
    ------
    DatasetError
        When the registry's own reader would refuse it.
    """
    top = {
        "title": spec.title,
        "description": spec.description,
        "packaged": spec.packaged or None,
        "utm_zone": spec.utm_zone,
        "box": list(spec.box) if spec.box else None,
        "condition": spec.condition,
        "terms": spec.terms,
        "homepage": spec.homepage,
    }
    tables = [(f"[{spec.id}]", top)]
    tables += [(f"[{spec.id}.splits.{name}]", _plain(s, "name")) for name, s in spec.splits.items()]
    tables += [(f"[[{spec.id}.sources]]", _plain(source)) for source in spec.sources]
    tables += [(f"[[{spec.id}.editions]]", _plain(edition)) for edition in spec.editions]
    block = "\n\n".join(
        "\n".join([head, *(f"{key} = {_toml(v)}" for key, v in table.items() if v is not None)])
        for head, table in tables
    )
    parse_registry(f"schema = {SCHEMA}\n{block}", f"the block for {spec.id}")
    return block


def _plain(value: SplitSpec | Source | Edition, *without: str) -> dict[str, Any]:
    names = [field.name for field in fields(value) if field.name not in without]
    return {name: getattr(value, name) or None for name in names}


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{value:_}" if isinstance(value, int) else repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_toml(item)}' for key, item in value.items())} }}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _zone(measured: Iterable[Measured]) -> str | None:
    zones = {zone for facts in measured for zone in facts.zones}
    usable = [zone for zone in zones if re.fullmatch(r"\d\d?[C-HJ-NP-X]", zone)]
    return usable[0] if len(zones) == len(usable) == 1 else None


def _box(measured: Iterable[Measured]) -> tuple[float, float, float, float] | None:
    facts = list(measured)
    if len({zone for one in facts for zone in one.zones}) > 1:
        return None  # coordinates of several zones are not comparable
    wests, easts, souths, norths = zip(*(one.box for one in facts), strict=True)
    return (
        _GRID * (math.floor(min(wests) / _GRID) - 1),
        _GRID * (math.ceil(max(easts) / _GRID) + 1),
        _GRID * (math.floor(min(souths) / _GRID) - 1),
        _GRID * (math.ceil(max(norths) / _GRID) + 1),
    )


def _sizes(images: Images) -> str:
    shapes = {tuple(shape) for shape in images.sizes.tolist()}
    if len(shapes) == 1:
        return str(size_text(list(shapes.pop())))
    least, most = (pick(shapes, key=lambda s: s[0] * s[1]) for pick in (min, max))
    return f"{len(shapes):,} sizes, {size_text(list(least))} to {size_text(list(most))}"


def _in_words(words: Mapping[str, Mapping[str, str]]) -> str:
    said = {text for roles in words.values() for text in roles.values()}
    if len(said) == 1:
        return said.pop()
    return "; ".join(
        f"{split} {role} {text}" for split, roles in words.items() for role, text in roles.items()
    )


def _new_name(editions: tuple[Edition, ...]) -> str:
    taken = {edition.name for edition in editions}
    names = ("original", *(f"edition-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)
