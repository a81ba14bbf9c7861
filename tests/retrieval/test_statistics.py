"""The interval of a recall is Wilson's, as SciPy computes it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from vgbench.errors import UsageError
from vgbench.retrieval import wilson_interval


@given(st.data(), st.integers(1, 100_000), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
@settings(max_examples=100, deadline=None)
def test_it_is_the_interval_of_scipy(data: st.DataObject, total: int, confidence: float) -> None:
    hits = data.draw(st.integers(0, total) | st.sampled_from([0, total]))
    expected = binomtest(hits, total).proportion_ci(confidence, method="wilson")
    low, high = wilson_interval(hits, total, confidence)
    assert type(low) is float and type(high) is float
    assert low == pytest.approx(expected.low, rel=1e-9, abs=1e-12)
    assert high == pytest.approx(expected.high, rel=1e-9, abs=1e-12)
    assert 0 <= low <= hits / total <= high <= 1


def test_no_hit_begins_at_zero_and_all_hits_end_at_one() -> None:
    for total in (1, 3, 315, 1000):
        low, high = wilson_interval(0, total)
        assert low == 0 < high < 1
        low, high = wilson_interval(total, total)
        assert 0 < low < 1 == high


def test_arrays_give_arrays_of_the_same_intervals() -> None:
    counts = np.array([0, 132, 421, 1000])
    low, high = wilson_interval(counts, 1000)
    assert low.shape == high.shape == (4,)
    for place, count in enumerate(counts.tolist()):
        assert (low[place], high[place]) == wilson_interval(count, 1000)
    low, _ = wilson_interval(np.array([1, 2]), np.array([10, 20]))
    assert low.tolist() == [wilson_interval(1, 10)[0], wilson_interval(2, 20)[0]]


def test_counts_and_confidences_out_of_range_are_refused() -> None:
    for hits, total in [(-1, 10), (11, 10), (0, 0)]:
        with pytest.raises(UsageError, match="0 ≤ hits ≤ total"):
            wilson_interval(hits, total)
    for confidence in (0.0, 1.0, 95.0):
        with pytest.raises(UsageError, match="between 0 and 1"):
            wilson_interval(1, 2, confidence)


def test_it_needs_no_scipy() -> None:
    script = (
        "import sys; from vgbench.retrieval import wilson_interval; wilson_interval(1, 2);"
        "print(*{'scipy', 'torch', 'pandas', 'faiss', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
