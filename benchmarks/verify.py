"""`vgbench verify` of a board of 1,000 entries on two datasets, as one process without images.

    python benchmarks/verify.py [--entries 1000] [--keep FOLDER]

The datasets stand in for SF-XS (27,191 database images, 1,000 queries) and Tokyo-XS (12,771 and
315) with synthetic positions; their ground truths are kept and pinned as those of the package are,
by a registry that takes the place of its own. Each entry keeps 20 predictions a query. The baseline
is reading the same folders with `vgbench leaderboard build`, which checks that each agrees with
itself and counts nothing against a ground truth. Needs about 400 MB of disk.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vgbench.datasets.ground_truth import GroundTruth, write_ground_truth
from vgbench.datasets.manifest import ground_truth_fingerprint
from vgbench.datasets.names import positions
from vgbench.leaderboard.document import write_document
from vgbench.leaderboard.entry import Card, Entry
from vgbench.leaderboard.predictions import encode_predictions
from vgbench.retrieval.positives import count_without_positives
from vgbench.retrieval.recall import first_hit, hits

SHAPES = {"sf-stand-in": (27_191, 1_000), "tokyo-stand-in": (12_771, 315)}

REGISTRY = """
[{name}]
title = "{name}"
description = "Positions drawn at random."
terms = "None."

[{name}.splits.test]
database = {database}
queries = {queries}
ground_truth = "{ground_truth}"
content = "{content}"
"""

# The command itself, with the registry and the kept ground truths of this benchmark.
COMMAND = """
import pathlib, sys
from vgbench.datasets import ground_truth, registry
registry.REGISTRY = pathlib.Path(sys.argv.pop(1))
ground_truth.FOLDER = registry.REGISTRY.parent
from vgbench.cli.main import run
run()
"""

CONTENT = "c" * 64


def make_ground_truth(name: str) -> GroundTruth:
    """Database images along streets, queries near them, every tenth query with a condition."""
    database, queries = SHAPES[name]
    random = np.random.default_rng(database)
    corner = np.array([550_000, 4_175_000])
    places = random.uniform(0, 40 * np.sqrt(database), (database, 2)) + corner
    near = places[random.integers(0, database, queries)] + random.normal(0, 12, (queries, 2))
    paths = [
        sorted(
            f"{role}/@{east:.2f}@{north:.2f}@10@S@37.78@-122.40@pano{i:06d}@@90@@@@201311@@.jpg"
            for i, (east, north) in enumerate(some.tolist())
        )
        for role, some in (("database", places), ("queries", near))
    ]
    return GroundTruth(
        id=name,
        split="test",
        database_paths=paths[0],
        query_paths=paths[1],
        database_positions=positions(paths[0]),
        query_positions=positions(paths[1]),
        query_conditions=["night" if i % 3 else "day" for i in range(queries)],
        ground_truth=ground_truth_fingerprint([*paths[0], *paths[1]]),
        pinned=True,
    )


def make_entry(truth: GroundTruth, neighbours: NDArray[np.int32], seed: int) -> Entry:
    """Predictions that take each query's neighbours on the map in an order of their own."""
    random = np.random.default_rng(seed)
    wrong = random.integers(0, len(truth.database_paths), (len(neighbours), 200))
    pool = np.concatenate([neighbours, wrong], axis=1)
    order = np.argsort(random.random(pool.shape), axis=1)
    shuffled = np.take_along_axis(pool, order, axis=1)
    rows = np.empty((len(pool), 20), np.int32)
    for query, row in enumerate(shuffled):  # the first 20 that are unlike each other
        kept = list(dict.fromkeys(row[:60].tolist()))[:20]
        rows[query] = kept
    ranks = first_hit(rows, truth.database_positions, truth.query_positions)
    labels = np.array(truth.query_conditions)
    return Entry(
        dataset=truth.id,
        split="test",
        ground_truth=truth.ground_truth,
        content=CONTENT,
        protocol=1,
        threshold=25.0,
        database=len(truth.database_paths),
        queries=len(rows),
        queries_without_positives=count_without_positives(
            truth.database_positions, truth.query_positions
        ),
        distance="l2",
        dimension=512,
        hits=hits(ranks),
        conditions={
            name: {"queries": int((labels == name).sum()), "hits": hits(ranks[labels == name])}
            for name in ("day", "night")
        },
        query_paths=list(truth.query_paths),
        rows=rows,
        distances=np.sort(random.random(rows.shape).astype(np.float32), axis=1),
        first_hit=ranks,
        status="verified",
    )


def write_some(folder: Path, numbers: list[int]) -> None:
    """Write the entries of these numbers, one folder each."""
    truths = [make_ground_truth(name) for name in SHAPES]
    neighbours = []
    for truth in truths:
        offsets = truth.query_positions[:, None] - truth.database_positions
        near = np.argpartition((offsets**2).sum(axis=2), 40, axis=1)[:, :40]
        neighbours.append(near.astype(np.int32))
    for number in numbers:
        entries = [
            make_entry(truth, near, number) for truth, near in zip(truths, neighbours, strict=True)
        ]
        slug = f"method-{number:04d}"
        there = folder / "board" / "submissions" / slug
        there.mkdir(parents=True)
        text = write_document(slug, 1, Card(slug), entries, "2026-01-31T12:00:00Z", {})
        (there / "submission.json").write_bytes(text)
        for entry in entries:
            content = encode_predictions(
                entry.query_paths, entry.rows, entry.distances, entry.first_hit
            )
            (there / f"{entry.dataset}-test.parquet").write_bytes(content)


def prepare(folder: Path, entries: int) -> None:
    """Write the registry, the ground truths and the board."""
    blocks = ["schema = 1\n"]
    for name, (database, queries) in SHAPES.items():
        truth = make_ground_truth(name)
        write_ground_truth(truth, folder)
        blocks.append(
            REGISTRY.format(
                name=name, database=database, queries=queries,
                ground_truth=truth.ground_truth, content=CONTENT,
            )
        )  # fmt: skip
    (folder / "registry.toml").write_text("".join(blocks))
    (folder / "command.py").write_text(COMMAND)
    parts = [list(range(entries))[start::2] for start in range(2)]
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(write_some, [folder] * 2, parts))


def timed(folder: Path, *arguments: str) -> tuple[float, str]:
    """Run `vgbench ARGUMENTS…` on the board: seconds of the whole process, and what it printed."""
    command = [
        sys.executable,
        str(folder / "command.py"),
        str(folder / "registry.toml"),
        *arguments,
    ]
    started = time.perf_counter()
    done = subprocess.run(
        [*command, "--root", str(folder / "board"), "--json"], capture_output=True, text=True
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds, done.stdout


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=1000)
    parser.add_argument("--keep", type=Path, help="use this folder, and leave the board in it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        if not (folder / "board").is_dir():
            folder.mkdir(exist_ok=True)
            prepare(folder, options.entries)
        baseline, _ = timed(folder, "leaderboard", "build")
        seconds, printed = timed(folder, "verify")
        document = json.loads(printed)
        outcomes = {c["outcome"] for entry in document["entries"] for c in entry["checks"]}
        if not document["ok"] or outcomes != {"passed"}:
            raise SystemExit(f"Every check was expected to pass; found {sorted(outcomes)}.")
        count = len(document["entries"])
        one, _ = timed(folder, "verify", "method-0000")
        print(f"{count:,} entries × {len(SHAPES)} datasets, every check passed")
        each = 1000 * seconds / count
        print(f"  vgbench verify             {seconds:6.2f} s ({each:.1f} ms each)")
        print(f"  vgbench verify method-0000 {one:6.2f} s (compared with all others)")
        print(f"  vgbench leaderboard build  {baseline:6.2f} s, the baseline")
        print(f"  verify takes {seconds / baseline:.2f} × the baseline's time")


if __name__ == "__main__":
    main()
