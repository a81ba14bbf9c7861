"""Memory that is freed and taken again."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator

import pytest

from vgbench import kept_memory


def _takes_large_thresholds() -> bool:
    library, version = platform.libc_ver()
    return library == "glibc" and tuple(map(int, version.split("."))) >= (2, 35)


glibc = pytest.mark.skipif(not _takes_large_thresholds(), reason="needs glibc 2.35")

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


@pytest.fixture
def fresh() -> Iterator[None]:
    kept_memory._glibc.cache_clear()
    yield
    kept_memory._glibc.cache_clear()


def test_without_glibc_nothing_is_called(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(kept_memory.ctypes, "CDLL", None)
    with kept_memory.kept_memory():
        assert kept_memory._users == 1
    assert kept_memory._users == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("MALLOC_TRIM_THRESHOLD_", "0"), ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=4096")],
)
def test_what_the_environment_tells_malloc_is_left_alone(
    fresh: None, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(kept_memory.ctypes, "CDLL", None)
    with kept_memory.kept_memory():
        pass


def test_where_a_large_threshold_is_refused_the_largest_usual_one_is_set() -> None:
    """glibc before 2.35 takes none above 32 MiB, and any call ends its own adaption."""
    told: dict[int, int] = {}

    def mallopt(parameter: int, value: int) -> bool:
        if parameter == kept_memory.M_MMAP_THRESHOLD and value > 32 * 2**20:
            return False
        told[parameter] = value
        return True

    kept_memory._enter(mallopt)
    assert told == {
        kept_memory.M_MMAP_THRESHOLD: 32 * 2**20,
        kept_memory.M_TRIM_THRESHOLD: kept_memory.NEVER_TRIM,
    }
    kept_memory._leave(mallopt, lambda padding: None)
