"""A file on a server of which only the parts that are read are fetched, by HTTP Range requests."""

from __future__ import annotations

import re
from collections.abc import Iterator

import requests
from urllib3.exceptions import HTTPError, MaxRetryError, ProtocolError

from vgbench.datasets.asking import Source
from vgbench.datasets.parts import Joined
from vgbench.datasets.patience import Meter, Patience, Policy, TransferError

_END = 128 * 1024
"""Bytes of the end that are fetched first: a zip's directory begins there, or all of it is."""


class RemoteFile(Joined):
    """A file at a source, to read from as if it were here; for one thread.

    Attributes
    ----------
    size
        Bytes of the file.
    received
        Bytes that came so far.

    Raises
    ------
    TransferError
        When the server gives no parts of the file, or cannot be reached.
    """

    def __init__(
        self, source: Source, session: requests.Session, policy: Policy, meter: Meter | None = None
    ) -> None:
        super().__init__([])
        self.source, self.session, self.policy = source, session, policy
        self.meter = meter or Meter()
        self.received = 0
        self._facts: tuple[str | None, str | None] | None = None
        self._blocks: list[tuple[int, bytes]] = []
        self._fetch(0, 4)
        self.starts = [0]
        at = max(0, self.size - _END)
        self._end = (at, self._fetch(at, self.size - at))

    def read_at(self, at: int, count: int) -> bytes:
        """Read `count` bytes from byte `at` on; fewer where the end comes first."""
        end = min(at + count, self.size)
        if at >= end:
            return b""
        for start, data in (*self._blocks, self._end):
            if start <= at and end <= start + len(data):
                return data[at - start : end - start]
        return self._fetch(at, end - at)

    def prefetch(self, at: int, count: int) -> None:
        """Fetch in one request what will be read next; it stays until the next call."""
        self._blocks = []
        self._blocks = [(at, self.read_at(at, count))]

    def _fetch(self, at: int, count: int) -> bytes:
        """Ask until all of it is here, going on where the connection broke off."""
        found = bytearray()
        patience = Patience.of(self.policy, self.meter)
        while len(found) < count:
            before = len(found)
            try:
                self._ask(at + before, count - before, found)
            except (HTTPError, OSError) as error:
                if len(found) > before:
                    patience = Patience.of(self.policy, self.meter)
                try:
                    patience = patience.increment("GET", self.source.label, error=error)
                except MaxRetryError:
                    raise TransferError(
                        f"the connection broke off {self.policy.tries + 1} times"
                    ) from error
                patience.sleep()
        return bytes(found)

    def _ask(self, at: int, count: int, into: bytearray) -> None:
        headers = {"Range": f"bytes={at}-{at + count - 1}"}
        with self.source.open(self.session, headers, self.policy) as response:
            self._check(response, at)
            wanted = len(into) + count
            for block in _blocks(response, self.policy.block):
                self.meter.check()
                self.received += len(block)
                into += block[: wanted - len(into)]
                if len(into) == wanted:
                    return
        raise ProtocolError("a part broke off")

    def _check(self, response: requests.Response, at: int) -> None:
        headers = response.headers
        if response.status_code == 200:
            raise TransferError("it gives no parts of files")
        if response.status_code != 206:
            raise TransferError(f"it answers HTTP {response.status_code}")
        found = re.fullmatch(r"bytes\s+(\d+)-\d+/(\d+)", headers.get("Content-Range", ""))
        encoded = headers.get("Content-Encoding", "identity").strip().lower()
        if found is None or int(found[1]) != at or encoded not in ("", "identity"):
            raise TransferError("it gives other parts than those it is asked for")
        facts = (headers.get("ETag"), headers.get("Last-Modified"))
        if self._facts is None:
            self._facts, self.size = facts, int(found[2])
        same = all(one is None or other is None or one == other
                   for one, other in zip(facts, self._facts, strict=True))  # fmt: skip
        if not same or self.size != int(found[2]):
            raise TransferError("the file changes from one answer to the next")


def _blocks(response: requests.Response, size: int) -> Iterator[bytes]:
    raw = response.raw
    if raw.chunked:
        yield from raw.stream(size, decode_content=False)
        return
    while block := raw.read1(size, decode_content=False):
        yield block
