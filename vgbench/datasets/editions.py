"""Which of several circulating editions an installed dataset is: equal names, other images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from vgbench.datasets.manifest import SplitManifest
from vgbench.datasets.registry import DatasetSpec, Edition

_EVIDENCE = ("content", "archive", "image size")
"""What can tell an edition, strongest first."""


@dataclass(frozen=True)
class EditionReport:
    """What an installed dataset's images tell of its edition.

    Attributes
    ----------
    name
        The edition; None where the registry knows too little to tell, or knows none like it.
    by
        What told it: "content" (the images' fingerprints), "archive" (its digest) or "image size",
        which others may share.
    database_sizes
        Split → "WIDTHxHEIGHT" of every database image in pixels; None where they differ.
    ruled_out
        Edition → why it is not this one.
    """

    name: str | None = None
    by: str | None = None
    database_sizes: Mapping[str, str | None] = field(default_factory=dict)
    ruled_out: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Say it in a few words.

        >>> str(EditionReport("full", "image size")), str(EditionReport(ruled_out={"full": "…"}))
        ('full (by image size)', 'unknown (not full)')
        """
        if self.name:
            return f"{self.name} (by {self.by})"
        return "unknown" + (f" (not {', '.join(self.ruled_out)})" if self.ruled_out else "")

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)


def tell_edition(
    spec: DatasetSpec | None,
    contents: Mapping[str, str],
    sizes: Mapping[str, str | None],
    archive: str | None = None,
) -> EditionReport:
    """Tell which registered edition an installed dataset is.

    Parameters
    ----------
    contents
        Split → content fingerprint.
    sizes
        Split → size of all its database images as "WIDTHxHEIGHT"; None where they differ.
    archive
        Hex SHA-256 of the archive it was installed from, where that is recorded.

    Notes
    -----
    Fingerprints decide over the archive, which may have been packed anew, and both over the image
    size. Where two editions fit equally well, none is named.
    """
    fitting: dict[str, str] = {}
    ruled_out: dict[str, str] = {}
    for edition in spec.editions if spec else ():
        evidence, contradiction = _weigh(edition, contents, sizes, archive)
        if contradiction:
            ruled_out[edition.name] = contradiction
        elif evidence:
            fitting[edition.name] = evidence
    for kind in _EVIDENCE:
        names = [name for name, evidence in fitting.items() if evidence == kind]
        if names:
            one = len(names) == 1
            return EditionReport(names[0] if one else None, kind if one else None, sizes, ruled_out)
    return EditionReport(None, None, sizes, ruled_out)


def content_pins(spec: DatasetSpec | None, split: str) -> tuple[str, ...]:
    """Give the content fingerprints that a split may have: the registry's own, and by edition."""
    if spec is None or split not in spec.splits:
        return ()
    pins = [spec.splits[split].content, *(edition.content.get(split) for edition in spec.editions)]
    return tuple(dict.fromkeys(pin for pin in pins if pin))


def database_sizes(splits: Mapping[str, SplitManifest]) -> dict[str, str | None]:
    """Give the size that all database images of each split have, as `tell_edition` takes it."""
    found: dict[str, str | None] = {}
    for name, split in splits.items():
        if "database" in split.images and len(split.images["database"]):
            shapes = split.images["database"].sizes
            alike = bool((shapes == shapes[0]).all())
            found[name] = size_text(shapes[0].tolist()) if alike else None
    return found


def described_sizes(splits: Mapping[str, Any]) -> dict[str, str | None]:
    """Give the same of what `read_description` tells, without reading a row."""
    return {
        name: size_text(split["roles"]["database"].get("size"))
        for name, split in splits.items()
        if "database" in split["roles"]
    }


def size_text(size: list[int] | None) -> str | None:
    """Write a height and width as the registry does.

    >>> size_text([480, 640])
    '640x480'
    """
    return f"{size[1]}x{size[0]}" if size else None


def _weigh(
    edition: Edition,
    contents: Mapping[str, str],
    sizes: Mapping[str, str | None],
    archive: str | None,
) -> tuple[str | None, str | None]:
    """Give what speaks for an edition, and what against it."""
    pinned = {split: digest for split, digest in edition.content.items() if split in contents}
    others = [split for split, digest in pinned.items() if digest != contents[split]]
    if others:
        return None, f"the images of {', '.join(others)} have another fingerprint"
    if pinned:
        return "content", None
    wanted = edition.database_size
    strange = [f"{split}: {sizes[split] or 'several sizes'}" for split in sizes
               if wanted and sizes[split] != wanted]  # fmt: skip
    if strange:
        return None, f"its database images are {wanted}, here {', '.join(strange)}"
    if edition.archive_sha256 and archive:
        if edition.archive_sha256 == archive:
            return "archive", None
        return None, "its archive has another digest"
    return ("image size", None) if wanted and sizes else (None, None)
