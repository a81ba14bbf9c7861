"""What a submission's row may claim: its own word counts only as far as it can be checked."""

from __future__ import annotations

import hashlib
import os
import stat
from functools import cache
from pathlib import Path

from vgbench.datasets import load_registry
from vgbench.leaderboard.entry import Entry

WEIGHTS_FILE = "model.safetensors"
"""What weights are called that lie in a submission's folder."""

LARGEST_WEIGHTS = 100_000_000
"""Bytes beyond which weights do not belong into a submission: GitHub takes no larger file."""


def believed_status(
    entry: Entry, weights_digest: str | None, folder: str | os.PathLike[str] | None = None
) -> str:
    """The status of an entry, weakened where nothing stands behind what it says.

    `verified` needs ground truth that the registry pins, so that anybody can recompute the hits;
    `reproduced` needs weights, too, that come with vgbench or lie in the submission's `folder`, so
    that anybody can run them.
    """
    claimed = entry.status or "unverified"
    if claimed == "published":
        return claimed
    spec = load_registry().get(entry.dataset)
    known = spec.splits.get(entry.split) if spec else None
    if known is None or known.ground_truth is None or known.ground_truth != entry.ground_truth:
        return "unverified"
    if claimed == "reproduced" and find_weights(weights_digest, folder) is None:
        return "verified"
    return claimed


def find_weights(
    weights_digest: str | None, folder: str | os.PathLike[str] | None = None
) -> Path | None:
    """The weights with this SHA-256: the included ones, or those in a submission's folder."""
    if weights_digest is None:
        return None
    if weights_digest == _included_weights():
        from vgbench.models.included import reference_file

        return reference_file()
    if folder is not None and weights_digest == kept_weights(folder):
        return Path(folder) / WEIGHTS_FILE
    return None


def kept_weights(folder: str | os.PathLike[str]) -> str | None:
    """SHA-256 of the weights in a submission's folder; None where there are none to be used."""
    path = Path(folder) / WEIGHTS_FILE
    # Opening a pipe that somebody put there would wait for ever without O_NONBLOCK.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - opens a descriptor
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST_WEIGHTS:
                return None
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


@cache
def _included_weights() -> str | None:
    """SHA-256 of the weights that come with vgbench; None in an installation without them."""
    from vgbench.models.included import reference_file

    path = reference_file()
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
