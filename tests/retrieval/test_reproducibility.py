"""Predictions keep their bytes under other engines, instruction sets and numbers of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache

import pytest

SCRIPT = """
import hashlib, sys
import numpy as np
from importlib import import_module
from vgbench.retrieval import search

module = import_module("vgbench.retrieval.search")
generator = np.random.default_rng(0)
found = hashlib.sha256()
for dimension, offset in ((37, 0), (512, 0), (64, 1e4)):
    rows = (offset + generator.integers(-9, 9, (1500, dimension)) / 7).astype(np.float32)
    rows[900:1200] = rows[:300]
    for distance in ("l2", "cosine", "ip"):
        for small in (0, 1 << 60):
            module._SMALL = small
            predictions = search(rows[:1400], rows[1400:], distance=distance)
            found.update(predictions.rows.tobytes() + predictions.distances.tobytes())
print(found.hexdigest())
"""

MACHINES = {
    "one thread": {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    "three threads": {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3"},
    "numpy without AVX": {
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX AVX2 FMA3 AVX512F AVX512_SKX AVX512_ICL"
    },
    "BLAS for Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "BLAS for SSE3": {"OPENBLAS_CORETYPE": "Prescott"},
    "FAISS for any CPU": {"FAISS_OPT_LEVEL": "generic"},
    "FAISS for AVX2": {"FAISS_OPT_LEVEL": "avx2"},
}


@lru_cache
def digest(machine: str) -> str:
    environment = {**os.environ, **MACHINES.get(machine, {})}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.mark.parametrize("machine", MACHINES)
def test_predictions_and_distances_are_the_same_bytes_on(machine: str) -> None:
    assert len(digest(machine)) == 64
    assert digest(machine) == digest("as it is")
