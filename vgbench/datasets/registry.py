"""The datasets that vgbench knows by name: `registry.toml`, read and checked."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from vgbench.datasets.registry_rules import DATASET, EDITION, SOURCE, SPLIT, check_table
from vgbench.errors import DatasetError, first_ten

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCHEMA = 1
REGISTRY = Path(__file__).with_name("registry.toml")


@dataclass(frozen=True)
class SplitSpec:
    """What is known of a split; None is unknown.

    `database`, `queries` and `train` are numbers of images, `queries_with_positive` of queries with
    a database image within 25 m; `ground_truth` and `content` are the pinned fingerprints (hex
    SHA-256), content of the edition that the registry's sources give.
    """

    name: str
    database: int | None = None
    queries: int | None = None
    train: int | None = None
    queries_with_positive: int | None = None
    ground_truth: str | None = None
    content: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Source:
    """Where a dataset's archive is: `kind` is "drive" (`id` of a Google Drive file) or "url"."""

    kind: str
    file: str
    id: str | None = None
    url: str | None = None
    size: str | None = None
    sha256: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Edition:
    """One of several circulating versions with equal names and different images.

    `database_size` is "WIDTHxHEIGHT" of every database image, `archive_sha256` the digest of its
    archive, `content` the fingerprint of each split's images; unknown where left out.
    """

    name: str
    images: str
    database_size: str | None = None
    archive_sha256: str | None = None
    content: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None


@dataclass(frozen=True)
class DatasetSpec:
    """What is known of a dataset.

    Attributes
    ----------
    id
        The name users type.
    splits
        By name, in the registry's order.
    utm_zone
        Number and letter, such as "54S"; None where it is unknown or there are several.
    box
        Least and greatest easting, least and greatest northing in metres; or None.
    condition
        Which rule of `vgbench.datasets.conditions` labels the queries; or None.
    packaged
        Whether the archive comes inside vgbench.
    private
        Whether it is the user's own; see `vgbench.datasets.private`.
    """

    id: str
    title: str
    description: str
    splits: Mapping[str, SplitSpec]
    terms: str
    homepage: str | None = None
    utm_zone: str | None = None
    box: tuple[float, float, float, float] | None = None
    condition: str | None = None
    packaged: bool = False
    private: bool = False
    sources: tuple[Source, ...] = ()
    editions: tuple[Edition, ...] = field(default=())

    @property
    def how_to_get(self) -> str:
        """What to do to have the dataset, in a sentence."""
        if self.packaged:
            return "It comes with vgbench and is unpacked on first use."
        if not self.sources:
            return (
                "Get its folder or archive and run: vgbench datasets import "
                f"{self.id} FOLDER|ARCHIVE"
            )
        return (
            f"Run: vgbench datasets download {self.id} (or, with the archive at hand: vgbench "
            f"datasets import {self.id} {self.sources[0].file})"
        )


@lru_cache(maxsize=1)
def load_registry() -> dict[str, DatasetSpec]:
    """Read the registered datasets by id, in the registry's order.

    >>> load_registry()["sf-xs"].splits["test"].database
    27191
    """
    return parse_registry(REGISTRY.read_text("utf-8"), str(REGISTRY))


def parse_registry(text: str, origin: str = "registry.toml") -> dict[str, DatasetSpec]:
    """Read a registry from TOML.

    Raises
    ------
    DatasetError
        When it is no TOML or says something that is not understood; lists every problem found.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DatasetError(f"{origin} is not valid TOML: {error}.") from error
    schema = document.pop("schema", None)
    if schema != SCHEMA:
        raise DatasetError(
            f"{origin} has schema {schema!r}; this vgbench reads schema {SCHEMA}. "
            + ("Update vgbench." if isinstance(schema, int) else "Add: schema = 1")
        )
    problems: list[str] = []
    specs = {key: _dataset(key, value, problems) for key, value in document.items()}
    if problems:
        raise DatasetError(f"{origin} cannot be used:\n{first_ten(problems, 'problems')}")
    return {key: spec for key, spec in specs.items() if spec is not None}


def _dataset(key: str, table: Any, problems: list[str]) -> DatasetSpec | None:
    before = len(problems)
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key):
        problems.append(f"[{key}]: a dataset's id is small letters, digits and single hyphens")
    needed = ("title", "description", "terms", "splits")
    if not check_table(f"[{key}]", table, DATASET, needed, problems):
        return None
    splits = {}
    if not table["splits"]:
        problems.append(f"[{key}]: needs at least one split")
    for name, split in table["splits"].items():
        where = f"[{key}.splits.{name}]"
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            problems.append(f"{where}: a split's name is small letters, digits, single hyphens")
        if check_table(where, split, SPLIT, (), problems):
            splits[name] = SplitSpec(name, **split)
    sources = []
    for number, source in enumerate(table.get("sources", ()), 1):
        where = f"[[{key}.sources]] no. {number}"
        if not check_table(where, source, SOURCE, ("kind", "file"), problems):
            continue
        pointer = "id" if source["kind"] == "drive" else "url"
        if pointer not in source:
            problems.append(f"{where}: {source['kind']} needs `{pointer}`")
            continue
        sources.append(Source(**source))
    editions = [
        Edition(**edition)
        for number, edition in enumerate(table.get("editions", ()), 1)
        if check_table(
            f"[[{key}.editions]] no. {number}", edition, EDITION, ("name", "images"), problems
        )
    ]
    if len(problems) > before:
        return None
    plain = {k: v for k, v in table.items() if k not in ("splits", "sources", "editions", "box")}
    return DatasetSpec(
        id=key,
        splits=splits,
        sources=tuple(sources),
        editions=tuple(editions),
        box=tuple(table["box"]) if "box" in table else None,
        **plain,
    )
