"""One archive from one source: streamed, resumed where it broke off, and held to what it must be.

What to ask for and what an answer means is decided in `vgbench.datasets.asking`.
"""

from __future__ import annotations

import contextlib
import re
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError, MaxRetryError, ProtocolError

from vgbench.datasets.archives import is_archive
from vgbench.datasets.asking import Ask, Source, content_range, is_encoded, judge, plan
from vgbench.datasets.partial import Facts, Partial
from vgbench.datasets.patience import Meter, Patience, Policy, TransferError, open_session

FRESH_STARTS = 2
"""How often one download may begin anew because the file or the server changed its mind."""

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")


@dataclass(frozen=True)
class Fetched:
    """A file that has come: `received` bytes by this call, the others earlier."""

    path: Path
    source: str
    bytes: int
    received: int
    sha256: str


def fetch(
    source: Source,
    target: Path,
    expected: Collection[str] = (),
    policy: Policy | None = None,
    meter: Meter | None = None,
    room: Callable[[int | None, int], None] = lambda total, have: None,
) -> Fetched:
    """Bring an archive to `target`, going on from what an earlier try left beside it.

    Parameters
    ----------
    expected
        Hex SHA-256 digests that it may have; empty when none is known.
    room
        Called with the file's size (None if unknown) and the bytes at hand before more are
        written; raises where there is not enough room.

    Raises
    ------
    TransferError
        When this source cannot give the file; says why. What came stays for the next try, unless
        it is worthless.
    """
    policy, meter = policy or Policy(), meter or Meter()
    with open_session(policy, meter) as session, contextlib.closing(Partial(target)) as part:
        return _Transfer(source, part, frozenset(expected), policy, meter, room).run(session)


class _Transfer:
    """The doing: asks, streams, goes on where it broke off."""

    def __init__(
        self,
        source: Source,
        part: Partial,
        expected: frozenset[str],
        policy: Policy,
        meter: Meter,
        room: Callable[[int | None, int], None],
    ) -> None:
        self.source, self.part, self.expected = source, part, expected
        self.policy, self.meter, self.room = policy, meter, room
        self.received = self.fresh = 0
        self.mixed = part.have > 0  # holds bytes of an earlier run

    def run(self, session: requests.Session) -> Fetched:
        patience = Patience.of(self.policy, self.meter)
        furthest = self.part.have
        while True:
            try:
                done = self._once(session)
            except (HTTPError, OSError) as error:
                if not isinstance(error, HTTPError) and not _of_network(error):
                    raise  # the disk's
                if (gained := self.part.have - furthest) > 0:
                    furthest = self.part.have
                    patience = Patience.of(self.policy, self.meter)
                    if gained < self.policy.block:  # a drop at a time: not in a hurry
                        self.meter.stop.wait(self.policy.backoff)
                try:
                    patience = patience.increment("GET", self.source.label, error=error)
                except MaxRetryError:
                    raise TransferError(self._broken()) from error
                patience.sleep()
                continue
            if done and self._is_right():
                digest, size = self.part.sha256(), self.part.have
                return Fetched(self.part.finish(), self.source.label, size, self.received, digest)

    def _once(self, session: requests.Session) -> bool:
        """Ask once and take what comes; True when the file is complete."""
        part = self.part
        ask = plan(part.have, part.facts, self.source, self.expected)
        if ask.complete:
            return True
        with self.source.open(session, ask.headers, self.policy) as response:
            verdict = judge(ask, part.have, part.facts, response.status_code, response.headers)
            if verdict == "complete":
                return True
            if verdict == "again":
                self._start_over("the file or its size changes from one answer to the next")
                return False
            if verdict == "append":
                return self._append(ask, response)
            return self._begin(response)

    def _begin(self, response: requests.Response) -> bool:
        facts = _facts(self.source.label, response)
        if facts.total is not None and facts.total > self.policy.bytes:
            raise TransferError(f"it has {facts.total:,} bytes, more than {self.policy.bytes:,}")
        blocks = _blocks(response, self.policy.block, facts.encoded)
        head = b""
        for block in blocks:
            head += block
            if len(head) >= tarfile.BLOCKSIZE:
                break
        if len(head) >= tarfile.BLOCKSIZE or not facts.total or len(head) >= facts.total:
            refuse_no_archive(head, response.headers.get("Content-Type", ""))
        self.room(facts.total, 0)
        self.mixed = False
        self.part.begin(facts)
        return self._stream(chain([head], blocks), facts.total)

    def _append(self, ask: Ask, response: requests.Response) -> bool:
        total = content_range(response.headers)[1]
        self.room(total, self.part.have)
        blocks = _blocks(response, self.policy.block, encoded=False)
        head = b""
        while len(head) < ask.overlap and (block := next(blocks, b"")):
            head += block
        if len(head) < ask.overlap:
            raise ProtocolError("broken off in the bytes to compare")
        if ask.overlap and head[: ask.overlap] != self.part.tail(ask.overlap):
            self._start_over("the file changes from one answer to the next")
            return False
        return self._stream(chain([head[ask.overlap :]], blocks), total)

    def _stream(self, blocks: Iterable[bytes], total: int | None) -> bool:
        self.meter.at(self.part.have, total)
        for block in blocks:
            self.meter.check()
            self.part.append(block)
            self.received += len(block)
            self.meter.at(self.part.have, total)
            if self.part.have > self.policy.bytes:
                self.part.forget()
                raise TransferError(f"it has more than {self.policy.bytes:,} bytes")
        if total is not None and self.part.have < total:
            raise ProtocolError(f"{self.part.have:,} of {total:,} bytes came")
        return True

    def _is_right(self) -> bool:
        """Whether the complete file is what it must be; else forget it, once to try again."""
        digest = self.part.sha256()
        if self.expected and digest not in self.expected:
            wanted = " or ".join(sorted(self.expected))
            problem = (
                f"it gives another file: SHA-256 {digest} instead of {wanted} (another edition, or "
                "damaged on the way)"
            )
        elif not is_archive(self.part.path):
            size = self.part.have
            problem = f"the {size:,} bytes that it gives are no complete zip or tar archive"
        else:
            return True
        self.part.forget()
        if not self.mixed:
            raise TransferError(problem)
        self.mixed = False
        return False

    def _start_over(self, reason: str) -> None:
        self.part.forget()
        self.mixed = False
        self.fresh += 1
        if self.fresh > FRESH_STARTS:
            raise TransferError(f"{reason}; gave up after {self.fresh} fresh starts")

    def _broken(self) -> str:
        total = self.part.facts.total if self.part.facts else None
        of = f" of {total:,}" if total else ""
        return (
            f"the connection broke off {self.policy.tries + 1} times after {self.part.have:,}{of} "
            "bytes"
        )


def refuse_no_archive(head: bytes, content_type: str) -> None:
    """Refuse what does not begin like a zip or tar archive, a web page before all.

    Raises
    ------
    TransferError
        Says what it seems to be instead.
    """
    if head.startswith(_MAGIC):
        return
    with contextlib.suppress(tarfile.TarError):
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
        return
    if "html" in content_type.lower() or re.match(rb"(?i)\s*(<!doctype html|<html)", head):
        found = re.search(rb"(?is)<title[^>]*>(.*?)</title>", head)
        title = " ".join(found[1].decode("utf-8", "replace").split())[:80] if found else ""
        raise TransferError("it gives a web page" + (f", {title!r}" if title else "")
                            + ", not an archive")  # fmt: skip
    # The server's words end up on a terminal: letters only.
    kind = re.sub(r"(?as)[^\w.+/-].*", "", content_type) or "something"
    what = f"{kind} that begins {bytes(head[:8])!r}" if head else "no bytes"
    raise TransferError(f"it gives {what}, not a zip or tar archive")


def _blocks(response: requests.Response, size: int, encoded: bool) -> Iterator[bytes]:
    """Give the body as it comes: what came before a break is not lost to a half-filled block."""
    raw = response.raw
    if encoded or raw.chunked:
        yield from raw.stream(size, decode_content=encoded)
        return
    while block := raw.read1(size, decode_content=False):
        yield block


def _facts(source: str, response: requests.Response) -> Facts:
    headers = response.headers
    # Some servers call a packed file's own packing an encoding; undone, it were another file.
    encoded = is_encoded(headers) and not source.lower().endswith((".gz", ".tgz"))
    length = headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() and not encoded else None
    if headers.get("Transfer-Encoding"):
        total = None
    return Facts(source, total, headers.get("ETag"), headers.get("Last-Modified"), encoded)


def _of_network(error: OSError) -> bool:
    import ssl

    return isinstance(error, (ConnectionError, TimeoutError, ssl.SSLError))
