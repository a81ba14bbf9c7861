"""What verification finds: a list of checks for each entry, each passed, warned of or failed."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vgbench.errors import VgbenchError
from vgbench.leaderboard.entry import STATUSES

PASSED, WARNING, FAILED = "passed", "warning", "failed"

SIGNS = {PASSED: "✓", WARNING: "⚠", FAILED: "✗"}
"""How outcomes are shown; what could not be checked is a warning, never a pass."""

CHECKS = {
    "files": "the folder holds what belongs to a submission, and nothing else",
    "schema": "submission.json has every field, of the right type and within its range",
    "digests": "the predictions files hold what submission.json says",
    "ranges": "as many images and queries as the dataset has, and rows within its database",
    "unique rows": "no database image twice for one query",
    "distances": "distances are finite, possible for their kind, and never fall along a row",
    "query paths": "the queries are the dataset's, in its order",
    "fingerprint": "the ground truth is the one that the registry pins",
    "content": "the images are of an edition that the registry knows",
    "hits": "counted again from the predictions and the ground truth, the hits are those stated",
    "conditions": "the same for each condition",
    "numbers": "percentages as printed can be counts of that many queries",
    "status": "the status claims no more than can be checked",
    "weights": "the digest is that of the weights that are here",
    "copies": "the predictions are not those of another entry",
    "history": "submission.json is what it was when it was verified before",
    "reproduced": "the weights, run again, give these predictions",
}
"""Every check by name, in the order in which they are listed, and what it holds when passed."""


class Check(NamedTuple):
    """One thing that was looked at: its name of `CHECKS`, an outcome, and what to know of it."""

    name: str
    outcome: str
    message: str

    @property
    def sign(self) -> str:
        """✓, ⚠ or ✗."""
        return SIGNS[self.outcome]


@dataclass(frozen=True, eq=False)
class Verified:
    """One submission's checks.

    `status` is what it may claim, None where it does not read; `digest` that of its
    `submission.json`; `results` are as `vgbench evaluate` prints them.
    """

    submission: str
    name: str | None
    status: str | None
    digest: str
    checks: tuple[Check, ...]
    results: tuple[dict[str, Any], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(check.outcome != FAILED for check in self.checks)

    def failed(self) -> list[str]:
        """The names of the checks that failed."""
        return [check.name for check in self.checks if check.outcome == FAILED]

    def to_json(self) -> dict[str, Any]:
        """The entry as `vgbench verify --json` prints it."""
        return {
            "submission": self.submission,
            "name": self.name,
            "status": self.status,
            "ok": self.ok,
            "checks": [check._asdict() for check in self.checks],
            "results": list(self.results),
        }


@dataclass(frozen=True, eq=False)
class Report:
    """What was found of several submissions, by slug.

    `problems` and `notes` are of a proposed change as a whole, see
    `vgbench.leaderboard.pull_requests`; None where none was looked at.
    """

    entries: tuple[Verified, ...]
    problems: tuple[str, ...] | None = None
    notes: tuple[str, ...] | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing failed, and the change is one that may be made."""
        return all(entry.ok for entry in self.entries) and not self.problems

    def to_json(self) -> dict[str, Any]:
        """The document that `vgbench verify --json` prints."""
        document: dict[str, Any] = {"entries": [entry.to_json() for entry in self.entries]}
        if self.problems is not None:
            document["change"] = {
                "ok": not self.problems,
                "problems": list(self.problems),
                "notes": list(self.notes or ()),
            }
        return document | {"ok": self.ok}


def in_order(checks: Sequence[Check]) -> tuple[Check, ...]:
    """The checks in the order of `CHECKS`, those of one name as they came."""
    places = {name: place for place, name in enumerate(CHECKS)}
    return tuple(sorted(checks, key=lambda check: places[check.name]))


def read_report(path: str | os.PathLike[str]) -> Report:
    """Read a report that `vgbench verify --json` printed, perhaps on a stranger's machine.

    Nothing in it is believed to be more than text: outcomes and names of checks are those there
    are, and what does not fit is refused.

    Raises
    ------
    VgbenchError
        When it is no such report.
    """
    try:
        with Path(path).open("rb") as file:
            document = json.loads(file.read(_LARGEST_REPORT))
        change = document.get("change")
        return Report(
            entries=tuple(_read_entry(entry) for entry in document["entries"]),
            problems=None if change is None else _texts(change["problems"]),
            notes=None if change is None else _texts(change["notes"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise VgbenchError(f"{path} is no report of vgbench verify --json: {error}.") from error


_LARGEST_REPORT = 64 * 2**20


def _read_entry(raw: dict[str, Any]) -> Verified:
    checks = [Check(one["name"], one["outcome"], one["message"]) for one in raw["checks"]]
    for check in checks:
        if check.name not in CHECKS or check.outcome not in SIGNS:
            raise ValueError(f"there is no check {str(check.name)[:40]!r} or no such outcome")
    results = tuple(_read_result(one) for one in raw["results"])
    name, status = raw["name"], raw["status"]
    if status is not None and status not in STATUSES:
        raise ValueError("there is no such status")
    _texts([raw["submission"], *[text for text in (name, status) if text is not None]])
    _texts([check.message for check in checks])
    return Verified(raw["submission"], name, status, "", in_order(checks), results)


def _read_result(raw: dict[str, Any]) -> dict[str, Any]:
    _texts([raw["dataset"], raw["split"]])
    recalls = {str(int(n)): float(value) for n, value in raw["recall"].items()}
    intervals = {
        str(int(n)): [float(low), float(high)] for n, (low, high) in raw["interval"].items()
    }
    return {**raw, "recall": recalls, "interval": intervals}


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("texts are expected")
    return tuple(values)
