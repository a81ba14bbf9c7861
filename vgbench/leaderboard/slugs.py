"""Folder names of submissions: made from a method's name, numbered where the name is taken."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

SLUG_LENGTH = 60
"""Longest slug before a revision is added: paths stay short enough for every file system."""

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
"""What every folder of `submissions/` is called."""

REVISION = re.compile(r"(.+)-r[1-9][0-9]{0,8}")
"""The slug of a later revision, and of the first."""

# Device names that Windows keeps for itself in any folder: a clone there would fail.
_RESERVED = {"con", "prn", "aux", "nul", "clock"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in range(10)
}


def slugify(name: str) -> str:
    """Turn a name into lower-case ASCII words joined by "-"; never empty, never reserved.

    A name without ASCII letters or digits, and one that is too long, ends in eight hexadecimal
    digits of its SHA-256, so that different names stay different.

    >>> slugify("CosPlace (ResNet-18, 512-d)"), slugify("Café ß")
    ('cosplace-resnet-18-512-d', 'cafe-ss')
    >>> slugify("東京")
    'entry-130016b2'
    """
    folded = unicodedata.normalize("NFKD", name.casefold())
    ascii_only = folded.encode("ascii", "ignore").decode("ascii")
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    if not slug:
        return f"entry-{mark}"
    if slug in _RESERVED:
        return f"{slug}-entry"
    if len(slug) > SLUG_LENGTH:
        return f"{slug[: SLUG_LENGTH - 9].strip('-')}-{mark}"
    return slug


def next_revision(slug: str, taken: Iterable[str]) -> tuple[str, int]:
    """The folder name and number of the next entry under `slug`, past every revision there is.

    >>> next_revision("a", []), next_revision("a", ["a", "a-r2", "ab"])
    (('a', 1), ('a-r3', 3))
    """
    pattern = re.compile(rf"{re.escape(slug)}(?:-r([1-9][0-9]{{0,8}}))?")
    # Compared without case: a folder "A" and a folder "a" are one on some file systems.
    matches = [pattern.fullmatch(folder.lower()) for folder in taken]
    numbers = [int(match[1] or 1) for match in matches if match]
    if not numbers:
        return slug, 1
    revision = max(numbers) + 1
    return f"{slug}-r{revision}", revision
