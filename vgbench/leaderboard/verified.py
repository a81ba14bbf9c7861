"""`leaderboard/verified.json`: which submission was verified when, by which vgbench."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TypedDict

from vgbench._version import __version__
from vgbench.durable import TEMPORARY_PREFIX, atomic_write
from vgbench.errors import BoardError
from vgbench.leaderboard.board import board_errors, board_lock, submission_digests
from vgbench.leaderboard.document import TIME_FORMAT
from vgbench.leaderboard.fields import LARGEST_JSON
from vgbench.leaderboard.findings import Report


class Verification(TypedDict):
    """The digest of the `submission.json` that was verified, when, by which version, and whether
    nothing failed."""

    digest: str
    at: str
    version: str
    ok: bool


def verified_path(root: str | os.PathLike[str]) -> Path:
    """Where the record of a board is."""
    return Path(root) / "leaderboard" / "verified.json"


def read_verified(root: str | os.PathLike[str]) -> dict[str, Verification]:
    """What is recorded, by slug; empty where there is no record, or none that can be read."""
    try:
        with verified_path(root).open("rb") as file:
            document = json.loads(file.read(LARGEST_JSON * 64 + 1))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {slug: value for slug, value in document.items() if _is_verification(value)}


def record(root: str | os.PathLike[str], report: Report) -> Path:
    """Write what a report found into the record, durably; forget submissions that are gone.

    Raises
    ------
    BoardError
        When the board cannot be written.
    """
    root = Path(root)
    now = datetime.now(timezone.utc).strftime(TIME_FORMAT)
    new: dict[str, Verification] = {
        entry.submission: {
            "digest": entry.digest, "at": now, "version": __version__, "ok": entry.ok,
        }
        for entry in report.entries
    }  # fmt: skip
    path = verified_path(root)
    with board_lock(root), board_errors(root):
        _sweep(path.parent)
        there = submission_digests(root)
        kept = {slug: found for slug, found in (read_verified(root) | new).items() if slug in there}
        if path.is_dir():
            raise BoardError(f"{path} is a folder: a file of that name is to be written.")
        _write(path, kept)
    return path


def _write(path: Path, found: Mapping[str, Verification]) -> None:
    with atomic_write(path) as file:
        text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False)
        file.write(text.encode("utf-8") + b"\n")


def _sweep(folder: Path) -> None:
    """Remove what a killed writer of the record left; call it while holding the board's lock."""
    for path in folder.glob(f"{TEMPORARY_PREFIX}*.json"):
        with contextlib.suppress(OSError):
            path.unlink()


def _is_verification(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    texts = all(isinstance(value.get(name), str) for name in ("digest", "at", "version"))
    return texts and isinstance(value.get("ok"), bool)
