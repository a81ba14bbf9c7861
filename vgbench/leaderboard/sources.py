"""What the table is derived from: submissions, withdrawals, weights beside them, published numbers.

One fingerprint over all of it tells whether a table still is what its sources give.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from vgbench.leaderboard.fields import LARGEST_JSON
from vgbench.leaderboard.slugs import SLUG
from vgbench.leaderboard.text import clean_text

SUBMISSION_FILE = "submission.json"

WITHDRAWN_FILE = "withdrawn.txt"
"""A file of this name in a submission's folder takes it off the board; its text is the reason."""

WEIGHTS_FILE = "model.safetensors"
"""What weights are called that lie in a submission's folder."""

LONGEST_REASON = 500
LARGEST_CSV = 64 * 2**20


class Source(NamedTuple):
    """A submission's folder: what tells whether its rows are still right.

    Attributes
    ----------
    digest
        SHA-256 of `submission.json`; "" where it cannot be read.
    withdrawn
        Why it was withdrawn; None where it was not.
    weights
        Bytes of the weights in the folder; None where there are none.
    """

    digest: str
    withdrawn: str | None = None
    weights: int | None = None


@dataclass(frozen=True)
class Sources:
    """Everything that a board's table is derived from.

    Attributes
    ----------
    submissions
        By folder name, sorted.
    published
        SHA-256 of each CSV file of published numbers by file name, sorted.
    """

    submissions: Mapping[str, Source]
    published: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all of it.

        >>> Sources({}, {}).fingerprint[:12]
        'dee36ace772e'
        """
        text = json.dumps([self.submissions, self.published], sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    @property
    def weights(self) -> dict[str, int]:
        """Bytes of the weights by submission, where a folder holds any."""
        return {
            slug: source.weights
            for slug, source in self.submissions.items()
            if source.weights is not None
        }


def read_sources(folder: Path) -> Sources:
    """Look through `submissions/`; names that begin with a dot are passed over."""
    submissions = {}
    published = {}
    for entry in scan(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            # A link could lead anywhere on the reader's machine: it is listed and never followed.
            plain = not entry.is_symlink() and SLUG.fullmatch(entry.name)
            submissions[entry.name] = _source(entry.path) if plain else Source("")
        elif entry.name.endswith(".csv"):
            content = plain_bytes(entry.path, LARGEST_CSV)
            published[entry.name] = "" if content is None else hashlib.sha256(content).hexdigest()
    return Sources(dict(sorted(submissions.items())), dict(sorted(published.items())))


def scan(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing where there is none."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def plain_bytes(path: str, most: int) -> bytes | None:
    """The first `most` bytes of a plain file; None where it is a link, a pipe, or is missing."""
    # Opening a pipe that somebody put there would wait for ever without O_NONBLOCK.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with (
        contextlib.suppress(OSError),
        open(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file,  # noqa: PTH123
    ):
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file.read(most)
    return None


def _source(folder: str) -> Source:
    # What is longer is refused when it is read; its first bytes tell whether it changed.
    text = plain_bytes(f"{folder}/{SUBMISSION_FILE}", LARGEST_JSON + 1)
    return Source(
        "" if text is None else hashlib.sha256(text).hexdigest(),
        _reason(folder),
        _plain_size(f"{folder}/{WEIGHTS_FILE}"),
    )


def _reason(folder: str) -> str | None:
    path = f"{folder}/{WITHDRAWN_FILE}"
    if not os.path.lexists(path):
        return None
    content = plain_bytes(path, 8 * LONGEST_REASON) or b""
    return clean_text(content.decode("utf-8", "replace"))[:LONGEST_REASON] or "no reason given"


def _plain_size(path: str) -> int | None:
    with contextlib.suppress(OSError):
        facts = os.lstat(path)
        if stat.S_ISREG(facts.st_mode):
            return facts.st_size
    return None
