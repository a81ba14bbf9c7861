"""What verification found of a dataset, as values: each split, its archive, and the whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vgbench.datasets.editions import EditionReport
from vgbench.datasets.facts import DIFFERS, UNKNOWN, Fact, decided
from vgbench.datasets.verified import CONTRADICTS, DAMAGED, VERIFIED


@dataclass(frozen=True)
class SplitReport:
    """What verification found of one split; all paths are canonical.

    Attributes
    ----------
    images
        How many the manifest has.
    missing, extra, changed, undecodable
        Images in the manifest and not on disk; on disk and not in the manifest; of other bytes
        than in the manifest; that do not decode (told of all images only by a deep check).
    broken
        Those missing or changed: what a repair brings back.
    duplicates
        Groups of images that are the same, byte for byte. Datasets have such images; they are
        told, and are no failure.
    mismatches
        How the split contradicts the registry or its own manifest.
    facts
        Numbers of images, UTM zone, bounding box, queries with a positive and fingerprints, each
        with what the registry pins.
    ground_truth, content
        "agrees", "differs" (another edition, for content), or "unknown" where nothing is pinned.
    """

    split: str
    images: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    changed: tuple[str, ...]
    undecodable: tuple[str, ...]
    broken: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]
    mismatches: tuple[str, ...]
    facts: tuple[Fact, ...]
    ground_truth: str
    content: str

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong: the split is what its manifest says, and no pin differs."""
        return self.status not in (DAMAGED, CONTRADICTS)

    @property
    def status(self) -> str:
        """One of "damaged", "contradicts", "unknown" (too little is pinned), "verified"."""
        if self.missing or self.extra or self.changed or self.undecodable:
            return DAMAGED
        if self.mismatches:
            return CONTRADICTS
        return VERIFIED if decided(self.facts) else UNKNOWN


@dataclass(frozen=True)
class ArchiveReport:
    """The archive that a dataset was installed from, by its record.

    `state` is whether the registry pins its digest: "agrees", "differs" or "unknown", also where
    there is no record; `problem` says what is wrong with the record or with an archive that was
    kept.
    """

    sha256: str | None = None
    bytes: int | None = None
    source: str | None = None
    state: str = UNKNOWN
    problem: str | None = None


@dataclass(frozen=True)
class VerificationReport:
    """What verification found of a dataset; `deep` when every image was read and decoded."""

    dataset: str
    folder: Path
    registered: bool
    deep: bool
    splits: tuple[SplitReport, ...]
    edition: EditionReport
    archive: ArchiveReport

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, be it verified or unknown."""
        return self.status not in (DAMAGED, CONTRADICTS)

    @property
    def status(self) -> str:
        """The worst of the splits' and the archive's: damaged, contradicts, unknown, verified."""
        found = {split.status for split in self.splits}
        if self.archive.state == DIFFERS or self.archive.problem:
            found.add(CONTRADICTS)
        return next(
            s for s in (DAMAGED, CONTRADICTS, UNKNOWN, VERIFIED) if s in (found or {UNKNOWN})
        )

    def to_json(self) -> dict[str, Any]:
        """Give the same as plain values; the whole and each split with its `ok` and `status`."""
        plain = asdict(self) | {"folder": str(self.folder), "ok": self.ok, "status": self.status}
        for described, split in zip(plain["splits"], self.splits, strict=True):
            described |= {"ok": split.ok, "status": split.status}
        return plain
