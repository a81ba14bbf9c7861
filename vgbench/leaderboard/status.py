"""What a submission's row may claim: its own word counts only as far as it can be checked."""

from __future__ import annotations

import hashlib
from functools import cache

from vgbench.datasets import load_registry
from vgbench.leaderboard.entry import Entry


def believed_status(entry: Entry, weights_digest: str | None) -> str:
    """The status of an entry, weakened where nothing stands behind what it says.

    `verified` needs ground truth that the registry pins, so that anybody can recompute the hits;
    `reproduced` needs weights, too, that come with vgbench, so that anybody can run them.
    """
    claimed = entry.status or "unverified"
    if claimed == "published":
        return claimed
    spec = load_registry().get(entry.dataset)
    known = spec.splits.get(entry.split) if spec else None
    if known is None or known.ground_truth is None or known.ground_truth != entry.ground_truth:
        return "unverified"
    if claimed == "reproduced" and (
        weights_digest is None or weights_digest != _included_weights()
    ):
        return "verified"
    return claimed


@cache
def _included_weights() -> str | None:
    """SHA-256 of the weights that come with vgbench; None in an installation without them."""
    from vgbench.models.included import reference_file

    path = reference_file()
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
