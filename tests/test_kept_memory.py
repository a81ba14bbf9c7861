"""Memory that is freed and taken again."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")

MEASURE = """
import resource
from vgbench.kept_memory import kept_memory

def faults(rounds=8):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        b"x" * (48 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
"""


def measured(code: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE + code], capture_output=True, text=True, check=True
    )
    return [int(word) for word in done.stdout.split()]


@glibc
def test_what_is_freed_inside_is_taken_again_without_the_system() -> None:
    outside, inside, after = measured(
        "print(faults())\nwith kept_memory():\n    faults(1)\n    print(faults())\nprint(faults())"
    )
    assert inside < outside / 10  # pages of 2 MiB make few faults too
    assert after > outside / 2


@glibc
def test_what_was_kept_is_given_back_at_the_end() -> None:
    before, kept, after = measured(
        "print(resident())\nwith kept_memory():\n    faults(1)\n    print(resident())\n"
        "print(resident())"
    )
    assert kept - before > 40 * 2**20
    assert after - before < 8 * 2**20


@glibc
def test_it_holds_until_the_last_of_several_users_is_done() -> None:
    (inside,) = measured(
        "with kept_memory():\n    with kept_memory():\n        faults(1)\n    print(faults())"
    )
    assert inside < 20


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    from vgbench import kept_memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    kept_memory._glibc.cache_clear()
    try:
        with kept_memory.kept_memory():
            assert kept_memory._users == 1
    finally:
        kept_memory._glibc.cache_clear()
    assert kept_memory._users == 0
