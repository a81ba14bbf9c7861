"""A dataset of SF-XL's size: 2.8 million names in a manifest, and no image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vgbench.datasets.manifest import Images, Manifest, make_split
from vgbench.datasets.manifest_file import MANIFEST, write_manifest
from vgbench.datasets.pathlist import PathList
from vgbench.retrieval import find_positives

pytestmark = pytest.mark.slow

DATABASE, QUERIES = 2_800_000, 1_000

OPEN = """
import json, sys, time
import vgbench

def peak():
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))

started = time.perf_counter()
dataset = vgbench.load_dataset("sf-xl")
opened, memory = time.perf_counter() - started, peak()
from vgbench.retrieval import find_positives
started = time.perf_counter()
found = find_positives(dataset.database_positions, dataset.query_positions, 25.0)
took = time.perf_counter() - started
row = int(sys.argv[1])
print(json.dumps({
    "opened": opened, "memory": memory, "images": len(dataset), "positives": took,
    "counts": found.counts.tolist(), "of_first": found[0].tolist(), "peak": peak(),
    "path": dataset.database_paths[row], "position": dataset.database_positions[row].tolist(),
}))
"""


def images(role: str, count: int, random: np.random.Generator) -> Images:
    """Columns of images in San Francisco, 30 m² for each of 2.8 million; the last is in the sea."""
    east = np.round(random.uniform(543_040, 555_150, count), 2)
    north = np.round(random.uniform(4_172_760, 4_184_550, count), 2)
    east[-1] = 530_000.0
    order = np.lexsort((north, east))
    east, north = east[order], north[order]
    names = (
        f"{role}/@{e:010.2f}@{n:010.2f}@10@S@037.77510@-122.51130@{i:022}@@{i % 12 * 30:03}@@@@"
        "201311@@.jpg"
        for i, (e, n) in enumerate(zip(east.tolist(), north.tolist(), strict=True))
    )
    return Images(
        paths=PathList.of(names),
        positions=np.column_stack([east, north]),
        conditions=None,
        sizes=np.full((count, 2), 512, np.int32),
        bytes=random.integers(20_000, 60_000, count),
        mtimes=1_700_000_000_000_000_000 + np.arange(count) * 1_000_003,
        digests=random.integers(0, 256, (count, 32), np.uint8),
    )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_millions_of_names_open_at_once_in_little_memory_and_find_their_positives() -> None:
    random = np.random.default_rng(0)
    roles = {
        "database": images("database", DATABASE, random),
        "queries": images("queries", QUERIES, random),
    }
    folder = Path(os.environ["VGBENCH_DATA"]) / "sf-xl"
    folder.mkdir()
    split = make_split("test", {role: f"test/{role}" for role in roles}, roles)
    write_manifest(Manifest({"test": split}), folder / MANIFEST)
    row = 1_234_567
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", OPEN, str(row)], capture_output=True, text=True, check=True
        )
        runs.append(json.loads(done.stdout))
    told = runs[0]
    assert told["images"] == DATABASE + QUERIES
    assert told["path"] == roles["database"].paths[row]
    assert told["position"] == roles["database"].positions[row].tolist()
    # Whatever else the machine does only adds to a time.
    assert min(run["opened"] for run in runs) < 2.0, [run["opened"] for run in runs]
    assert min(run["positives"] for run in runs) < 10.0, [run["positives"] for run in runs]
    assert all(run["memory"] < 1e9 for run in runs), [run["memory"] for run in runs]
    assert all(run["peak"] < 1.2e9 for run in runs), [run["peak"] for run in runs]
    print({key: [run[key] for run in runs] for key in ("opened", "positives", "memory", "peak")})
    # The same positives as by the rule itself, one query after the other.
    database, queries = (roles[role].positions for role in ("database", "queries"))
    assert sum(told["counts"]) > 10_000 and 0 in told["counts"]
    for query in (0, 1, 500, QUERIES - 1):
        offsets = database - queries[query]
        near = np.flatnonzero((offsets**2).sum(axis=1) <= 625.0)
        assert told["counts"][query] == len(near)
    assert (
        told["of_first"]
        == np.flatnonzero(((database - queries[0]) ** 2).sum(axis=1) <= 625.0).tolist()
    )
    assert find_positives(database, queries[:5]).counts.tolist() == told["counts"][:5]
