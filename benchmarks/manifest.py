"""What a manifest costs beside a bare loop that hashes the same bytes, and what reopening costs.

    python benchmarks/manifest.py [--images 28191] [--kilobytes 10]

Draws that many small JPEG files into a temporary folder, so that nothing needs to be downloaded.
All files were just written: both sides read them from the operating system's cache. Every figure is
the median of the rounds, which alternate; the ratio is the one to quote.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from vgbench.datasets.layout import find_layout
from vgbench.datasets.manifest import build_manifest
from vgbench.datasets.manifest_file import read_manifest, write_manifest

REOPEN = """
import time
started = time.perf_counter()
import numpy
numpy_there = time.perf_counter()
from vgbench.datasets import load_dataset
dataset = load_dataset("benchmark")
usable = time.perf_counter()
print(numpy_there - started, usable - numpy_there)
"""


def main() -> None:
    """Run all measurements and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=28_191, help="as many as SF-XS test has")
    parser.add_argument("--kilobytes", type=int, default=10, help="about, for each image")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "city"
        draw(folder, given.images, given.kilobytes * 1000)
        scan(folder, given.rounds)
        reopen(folder, Path(temporary) / "data", given.rounds)


def draw(folder: Path, count: int, size: int) -> None:
    """Write JPEG files with names like SF-XS's; no two are equal."""
    random = np.random.default_rng(0)
    side = 224
    block = 8 if size < 15_000 else 4
    pixels = np.kron(
        random.integers(0, 255, (side // block, side // block, 3)), np.ones((block, block, 1))
    )
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=85)
    base = file.getvalue()
    base += b"\0" * max(0, size - len(base) - 100) + b"\xff\xd9"
    queries = max(1, count // 28)
    for role, images in (("database", count - queries), ("queries", queries)):
        where = folder / "test" / role
        where.mkdir(parents=True)
        for index in range(images):
            east, north = random.uniform(543_000, 556_000), random.uniform(4_171_000, 4_185_000)
            name = f"@{east:010.2f}@{north:010.2f}@10@S@@@{index:022}@@134@@@@201311@@.jpg"
            (where / name).write_bytes(base + index.to_bytes(4, "little") + role.encode())


def scan(folder: Path, rounds: int) -> None:
    """Compare building a manifest, once from nothing and once from a previous one."""
    layout = find_layout(folder)
    paths = [str(path) for path in sorted(folder.rglob("*.jpg"))]
    total = sum(os.path.getsize(path) for path in paths)  # noqa: PTH202

    def bare() -> None:
        for path in paths:
            with open(path, "rb") as file:  # noqa: PTH123
                hashlib.sha256(file.read()).digest()

    manifest = build_manifest(layout, folder)

    def build() -> None:
        build_manifest(layout, folder)

    def renew() -> None:
        build_manifest(layout, folder, previous=manifest)

    seconds = alternate({"bare": bare, "build": build, "renew": renew}, rounds)
    print(f"{len(paths):,} images, {total / 1e6:,.0f} MB, {os.cpu_count()} cores")
    print(f"bare loop: open, read, SHA-256, one thread   {seconds['bare']:7.3f} s    1.00")
    for label, key in (
        ("manifest from nothing (names, sizes, digests)", "build"),
        ("manifest from the previous one, no change  ", "renew"),
    ):
        print(f"{label}{seconds[key]:7.3f} s    {seconds[key] / seconds['bare']:.2f}")


def reopen(folder: Path, root: Path, rounds: int) -> None:
    """Measure opening the manifest of an installed dataset, here and in a fresh process."""
    installed = root / "benchmark"
    installed.mkdir(parents=True)
    write_manifest(build_manifest(find_layout(folder), installed), installed / "manifest.parquet")
    size = (installed / "manifest.parquet").stat().st_size
    again = alternate({"read": lambda: read_manifest(installed / "manifest.parquet")}, rounds)
    fresh = []
    for _ in range(rounds):
        result = subprocess.run(
            [sys.executable, "-c", REOPEN],
            env=os.environ | {"VGBENCH_DATA": str(root)},
            capture_output=True,
            text=True,
            check=True,
        )
        fresh.append([float(value) for value in result.stdout.split()])
    numpy_import, load = np.median(fresh, axis=0)
    print(f"reading its manifest again ({size / 1e6:.1f} MB)        {again['read'] * 1000:7.1f} ms")
    print(f"load_dataset in a fresh process, imports included {load * 1000:5.0f} ms")
    print(f"  beside importing numpy, which it needs          {numpy_import * 1000:5.0f} ms")


def alternate(work: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each, rounds interleaved, so that a busy machine is as unfair to all."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, function in work.items():
            started = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


if __name__ == "__main__":
    main()
