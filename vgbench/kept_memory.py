"""Keeping freed memory in the process while a network runs: `kept_memory`.

A network takes and frees the same large blocks for every batch. glibc's malloc hands blocks above
32 MiB back to the system each time, and the system clears every page of them when they are taken
anew: a quarter of the time of a training step, and a tenth of that of describing images of a
megapixel. Threads but the main one gain less, since glibc gives them blocks up to 64 MiB only, and
before glibc 2.35 so does the main one: no threshold above 32 MiB is taken there.
"""

from __future__ import annotations

import ctypes
import os
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

# Parameters of mallopt(3), from glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

NEVER_TRIM = -1
LARGEST = 2**31 - 1
"""Bytes: a parameter is a C int. What is larger still goes back to the system."""

USUAL_MMAP_THRESHOLD, USUAL_TRIM_THRESHOLD = 32 * 2**20, 64 * 2**20
"""Where malloc's own adaption of the two ends, by mallopt(3), on 64-bit systems."""

_lock = threading.Lock()
_users = 0


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let malloc keep what is freed, until the last block of this kind is left.

    It is given back to the system then. The memory that the process holds stays at its peak
    meanwhile, which it would reach again with every batch. Afterwards malloc's thresholds stay at
    the values that its own adaption ends at. Nothing is changed without glibc, nor where the
    environment sets malloc's thresholds: whoever did knows why.
    """
    mallopt, trim = _glibc()
    _enter(mallopt)
    try:
        yield
    finally:
        _leave(mallopt, trim)


def _enter(mallopt: Callable[[int, int], Any]) -> None:
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            if not mallopt(M_MMAP_THRESHOLD, LARGEST):
                mallopt(M_MMAP_THRESHOLD, USUAL_MMAP_THRESHOLD)
            mallopt(M_TRIM_THRESHOLD, NEVER_TRIM)


def _leave(mallopt: Callable[[int, int], Any], trim: Callable[[int], Any]) -> None:
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            mallopt(M_MMAP_THRESHOLD, USUAL_MMAP_THRESHOLD)
            mallopt(M_TRIM_THRESHOLD, USUAL_TRIM_THRESHOLD)
            trim(0)


@cache
def _glibc() -> tuple[Callable[[int, int], Any], Callable[[int], Any]]:
    """`mallopt` and `malloc_trim`, or two functions that do nothing."""
    told = any(name.startswith("MALLOC_") for name in os.environ) or (
        "malloc" in os.environ.get("GLIBC_TUNABLES", "")
    )
    if platform.libc_ver()[0] == "glibc" and not told:
        library = ctypes.CDLL(None)
        return library.mallopt, library.malloc_trim
    return lambda parameter, value: None, lambda padding: None
