"""When a dataset was last verified: a record beside its folder, worth nothing once it has changed.

The record holds fingerprints of the manifest and of what the registry pinned then: a dataset that
was imported anew, or of which more is known by now, counts as not verified.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from vgbench._version import __version__
from vgbench.datasets.records import forget_unwritten, write_record
from vgbench.datasets.registry import DatasetSpec
from vgbench.errors import VgbenchError

VERIFIED, UNKNOWN, DAMAGED, CONTRADICTS = "verified", "unknown", "damaged", "contradicts"
"""What verification can find: as pinned; intact, and not pinned; images are not those of the
manifest; not what the registry says."""


@dataclass(frozen=True)
class Verified:
    """A verification that found nothing wrong.

    Attributes
    ----------
    status
        "verified", or "unknown" where the registry pins too little of it.
    at
        ISO time (UTC).
    deep
        Whether every image was read and decoded.
    """

    status: str
    at: str
    deep: bool

    @property
    def date(self) -> str:
        """The day, as YYYY-MM-DD."""
        return self.at[:10]

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)


def record_path(root: Path, name: str) -> Path:
    """Where the record of a dataset is: beside its folder."""
    return root / f"{name}.verified.json"


def record(
    root: Path,
    name: str,
    spec: DatasetSpec | None,
    fingerprints: Mapping[str, tuple[str, str]],
    status: str,
    deep: bool,
) -> None:
    """Record that a dataset was verified now; one that failed loses its record.

    A data root that cannot be written keeps none.

    Parameters
    ----------
    fingerprints
        Split → ground-truth and content fingerprint, of the manifest that was verified.
    """
    path = record_path(root, name)
    with contextlib.suppress(VgbenchError, OSError):
        if status not in (VERIFIED, UNKNOWN):
            path.unlink(missing_ok=True)
            return
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        document = {
            "schema": 1,
            **asdict(Verified(status, now, deep)),
            "manifest": manifest_fingerprint(fingerprints),
            "pins": pins_fingerprint(spec),
            "version": __version__,
        }
        write_record(path, document)


def read_record(
    root: Path, name: str, spec: DatasetSpec | None, fingerprints: Mapping[str, tuple[str, str]]
) -> Verified | None:
    """Read a dataset's record; None where it has none that still counts."""
    try:
        document = json.loads(record_path(root, name).read_bytes())
        counts = (
            document["schema"] == 1
            and document["manifest"] == manifest_fingerprint(fingerprints)
            and document["pins"] == pins_fingerprint(spec)
        )
        found = Verified(str(document["status"]), str(document["at"]), document["deep"] is True)
        datetime.fromisoformat(found.at)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if counts and found.status in (VERIFIED, UNKNOWN) else None


def forget_record(root: Path, name: str) -> None:
    """Remove a dataset's record."""
    record_path(root, name).unlink(missing_ok=True)
    forget_unwritten(record_path(root, name))


def described_fingerprints(splits: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Take the fingerprints from what `read_description` tells."""
    return {name: (told["ground_truth"], told["content"]) for name, told in splits.items()}


def manifest_fingerprint(fingerprints: Mapping[str, tuple[str, str]]) -> str:
    """Hash the fingerprints of all splits, in whatever order they come.

    >>> one = manifest_fingerprint({"val": ("a", "b"), "test": ("c", "d")})
    >>> one == manifest_fingerprint({"test": ("c", "d"), "val": ("a", "b")})
    True
    """
    lines = sorted(f"{split} {' '.join(pair)}\n" for split, pair in fingerprints.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def pins_fingerprint(spec: DatasetSpec | None) -> str | None:
    """Hash what the registry pins of a dataset; titles, notes and addresses do not count."""
    if spec is None:
        return None
    splits = {name: asdict(split) | {"note": None} for name, split in spec.splits.items()}
    editions = [
        asdict(edition) | {"note": None, "images": None, "content": dict(edition.content)}
        for edition in spec.editions
    ]
    digests = [source.sha256 for source in spec.sources]
    pins = [splits, editions, digests, spec.utm_zone, spec.box]
    return hashlib.sha256(json.dumps(pins, sort_keys=True).encode()).hexdigest()
