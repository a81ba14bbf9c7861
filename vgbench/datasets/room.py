"""Whether archives that come side by side, and what they unpack to, fit on the disk together."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from vgbench.errors import VgbenchError

UNPACKED = 1.25
"""Bytes on disk per byte of archive: photographs in JPEG hardly shrink, files take whole blocks."""


class Claim(NamedTuple):
    """An archive of `total` bytes that is to come to `target`, through `<target>.part`."""

    target: Path
    total: int

    @property
    def there(self) -> int:
        """Bytes of it on the disk."""
        for path in (self.target, self.target.with_name(f"{self.target.name}.part")):
            try:
                return min(path.stat().st_size, self.total)
            except OSError:
                continue
        return 0


class Room:
    """The space of one data root, claimed by each download as soon as it knows its size.

    Parameters
    ----------
    root
        The data root; exists.
    names
        The datasets, in the order in which they are unpacked.
    keep
        Whether archives stay when they are unpacked.
    """

    def __init__(self, root: Path, names: Iterable[str], keep: bool) -> None:
        self.root, self.keep = root, keep
        self._claims: dict[str, Claim | None] = dict.fromkeys(names)
        self._lock = threading.Lock()

    def claim(self, name: str, target: Path, total: int) -> None:
        """Take room for a dataset beside what others claimed; a later claim replaces an earlier.

        Raises
        ------
        VgbenchError
            When all that is claimed does not fit; this claim is void then, the others stand.
        """
        with self._lock:
            self._claims[name] = Claim(target, total)
            claims = {other: claim for other, claim in self._claims.items() if claim}
            needed = most_needed([claim.total for claim in claims.values()], self.keep)
            needed -= sum(claim.there for claim in claims.values())
            # Asked last: what others write meanwhile makes it less, never more.
            free = shutil.disk_usage(self.root).free
            if needed <= free:
                return
            self._claims[name] = None
        others = [other for other in claims if other != name]
        beside = f" beside {' and '.join(others)}, which come too" if others else ""
        archives = sum(claim.total for claim in claims.values())
        what = ("archives", "them") if others else ("archive", "it")
        raise VgbenchError(
            f"There is no room for {name} in {self.root}{beside}: {needed / 1e9:.2f} GB are "
            f"needed ({archives / 1e9:.2f} GB for the {what[0]}, the rest to unpack {what[1]}), "
            f"{free / 1e9:.2f} GB are free. Choose another place with --data-root or "
            "$VGBENCH_DATA, or free some space."
        )

    def release(self, name: str) -> None:
        """Give the room back of a dataset that does not come."""
        with self._lock:
            self._claims[name] = None


def most_needed(archives: Sequence[int], keep: bool) -> int:
    """Bytes on the disk at the worst moment of unpacking archives one after the other.

    All have come before the first is unpacked; each goes when it is, unless they are kept.

    >>> most_needed([100], keep=False), most_needed([100, 40], keep=False)
    (225, 265)
    >>> most_needed([100, 40], keep=True)
    315
    """
    packed, unpacked, most = sum(archives), 0, 0
    for size in archives:
        unpacked += round(UNPACKED * size)
        most = max(most, packed + unpacked)
        packed -= 0 if keep else size
    return most
