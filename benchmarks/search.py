"""Exact, reproducible search against FAISS's flat index, in one process.

    python benchmarks/search.py [--database 27191] [--queries 1000] [--dimension 512] [--rounds 7]

Prints, for each kind of descriptors, the time of `vgbench.retrieval.search` and of `faiss.knn` as a
share of `IndexFlatL2` (add and search) in the same rounds, taken in turn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from vgbench.retrieval import find_positives, search

K = 20


def city(
    database: int, queries: int, dimension: int, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Unit descriptors that resemble those of places nearby, and positions, about 6 km square."""
    generator = np.random.default_rng(seed)
    database_positions = generator.uniform(0, 6000, (database, 2))
    nearby = database_positions[generator.integers(0, database, queries)]
    query_positions = nearby + generator.uniform(-20, 20, nearby.shape)
    # Random Fourier features: descriptors whose products fall off with the distance in metres.
    frequencies = generator.standard_normal((2, dimension)) / 30
    phases = generator.uniform(0, 2 * np.pi, dimension)
    made = []
    for positions in (database_positions, query_positions):
        rows = np.cos(positions @ frequencies + phases)
        rows += 1.7 * generator.standard_normal(rows.shape)  # what no model sees through
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        made.append(rows.astype(np.float32))
    corner = np.array([546_000.0, 4_175_000.0])
    return made[0], made[1], database_positions + corner, query_positions + corner


def in_turn(tasks: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each task, all of them once in every round."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(rounds + 1):
        for name, task in tasks.items():
            started = time.perf_counter()
            task()
            if turn:  # the first round warms caches and threads up
                seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(times)) for name, times in seconds.items()}


def report(title: str, seconds: dict[str, float]) -> None:
    """Print every time as a share of the first."""
    print(title)
    baseline = next(iter(seconds.values()))
    for name, value in seconds.items():
        print(f"  {name:<42} {1000 * value:8.1f} ms   {value / baseline:5.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--database", type=int, default=27_191)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    database, queries, database_positions, query_positions = city(
        options.database, options.queries, options.dimension
    )

    def flat(rows: NDArray[np.float32], wanted: NDArray[np.float32]) -> Any:
        index = faiss.IndexFlatL2(rows.shape[1])
        index.add(rows)
        return index.search(wanted, K)

    cases = {
        "unit length, float32": (database, queries),
        "common offset of 1": (database + 1, queries + 1),
        "float16": (database.astype(np.float16), queries.astype(np.float16)),
        "all equal": (np.ones_like(database), np.ones_like(queries)),
    }
    print(f"{len(database):,} + {len(queries):,} rows of {database.shape[1]}, k = {K}")
    for title, (rows, wanted) in cases.items():
        plain, plain_wanted = rows.astype(np.float32), wanted.astype(np.float32)
        tasks: dict[str, Callable[[], Any]] = {
            "IndexFlatL2, add and search": lambda: flat(plain, plain_wanted),  # noqa: B023
            "faiss.knn": lambda: faiss.knn(plain_wanted, plain, K),  # noqa: B023
            "vgbench, l2": lambda: search(rows, wanted, K),  # noqa: B023
            "vgbench, cosine": lambda: search(rows, wanted, K, "cosine"),  # noqa: B023
            "vgbench, ip": lambda: search(rows, wanted, K, "ip"),  # noqa: B023
        }
        report(title, in_turn(tasks, options.rounds))

    def neighbours() -> Any:
        tree = NearestNeighbors(n_jobs=-1).fit(database_positions)
        return tree.radius_neighbors(query_positions, radius=25, return_distance=False)

    tasks = {
        "scikit-learn radius_neighbors, n_jobs=-1": neighbours,
        "vgbench find_positives": lambda: find_positives(database_positions, query_positions),
    }
    report("positives within 25 m", in_turn(tasks, options.rounds))


if __name__ == "__main__":
    main()
