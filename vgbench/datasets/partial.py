"""A file that is being downloaded: `<name>.part`, and beside it what its server said of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from vgbench.durable import atomic_write, sync_folder

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Facts:
    """What a server said of the whole file.

    `encoded` is whether it came packed for the way, so that offsets mean nothing; `total` is in
    bytes, None where it did not say.
    """

    source: str
    total: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    encoded: bool = False


class Partial:
    """The bytes of `target` that have come so far; they outlive the process.

    Attributes
    ----------
    have
        How many there are.
    facts
        What was said of the file that they are of; None when that is not known.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self.sidecar = target.with_name(f"{target.name}.part.json")
        self.path.touch()
        self._file = self.path.open("r+b", buffering=0)
        self.have = self._file.seek(0, os.SEEK_END)
        self.facts = self._read_facts() if self.have else None
        self._digest = hashlib.sha256()
        self._hashed = 0

    def close(self) -> None:
        """Let go of the file, which stays; an empty one goes."""
        self._file.close()
        if not self.have:
            self._remove()

    def begin(self, facts: Facts) -> None:
        """Throw away what there is and begin the file that `facts` are about."""
        self.forget()  # first: a kill in between must not leave old bytes with new facts
        with atomic_write(self.sidecar) as file:
            file.write(json.dumps({"schema": 1, **asdict(facts)}).encode())
        self.facts = facts

    def append(self, data: bytes) -> None:
        """Write the next bytes through to the system, and hash them."""
        self._catch_up()
        view = memoryview(data)
        while view:  # an unbuffered write may take a part only
            written = self._file.write(view) or 0
            self._digest.update(view[:written])
            self.have += written
            self._hashed += written
            view = view[written:]

    def tail(self, count: int) -> bytes:
        """Read the last `count` bytes."""
        self._file.seek(self.have - count)
        data = self._file.read(count)
        self._file.seek(self.have)
        return data

    def sha256(self) -> str:
        """Hex digest of all the bytes."""
        self._catch_up()
        return self._digest.hexdigest()

    def forget(self) -> None:
        """Throw away what there is."""
        self._file.truncate(0)
        self._file.seek(0)
        self.have = self._hashed = 0
        self._digest = hashlib.sha256()
        self.facts = None

    def finish(self) -> Path:
        """Give the file its name, durably."""
        os.fsync(self._file.fileno())
        self._file.close()
        self.path.replace(self.target)
        self.sidecar.unlink(missing_ok=True)
        sync_folder(self.target.parent)
        return self.target

    def _catch_up(self) -> None:
        if self._hashed < self.have:  # of an earlier run: read once, when it goes on
            self._file.seek(self._hashed)
            while self._hashed < self.have:
                block = self._file.read(min(_BLOCK, self.have - self._hashed))
                self._digest.update(block)
                self._hashed += len(block)

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
            self.sidecar.unlink(missing_ok=True)

    def _read_facts(self) -> Facts | None:
        try:
            document = json.loads(self.sidecar.read_bytes())
            if document.pop("schema") != 1:
                return None
            facts = Facts(**document)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        kinds = ((facts.source, str), (facts.total, (int, type(None))),
                 (facts.etag, (str, type(None))), (facts.last_modified, (str, type(None))),
                 (facts.encoded, bool))  # fmt: skip
        return facts if all(isinstance(value, kind) for value, kind in kinds) else None
