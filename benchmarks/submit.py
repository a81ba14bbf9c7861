"""`vgbench submit` of an array of SF-XS size against a bare script, as whole processes.

    python benchmarks/submit.py [--rounds 7]

The bare script loads the array and the positions with numpy, searches with FAISS and counts, and
does nothing else: no validation, no digest, no interval, no submission, no leaderboard. Processes
run in turn; times are medians. The dataset is a synthetic ground truth without images.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from search import city, in_turn, report

from vgbench.datasets.manifest import Images, Manifest, make_split
from vgbench.datasets.manifest_file import MANIFEST, write_manifest
from vgbench.datasets.pathlist import PathList

DATASET = "synthetic-city"

BARE = """
import sys
import faiss
import numpy as np

descriptors = np.load(sys.argv[1])
database_positions, query_positions = np.load(sys.argv[2]), np.load(sys.argv[3])
database, queries = descriptors[:len(database_positions)], descriptors[len(database_positions):]
index = faiss.IndexFlatL2(descriptors.shape[1])
index.add(database)
_, predictions = index.search(queries, 20)
offsets = database_positions[predictions] - query_positions[:, None]
hit = (offsets ** 2).sum(axis=2) <= 25 ** 2
print([int(hit[:, :n].any(axis=1).sum()) for n in (1, 5, 10, 20)])
"""


def ground_truth(role: str, positions: NDArray[np.float64]) -> tuple[Images, NDArray[np.int64]]:
    """Images that were never taken, in the order of their names; and that order."""
    names = [
        f"{role}/@{east:.2f}@{north:.2f}@10@S@37.78@-122.40@pano{number:06d}@@90@@@@201311@@.jpg"
        for number, (east, north) in enumerate(positions.tolist())
    ]
    order = np.array(sorted(range(len(names)), key=names.__getitem__))
    names = [names[number] for number in order]
    rounded = np.array([[float(part) for part in name.split("@")[1:3]] for name in names])
    digests = b"".join(hashlib.sha256(name.encode()).digest() for name in names)
    count = len(names)
    images = Images(
        paths=PathList.of(names),
        positions=rounded,
        conditions=None,
        sizes=np.full((count, 2), 512, np.int32),
        bytes=np.full(count, 100_000, np.int64),
        mtimes=np.zeros(count, np.int64),
        digests=np.frombuffer(digests, np.uint8).reshape(-1, 32),
    )
    return images, order


def prepare(folder: Path) -> None:
    """Write the array, the positions, the bare script, and a data root with one dataset."""
    database, queries, database_positions, query_positions = city(27_191, 1000, 512)
    first, database_order = ground_truth("database", database_positions)
    second, query_order = ground_truth("queries", query_positions)
    np.save(folder / "descriptors.npy", np.vstack([database[database_order], queries[query_order]]))
    np.save(folder / "database_positions.npy", first.positions)
    np.save(folder / "query_positions.npy", second.positions)
    folders = {"database": "test/database", "queries": "test/queries"}
    split = make_split("test", folders, {"database": first, "queries": second})
    (folder / "data" / DATASET).mkdir(parents=True)
    write_manifest(Manifest({"test": split}), folder / "data" / DATASET / MANIFEST)
    (folder / "bare.py").write_text(BARE)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        environment = {**os.environ, "VGBENCH_DATA": str(folder / "data")}
        files = ("descriptors.npy", "database_positions.npy", "query_positions.npy")
        bare = [sys.executable, str(folder / "bare.py"), *(str(folder / file) for file in files)]
        vgbench = str(Path(sys.executable).with_name("vgbench"))
        round_number = 0
        printed: dict[str, Any] = {}

        def run(label: str, command: list[str]) -> None:
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
            printed[label] = json.loads(done.stdout)

        def submit() -> None:
            nonlocal round_number
            round_number += 1  # each its own board: an entry never grows the next one's work
            root = folder / f"board-{round_number}"
            run(
                "vgbench",
                [vgbench, "submit", str(folder / files[0]), "-d", DATASET, "--name", "benchmark",
                 "--root", str(root), "--json"],
            )  # fmt: skip

        seconds = in_turn(
            {"numpy + faiss script": lambda: run("bare", bare), "vgbench submit": submit},
            options.rounds,
        )
        hits = list(printed["vgbench"]["results"][0]["hits"].values())
        if hits != printed["bare"]:
            raise SystemExit(f"Hits differ: {hits} and {printed['bare']}.")
        print(f"28,191 rows of 512; hits at 1, 5, 10, 20 of 1,000 queries by both: {hits}")
        report("whole process", seconds)


if __name__ == "__main__":
    main()
