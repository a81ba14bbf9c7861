"""Which datasets there are: registered, installed, or both, and what is known of each."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vgbench.datasets.conditions import DERIVED
from vgbench.datasets.editions import EditionReport, content_pins, described_sizes, tell_edition
from vgbench.datasets.loading import NAME, is_installed
from vgbench.datasets.lockfile import read_lock
from vgbench.datasets.private import find_spec, load_private
from vgbench.datasets.registry import DatasetSpec, load_registry
from vgbench.datasets.verified import Verified, described_fingerprints, read_record
from vgbench.errors import DatasetError, DatasetNotFound
from vgbench.places import data_root as place_of_data
from vgbench.progress import note


@dataclass(frozen=True)
class SplitDescription:
    """A split as `info` shows it.

    Numbers of images and fingerprints are those installed, else those registered, else None.
    `pin` tells whether the registry pins what is installed: "agrees", "differs", or "unknown"
    where it pins nothing or nothing is installed; `content_pin` the same of the images' content,
    which may be that of any registered edition. `bytes` is what its images take on disk,
    `database_size` "WIDTHxHEIGHT" of all database images; None where that is not known.
    """

    name: str
    installed: bool
    database: int | None
    queries: int | None
    train: int | None
    ground_truth: str | None
    content: str | None
    pin: str
    content_pin: str
    note: str | None
    bytes: int | None = None
    database_size: str | None = None


@dataclass(frozen=True)
class Description:
    """A dataset as `list` and `info` show it; `folder` is None where it is not installed.

    `registered` is by vgbench itself, `own` by the user; `edition` and `verified` tell of what is
    installed.
    """

    id: str
    title: str
    description: str | None
    registered: bool
    installed: bool
    folder: Path | None
    splits: tuple[SplitDescription, ...]
    utm_zone: str | None
    terms: str | None
    homepage: str | None
    how_to_get: str | None
    conditions: str | None
    sources: tuple[dict[str, Any], ...]
    editions: tuple[dict[str, Any], ...]
    problem: str | None
    own: bool = False
    edition: EditionReport = field(default_factory=EditionReport)
    verified: Verified | None = None

    @property
    def bytes(self) -> int | None:
        """Bytes on disk of all installed images; None where it is not known of each split."""
        sizes = [split.bytes for split in self.splits if split.installed]
        return sum(size for size in sizes if size) if sizes and None not in sizes else None

    def to_json(self) -> dict[str, Any]:
        """Give the same as plain values."""
        plain = asdict(self) | {"folder": None if self.folder is None else str(self.folder)}
        return plain | {"bytes": self.bytes}


def installed(data_root: str | os.PathLike[str] | None = None) -> list[tuple[str, str]]:
    """List what `load_dataset` opens by name: (dataset, split), registered first; reads no image.

    Splits without queries, which are for training, are left out. A manifest that cannot be read is
    passed over with a note.
    """
    from vgbench.datasets.manifest_file import MANIFEST, UnreadableManifestError, read_description

    root = place_of_data(data_root)
    found = []
    for name in _names(root):
        if not is_installed(name, root):
            continue
        try:
            described = read_description(root / name / MANIFEST)
        except UnreadableManifestError as error:
            note(f"Passed over {name}: {error}")
            continue
        found += [
            (name, s) for s, split in described["splits"].items() if "queries" in split["roles"]
        ]
    return found


def list_datasets(data_root: str | os.PathLike[str] | None = None) -> list[Description]:
    """Describe every registered and every installed dataset, registered first."""
    return [describe(name, data_root) for name in _names(place_of_data(data_root))]


def describe(name: str, data_root: str | os.PathLike[str] | None = None) -> Description:
    """Say what is known of a dataset by name; reads no image.

    Raises
    ------
    DatasetNotFound
        When the name is neither registered nor installed.
    """
    from vgbench.datasets.manifest_file import MANIFEST, UnreadableManifestError, read_description

    root = place_of_data(data_root)
    name = known_name(name, root)
    spec = find_spec(name, root)
    here = is_installed(name, root)
    if spec is None and not here:
        raise DatasetNotFound(
            f"There is no dataset {name!r}. There are: {', '.join(_names(root))}."
        )
    described: dict[str, Any] = {}
    problem = None
    if here:
        try:
            described = read_description(root / name / MANIFEST)["splits"]
        except UnreadableManifestError as error:
            problem = str(error)
    names = dict.fromkeys([*(spec.splits if spec else ()), *described])
    fingerprints = described_fingerprints(described)
    return Description(
        id=name,
        title=spec.title if spec else name,
        description=spec.description if spec else None,
        registered=spec is not None and not spec.private,
        installed=here,
        folder=root / name if here else None,
        splits=tuple(_split(split, spec, described.get(split)) for split in names),
        utm_zone=spec.utm_zone if spec else None,
        terms=spec.terms if spec else None,
        homepage=spec.homepage if spec else None,
        how_to_get=spec.how_to_get if spec and not here else None,
        conditions=_conditions(spec),
        sources=tuple(asdict(source) for source in spec.sources) if spec else (),
        editions=tuple(asdict(edition) for edition in spec.editions) if spec else (),
        problem=problem,
        own=spec is not None and spec.private,
        edition=_edition(root, name, spec, described),
        verified=read_record(root, name, spec, fingerprints) if described else None,
    )


def known_name(text: str, root: Path) -> str:
    """Give the dataset that somebody means who types its archive's name, "sf_xs" for "sf-xs".

    Anything that is known as it stands, or not known at all, comes back as it is.
    """
    head, slash, split = text.partition("/")
    likely = head.lower().replace("_", "-")
    for candidate in (head, likely):
        if candidate and (is_installed(candidate, root) or find_spec(candidate, root)):
            return f"{candidate}{slash}{split}"
    return text


def pin_state(pin: str | None, found: str | None) -> str:
    """Compare a fingerprint with its pin: "agrees", "differs", or "unknown" without either."""
    if pin is None or found is None:
        return "unknown"
    return "agrees" if pin == found else "differs"


def _split(name: str, spec: DatasetSpec | None, here: dict[str, Any] | None) -> SplitDescription:
    known = spec.splits.get(name) if spec else None

    def images(role: str) -> int | None:
        if here is not None:
            return int(here["roles"][role]["images"]) if role in here["roles"] else None
        return getattr(known, role) if known else None

    def fingerprint(kind: str) -> str | None:
        pinned: str | None = getattr(known, kind) if known else None
        return str(here[kind]) if here is not None else pinned

    content = str(here["content"]) if here is not None else None
    pins = content_pins(spec, name)
    if content in pins:
        pins = (str(content),)
    return SplitDescription(
        name=name,
        installed=here is not None,
        database=images("database"),
        queries=images("queries"),
        train=images("train"),
        ground_truth=fingerprint("ground_truth"),
        content=fingerprint("content"),
        pin=pin_state(
            known.ground_truth if known else None, here["ground_truth"] if here else None
        ),
        content_pin=pin_state(next(iter(pins), None), content),
        note=known.note if known else None,
        bytes=_bytes(here),
        database_size=described_sizes({name: here})[name]
        if here is not None and "database" in here["roles"]
        else None,
    )


def _bytes(here: dict[str, Any] | None) -> int | None:
    """What a split's images take; the manifests of the first vgbench do not tell."""
    if here is None:
        return None
    sizes = [role.get("bytes") for role in here["roles"].values()]
    return None if None in sizes else sum(int(size) for size in sizes)


def _edition(
    root: Path, name: str, spec: DatasetSpec | None, described: dict[str, Any]
) -> EditionReport:
    if not described:
        return EditionReport()
    try:
        lock = read_lock(root, name)
    except DatasetError:  # verification tells
        lock = None
    contents = {split: told["content"] for split, told in described.items()}
    return tell_edition(spec, contents, described_sizes(described), lock.sha256 if lock else None)


def _conditions(spec: DatasetSpec | None) -> str | None:
    if spec is None or spec.condition is None:
        return None
    return "derived from names" if spec.condition in DERIVED else "stated in names"


def _names(root: Path) -> list[str]:
    own = []
    if root.is_dir():
        own = sorted(p.name for p in root.iterdir() if p.is_dir() and NAME.fullmatch(p.name))
    known = dict.fromkeys([*load_registry(), *load_private(root)])
    return [*known, *(name for name in own if name not in known and is_installed(name, root))]
