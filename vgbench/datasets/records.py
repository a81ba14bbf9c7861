"""Small JSON records beside datasets: written whole, and nothing is left of a killed writer.

Unlike `atomic_write`'s, a record's temporary file has one name: the next writer takes it over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vgbench.durable import TEMPORARY_PREFIX, explained, sync_folder


def write_record(path: Path, document: Mapping[str, Any]) -> None:
    """Put a record in place, durably.

    Raises
    ------
    VgbenchError
        When it cannot be written.
    """
    unwritten = unwritten_path(path)
    with explained(path):
        with unwritten.open("wb") as file:
            file.write((json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())
        unwritten.replace(path)
        sync_folder(path.parent)


def forget_unwritten(path: Path) -> None:
    """Remove what a killed process left of writing a record."""
    unwritten_path(path).unlink(missing_ok=True)


def unwritten_path(path: Path) -> Path:
    """Where a record is until it is whole."""
    return path.with_name(f"{TEMPORARY_PREFIX}{path.name}")
