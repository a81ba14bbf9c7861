"""What to ask a server for when some of a file is there, and what its answer means: no doing.

RFC 9110 (HTTP Semantics) has the rules: ranges in section 14, validators and `If-Range` in 8.8 and
13.1.5.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import requests

from vgbench.datasets.partial import Facts
from vgbench.datasets.patience import Policy, TransferError

OVERLAP = 16 * 1024
"""Bytes asked for again and compared, where nothing else proves that the file is still the same."""


class Source(Protocol):
    """Where a file can be had.

    `label` names it in messages and on disk, without secrets; `if_range` is whether the server can
    be asked for the rest of a file on the condition that it is the same file.
    """

    @property
    def label(self) -> str:
        """Its name."""

    @property
    def if_range(self) -> bool:
        """Whether the condition is honoured."""

    def open(
        self, session: requests.Session, headers: Mapping[str, str], policy: Policy
    ) -> requests.Response:
        """Ask for the file; raises `TransferError` when the answer is none that could be it."""


@dataclass(frozen=True)
class Ask:
    """What to ask for: from byte `start`, of which `overlap` bytes are there already.

    `complete` is that nothing is missing; `same` that the bytes at hand are of this source.
    """

    start: int = 0
    overlap: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False
    same: bool = False


def plan(have: int, known: Facts | None, source: Source, expected: Collection[str] = ()) -> Ask:
    """Decide what to ask a source for.

    Parameters
    ----------
    have, known
        How many bytes are there, and what is known of their file.
    expected
        Digests that the file may have: with exactly one, the bytes of another source may be
        continued, since a mixture would be found out.
    """
    if not have or known is None or known.encoded:
        return Ask()
    same = known.source == source.label
    if not same and not (len(expected) == 1 and known.total is not None):
        return Ask()
    if known.total is not None and have >= known.total:
        return Ask(complete=True, same=same) if have == known.total else Ask()
    condition = None
    if same and source.if_range:
        strong = known.etag and not known.etag.startswith("W/")
        condition = known.etag if strong else known.last_modified
    overlap = 0 if condition and condition == known.etag else min(have, OVERLAP)
    headers = {"Range": f"bytes={have - overlap}-"}
    if condition:
        headers["If-Range"] = condition
    return Ask(have - overlap, overlap, headers, same=same)


def judge(ask: Ask, have: int, known: Facts | None, status: int, headers: Mapping[str, str]) -> str:
    """Decide what an answer means for the bytes at hand.

    Returns
    -------
    str
        "append": the rest follows; "begin": the whole file follows; "complete": nothing is
        missing; "again": the file is another by now, ask for all of it.

    Raises
    ------
    TransferError
        When the answer is a refusal.
    """
    if status == 200:
        return "begin"
    if status == 206 and ask.start + ask.overlap:
        first, total = content_range(headers)
        fits = (
            first == ask.start
            and not is_encoded(headers)
            and known is not None
            and _agree(total, known.total)
            and (not ask.same or _agree(headers.get("ETag"), known.etag))
            and (not ask.same or _agree(headers.get("Last-Modified"), known.last_modified))
        )
        return "append" if fits else "again"
    if status == 416 and ask.headers:
        return "complete" if content_range(headers)[1] == have else "again"
    name = http.client.responses.get(status)
    raise TransferError(f"it answers HTTP {status}" + (f" ({name})" if name else ""))


def is_encoded(headers: Mapping[str, str]) -> bool:
    """Whether the body is packed for the way, so that offsets do not count the file's bytes."""
    return headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity")


def content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Read the first byte and the size of the whole from `Content-Range`."""
    found = re.fullmatch(r"bytes\s+(?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range", ""))
    if not found:
        return None, None
    first, total = found.groups()
    return (int(first) if first else None), (int(total) if total != "*" else None)


def _agree(one: object, other: object) -> bool:
    return one is None or other is None or one == other
