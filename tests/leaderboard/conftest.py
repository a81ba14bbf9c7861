"""Submissions to test with: whole entries whose parts can be replaced."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgbench.leaderboard.submission import Card, Entry, write_submission

OTHER_TRUTH = "a" * 64
"""Not the ground truth that the registry pins: nothing of these made-up entries is recounted."""


def _entry(seed: int = 0, queries: int = 12, database: int = 60, **changes: Any) -> Entry:
    random = np.random.default_rng(seed)
    rows = np.argsort(random.random((queries, database)), axis=1)[:, :20].astype(np.int32)
    distances = np.sort(random.random((queries, 20)).astype(np.float32), axis=1)
    entry = Entry(
        dataset="demo-city",
        split="test",
        ground_truth=OTHER_TRUTH,
        content="b" * 64,
        protocol=1,
        threshold=25.0,
        database=database,
        queries=queries,
        queries_without_positives=1,
        distance="l2",
        dimension=512,
        image_size="native 320x240",
        resize="none",
        hits={1: 5, 5: 7, 10: 8, 20: 9},
        conditions={
            "day": {"queries": 4, "hits": {1: 4, 5: 4, 10: 4, 20: 4}},
            "night": {"queries": queries - 4, "hits": {1: 1, 5: 3, 10: 4, 20: 5}},
        },
        query_paths=[f"queries/@{index:04d}@0@.jpg" for index in range(queries)],
        rows=rows,
        distances=distances,
        descriptors_digest="c" * 64,
        seconds={"extraction": 1.5, "search": 0.25},
        device="cpu",
    )
    return replace(entry, **changes)


@pytest.fixture
def make_entry() -> Callable[..., Entry]:
    """`make_entry(seed, queries=…, database=…, **changes)`: a consistent entry, then changed."""
    return _entry


@pytest.fixture
def submit(tmp_path: Path, make_entry: Callable[..., Entry]) -> Callable[..., Path]:
    """`submit(name, *entries, **card)`: enter it on the board in `board`, one entry by default."""

    def enter(name: str, *entries: Entry, status: str = "verified", **card: Any) -> Path:
        return write_submission(
            Card(name, **card), entries or [make_entry()], tmp_path / "board", status
        )

    return enter


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """The board's folder; not there yet."""
    return tmp_path / "board"


NASTY = "<script>alert(1)</script>[/bold]\x1b[31m|`x`\u202e](javascript:x)\nnext"


@pytest.fixture
def nasty() -> str:
    """A name that tries to be HTML, rich markup, an escape code, Markdown and two lines."""
    return NASTY


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's chromium; skips where it is not there."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not there: make browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()
