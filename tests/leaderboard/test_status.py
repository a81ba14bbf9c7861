"""A submission's word about itself counts only as far as it can be checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vgbench.datasets import load_registry
from vgbench.leaderboard.entry import Entry
from vgbench.leaderboard.status import believed_status
from vgbench.leaderboard.table import build
from vgbench.models.included import reference_file

PINNED = load_registry()["demo-city"].splits["test"].ground_truth


@pytest.mark.parametrize("claimed", ["verified", "reproduced"])
@pytest.mark.parametrize(
    "change", [{"ground_truth": "0" * 64}, {"dataset": "somewhere"}, {"split": "other"}]
)
def test_without_pinned_ground_truth_nothing_is_verified(
    make_entry: Callable[..., Entry], claimed: str, change: dict[str, str]
) -> None:
    entry = make_entry(status=claimed, ground_truth=PINNED)
    assert believed_status(entry, None) == "verified"
    assert believed_status(replace(entry, **change), None) == "unverified"


def test_only_the_included_weights_are_reproduced(make_entry: Callable[..., Entry]) -> None:
    included = hashlib.sha256(reference_file().read_bytes()).hexdigest()
    entry = make_entry(status="reproduced", ground_truth=PINNED)
    assert believed_status(entry, included) == "reproduced"
    assert believed_status(entry, "f" * 64) == "verified"


def test_a_weaker_claim_stays_as_it_is(make_entry: Callable[..., Entry]) -> None:
    assert believed_status(make_entry(status="unverified"), None) == "unverified"


def test_a_doctored_status_does_not_reach_the_table(
    submit: Callable[..., Path], make_entry: Callable[..., Entry], board: Path
) -> None:
    folder = submit("mine", make_entry(ground_truth="0" * 64, status="unverified"))
    document = folder / "submission.json"
    assert '"unverified"' in document.read_text()
    document.write_text(document.read_text().replace('"unverified"', '"reproduced"'))
    assert json.loads(document.read_text())
    assert [row["status"] for row in build(board).rows] == ["unverified"]
