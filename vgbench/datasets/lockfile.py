"""Which archive a dataset was installed from: a record beside its folder, for digests unpublished.

The first download of an archive whose digest the registry does not know writes it; a later download
with other bytes is an error.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from vgbench.datasets.records import write_record
from vgbench.errors import DatasetError


@dataclass(frozen=True)
class Lock:
    """The archive: its file's name, hex SHA-256, size, where it came from, and when (UTC)."""

    file: str
    sha256: str
    bytes: int
    source: str
    recorded: str = ""


def lock_path(root: Path, name: str) -> Path:
    """Where the record of a dataset is: beside its folder."""
    return root / f"{name}.lock.json"


def read_lock(root: Path, name: str) -> Lock | None:
    """Read a dataset's record; None when there is none.

    Raises
    ------
    DatasetError
        When it cannot be read: to go on without would be to accept any bytes.
    """
    path = lock_path(root, name)
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unusable(path, str(error)) from error
    if not isinstance(document, dict) or document.pop("schema", None) != 1:
        raise _unusable(path, "it has no schema 1")
    try:
        lock = Lock(**document)
    except TypeError as error:
        raise _unusable(path, "it has not the fields of such a record") from error
    if not isinstance(lock.sha256, str) or not re.fullmatch("[0-9a-f]{64}", lock.sha256):
        raise _unusable(path, f"sha256 must be 64 hex digits, not {lock.sha256!r}")
    return lock


def write_lock(root: Path, name: str, lock: Lock) -> None:
    """Record the archive that a dataset was installed from, with the time of now."""
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    write_record(lock_path(root, name), {"schema": 1, **asdict(lock), "recorded": now})


def _unusable(path: Path, why: str) -> DatasetError:
    return DatasetError(
        f"{path}, the record of the archive that was installed, cannot be used: {why}. Delete it "
        "to accept whatever comes next."
    )
