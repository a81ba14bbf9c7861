"""Search agrees with a slow reference on everything that makes float32 engines disagree."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib import import_module
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from vgbench.errors import DescriptorError, UsageError
from vgbench.retrieval import DISTANCES, Predictions, search
from vgbench.retrieval.exhaustive import search_exhaustively
from vgbench.retrieval.scoring import (
    Scoring,
    chunks,
    in_threads,
    scoring_for,
    sum_in_fixed_order,
)

Rows = NDArray[Any]

module = import_module("vgbench.retrieval.search")


@pytest.fixture(params=["blas", "direct", "float64"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a test through both of FAISS's ways to a distance, and through the float64 search."""
    monkeypatch.setattr(module, "_SMALL", 1 << 60 if request.param == "float64" else 0)
    with blas_from(1 if request.param == "blas" else 1 << 30):
        yield str(request.param)


@pytest.fixture
def by_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "_SMALL", 0)
    with blas_from(1):
        yield


@contextmanager
def blas_from(size: int) -> Iterator[None]:
    """Let FAISS use matrix products, which cancel badly, from this size of problem on."""
    before = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = size
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_threshold = before


@pytest.fixture
def faiss_threads() -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    yield
    faiss.omp_set_num_threads(before)


def random_rows(count: int, dimension: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)


def reference(database: Rows, queries: Rows, k: int, distance: str = "l2") -> NDArray[np.int64]:
    """Rank every database row by the distance in extended precision, ties by row."""
    found = []
    wide = database.astype(np.longdouble)
    for query in queries.astype(np.longdouble):
        if distance == "l2":
            score = ((wide - query) ** 2).sum(axis=1)
        elif distance == "ip":
            score = -(wide * query).sum(axis=1)
        else:
            lengths = np.sqrt((wide**2).sum(axis=1)) * np.sqrt((query**2).sum())
            score = 1 - (wide * query).sum(axis=1) / lengths
        found.append(np.argsort(score, kind="stable")[:k])
    return np.array(found)


def exact_reference(database: Rows, queries: Rows, k: int, distance: str) -> list[list[int]]:
    """Rank by the distance in rational arithmetic, in which nothing is rounded."""
    found = []
    for query in queries.tolist():
        scores = []
        for number, row in enumerate(database.tolist()):
            pairs = [(Fraction(a), Fraction(b)) for a, b in zip(row, query, strict=True)]
            if distance == "l2":
                scores.append((sum((a - b) ** 2 for a, b in pairs), number))
            else:
                scores.append((-sum(a * b for a, b in pairs), number))
        found.append([number for _, number in sorted(scores)[:k]])
    return found


@pytest.mark.parametrize("distance", DISTANCES)
def test_ordinary_descriptors_are_ranked_as_in_extended_precision(distance: str, path: str) -> None:
    database, queries = random_rows(3000, 64), random_rows(40, 64, seed=1)
    found = search(database, queries, k=20, distance=distance)
    assert found.rows.dtype == np.int32 and found.distances.dtype == np.float32
    np.testing.assert_array_equal(found.rows, reference(database, queries, 20, distance))


@pytest.mark.parametrize("distance", DISTANCES)
def test_distances_are_those_of_the_predicted_rows(distance: str, path: str) -> None:
    database, queries = random_rows(500, 33), random_rows(7, 33, seed=1)
    found = search(database, queries, k=5, distance=distance)
    rows, wide = database[found.rows].astype(np.longdouble), queries[:, None].astype(np.longdouble)
    product = (rows * wide).sum(axis=-1)
    expected = {
        "l2": np.sqrt(((rows - wide) ** 2).sum(axis=-1)),
        "ip": -product,
        "cosine": 1 - product / np.sqrt((rows**2).sum(-1)) / np.sqrt((wide**2).sum(-1)),
    }[distance]
    np.testing.assert_allclose(found.distances, expected.astype(np.float32), rtol=1e-6)
    assert (np.diff(found.distances, axis=1) >= 0).all()


@pytest.mark.parametrize("distance", ["l2", "ip"])
@given(
    data=st.data(),
    dimension=st.integers(1, 5),
    count=st.integers(1, 80),
    k=st.integers(1, 25),
    block=st.sampled_from([5, 17, 65_536]),
)
@settings(max_examples=40, deadline=None)
def test_small_integers_are_ranked_as_in_rational_arithmetic_ties_by_row(
    distance: str, data: st.DataObject, dimension: int, count: int, k: int, block: int
) -> None:
    # Few values and few dimensions: nearly every ranking is decided by ties.
    values = st.integers(-2, 2).map(float)
    database = data.draw(st_numpy.arrays(np.float32, (count, dimension), elements=values))
    queries = data.draw(st_numpy.arrays(np.float32, (3, dimension), elements=values))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SMALL", data.draw(st.sampled_from([0, 1 << 60])))
        patch.setattr(module, "_MARGIN", 1)
        found = search(database, queries, k=k, distance=distance, block=block)
    assert found.rows.tolist() == exact_reference(database, queries, min(k, count), distance)


@pytest.mark.parametrize("offset", [1e3, 1e6])
@pytest.mark.parametrize("distance", DISTANCES)
def test_a_large_common_offset_changes_no_ranking(offset: float, distance: str, path: str) -> None:
    # Rounded to float32 at the offset, so noise of 1 survives with few digits: ties included.
    database = (offset + random_rows(2000, 48)).astype(np.float32)
    queries = (offset + random_rows(30, 48, seed=1)).astype(np.float32)
    found = search(database, queries, distance=distance)
    if distance == "cosine":  # extended precision is not enough for 1 − cos: ½‖u − v‖² is
        unit = [
            rows.astype(np.longdouble)
            / np.sqrt((rows.astype(np.longdouble) ** 2).sum(axis=1, keepdims=True))
            for rows in (database, queries)
        ]
        expected = reference(unit[0], unit[1], 20, "l2")
    else:
        expected = reference(database, queries, 20, distance)
    np.testing.assert_array_equal(found.rows, expected)


@pytest.mark.usefixtures("by_engine")
def test_a_float32_engine_alone_would_fail_on_that_offset() -> None:
    database = (1e6 + random_rows(2000, 48)).astype(np.float32)
    queries = (1e6 + random_rows(30, 48, seed=1)).astype(np.float32)
    _, rows = faiss.knn(queries, database, 20)
    assert (rows != reference(database, queries, 20)).mean() > 0.5


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e18, 1e30])
@pytest.mark.parametrize("distance", DISTANCES)
def test_scale_changes_no_ranking(scale: float, distance: str, path: str) -> None:
    database, queries = random_rows(2000, 32), random_rows(20, 32, seed=1)
    scaled = (database * np.float32(scale), queries * np.float32(scale))
    found = search(*scaled, distance=distance)
    np.testing.assert_array_equal(found.rows, reference(*scaled, 20, distance))


@pytest.mark.parametrize("exponent", [-700, 700])
@pytest.mark.parametrize("distance", DISTANCES)
def test_float64_beyond_the_range_of_its_own_squares_is_ranked_rightly(
    exponent: int, distance: str, path: str
) -> None:
    database = random_rows(600, 16).astype(np.float64)
    queries = random_rows(9, 16, seed=1).astype(np.float64)
    expected = search(database, queries, distance=distance)
    found = search(np.ldexp(database, exponent), np.ldexp(queries, exponent), distance=distance)
    np.testing.assert_array_equal(found.rows, expected.rows)
    if distance == "cosine":
        np.testing.assert_array_equal(found.distances, expected.distances)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4", "<f8", ">f2"])
def test_every_float_type_is_ranked_by_its_own_values(dtype: Any, path: str) -> None:
    database = random_rows(1500, 40).astype(dtype)
    queries = random_rows(12, 40, seed=1).astype(dtype)
    found = search(database, queries)
    np.testing.assert_array_equal(found.rows, reference(database, queries, 20))


def test_digits_that_only_float64_has_decide(path: str) -> None:
    database = 1 + 1e-12 * np.random.default_rng(0).permutation(900).reshape(-1, 1)
    found = search(database, np.ones((1, 1)), k=20)
    np.testing.assert_array_equal(found.rows[0], np.argsort(database[:, 0], kind="stable")[:20])


def test_memory_order_and_memory_maps_change_nothing(tmp_path: Any, path: str) -> None:
    database, queries = random_rows(700, 24), random_rows(11, 24, seed=1)
    expected = search(database, queries)
    np.save(tmp_path / "rows.npy", np.asfortranarray(database))
    variants = [
        np.load(tmp_path / "rows.npy", mmap_mode="r"),
        np.repeat(database, 2, axis=0)[::2],
        np.concatenate([np.zeros((700, 1), np.float32), database], axis=1)[:, 1:],
    ]
    for variant in variants:
        found = search(variant, np.asfortranarray(queries))
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(found.distances, expected.distances)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("block", [3, 7, 100, 65_536])
@pytest.mark.usefixtures("faiss_threads", "by_engine")
def test_blocks_threads_and_batches_change_nothing(distance: str, block: int) -> None:
    database, queries = random_rows(300, 20), random_rows(25, 20, seed=1)
    database[200:250] = database[:50]
    expected = search(database, queries, k=10, distance=distance)
    for threads in (1, 2):
        faiss.omp_set_num_threads(threads)
        found = search(database, queries, k=10, distance=distance, block=block)
        np.testing.assert_array_equal(found.rows, expected.rows)
        assert found.distances.tobytes() == expected.distances.tobytes()
    for batch in (slice(0, 1), slice(1, 4), slice(4, 25)):
        found = search(database, queries[batch], k=10, distance=distance, block=block)
        np.testing.assert_array_equal(found.rows, expected.rows[batch])
        assert found.distances.tobytes() == expected.distances[batch].tobytes()


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_engine_and_float64_give_the_same_bytes(
    distance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, queries = random_rows(2500, 70), random_rows(30, 70, seed=1)
    database[1000:2000] = database[:1000]  # ties everywhere
    found: list[Predictions] = []
    for small in (0, 1 << 60):
        monkeypatch.setattr(module, "_SMALL", small)
        found.append(search(database, queries, distance=distance))
    assert found[0].rows.tobytes() == found[1].rows.tobytes()
    assert found[0].distances.tobytes() == found[1].distances.tobytes()


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_threads_that_rank_changes_nothing(
    distance: str, workers: int, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    database, queries = random_rows(2000, 64), random_rows(300, 64, seed=1)
    expected = search(database, queries, distance=distance)
    monkeypatch.setattr(import_module("vgbench.retrieval.scoring"), "usable_cores", lambda: workers)
    found = search(database, queries, distance=distance)
    assert found.rows.tobytes() == expected.rows.tobytes()
    assert found.distances.tobytes() == expected.distances.tobytes()


def test_equal_descriptors_give_the_lowest_rows_at_once() -> None:
    database, queries = np.ones((27_191, 128), np.float32), np.ones((200, 128), np.float32)
    started = time.perf_counter()
    found = search(database, queries)
    assert time.perf_counter() - started < 10
    np.testing.assert_array_equal(found.rows, np.tile(np.arange(20), (200, 1)))
    assert not found.distances.any()


def test_copies_are_ranked_by_row_wherever_they_lie(path: str) -> None:
    values = random_rows(30, 16)
    which = np.random.default_rng(2).integers(0, 30, 3000)  # each about 100 times
    found = search(values[which], values[:10], k=50, block=500)
    np.testing.assert_array_equal(found.rows, reference(values[which], values[:10], 50))
    for query in range(10):
        np.testing.assert_array_equal(found.rows[query], np.flatnonzero(which == query)[:50])


def test_a_row_among_copies_that_is_nearer_by_one_digit_is_found(by_engine: None) -> None:
    # 2,999 rows tie; float32 norms around 1e4 cannot tell the one that is nearer.
    database = np.full((3000, 8), 1e4, np.float32)
    database[:, 0] = np.random.default_rng(0).choice([-1e4, 1e4], 3000)
    database[2718, 7] = np.nextafter(np.float32(1e4), np.float32(0))
    query = np.full((1, 8), 1e4, np.float32)
    query[0, 7] = 9e3
    query[0, 0] = database[2718, 0]
    found = search(database, query, k=3)
    same = np.flatnonzero(database[:, 0] == query[0, 0])
    assert found.rows[0].tolist() == [2718, *same[:2].tolist()]


@pytest.mark.parametrize("distance", DISTANCES)
def test_an_outlier_of_any_size_spoils_nothing(distance: str, by_engine: None) -> None:
    database, queries = random_rows(1500, 32), random_rows(10, 32, seed=1)
    database[77] *= np.float32(1e36)
    database[78] = np.float32(3e38)
    found = search(database, queries, distance=distance)
    np.testing.assert_array_equal(found.rows, reference(database, queries, 20, distance))


@pytest.mark.parametrize("distance", DISTANCES)
def test_permuting_the_database_permutes_the_predictions(distance: str, path: str) -> None:
    database, queries = random_rows(900, 32), random_rows(15, 32, seed=1)
    shuffle = np.random.default_rng(3).permutation(900)
    plain = search(database, queries, distance=distance)
    permuted = search(database[shuffle], queries, distance=distance)
    np.testing.assert_array_equal(shuffle[permuted.rows], plain.rows)
    assert permuted.distances.tobytes() == plain.distances.tobytes()


def test_all_zero_rows_are_at_cosine_distance_one_from_everything(path: str) -> None:
    database = np.concatenate([-np.eye(4), np.zeros((2, 4)), np.eye(4)]).astype(np.float32)
    database = np.repeat(database, 20, axis=0)
    queries = np.array([[1, 0, 0, 0], [0, 0, 0, 0]], np.float32)
    found = search(database, queries, k=200, distance="cosine")
    zero, same, opposite = 100, 120, 0
    ranked = dict(zip(found.rows[0].tolist(), found.distances[0].tolist(), strict=True))
    assert (ranked[zero], ranked[same], ranked[opposite]) == (1.0, 0.0, 2.0)
    assert found.rows[1].tolist() == list(range(200)) and (found.distances[1] == 1).all()


def test_l2_and_cosine_agree_on_unit_descriptors(path: str) -> None:
    database, queries = random_rows(1000, 16), random_rows(20, 16, seed=1)
    database /= np.linalg.norm(database, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    l2, cosine = search(database, queries), search(database, queries, distance="cosine")
    np.testing.assert_array_equal(l2.rows, cosine.rows)
    np.testing.assert_allclose(l2.distances**2 / 2, cosine.distances, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 3, 20, 127, 128, 129])
def test_at_most_the_whole_database_is_returned(count: int, path: str) -> None:
    database, queries = random_rows(count, 1), random_rows(4, 1, seed=1)
    found = search(database, queries, k=20)
    assert found.rows.shape == found.distances.shape == (4, min(20, count))
    np.testing.assert_array_equal(found.rows, reference(database, queries, 20))
    whole = search(database, queries, k=count)
    np.testing.assert_array_equal(np.sort(whole.rows, axis=1), np.tile(np.arange(count), (4, 1)))


@pytest.mark.parametrize(
    ("database", "queries", "said"),
    [
        (np.zeros((0, 4), np.float32), np.zeros((1, 4), np.float32), "database"),
        (np.zeros((3, 4), np.float32), np.zeros((0, 4), np.float32), "query"),
        (np.zeros((3, 0), np.float32), np.zeros((1, 0), np.float32), "shape"),
        (np.zeros(4, np.float32), np.zeros((1, 4), np.float32), "shape"),
        (np.zeros((3, 4), np.int32), np.zeros((1, 4), np.float32), "int32"),
        (np.zeros((3, 4), np.float32), np.zeros((1, 4), np.longdouble), "float128"),
        (np.zeros((3, 4), np.float32), np.zeros((1, 5), np.float32), "4 and 5"),
    ],
)
def test_what_cannot_be_searched_is_refused(database: Rows, queries: Rows, said: str) -> None:
    with pytest.raises(DescriptorError, match=said):
        search(database, queries)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("distance", DISTANCES)
def test_rows_that_are_not_finite_are_refused_by_number(
    bad: float, distance: str, path: str
) -> None:
    database, queries = random_rows(900, 8), random_rows(5, 8)
    for rows, role, row in ((database, "database", 417), (queries, "query", 3)):
        kept = rows[row, 2]
        rows[row, 2] = bad
        with pytest.raises(DescriptorError, match=f"{role} .*row {row}"):
            search(database, queries, k=3, distance=distance, block=100)
        rows[row, 2] = kept


def test_options_that_make_no_sense_are_refused() -> None:
    rows = random_rows(3, 2)
    with pytest.raises(UsageError, match="manhattan"):
        search(rows, rows, distance="manhattan")
    for options in ({"k": 0}, {"block": 0}):
        with pytest.raises(UsageError, match="at least 1"):
            search(rows, rows, **options)


@pytest.mark.parametrize("offset", [0.0, 40.0])
@pytest.mark.parametrize("scale", [1.0, 1e3])
@pytest.mark.parametrize("distance", ["l2", "ip"])
def test_no_score_below_the_bound_is_missed_and_the_bound_is_of_use(
    distance: str, scale: float, offset: float
) -> None:
    generator = np.random.default_rng(4)
    database = ((generator.standard_normal((400, 300)) + offset) * scale).astype(np.float32)
    queries = (generator.standard_normal((30, 300)) + offset).astype(np.float32)
    scoring = Scoring(distance, 300)
    approximation = module._approximate(scoring, database, queries)
    assert approximation.centred == (offset > 0)
    coarse = approximation.queries(queries)
    rows, last, norm = module._candidates(approximation, database, coarse, 40, 150)
    scores, _ = module._rank(scoring, database, queries, rows, 40)
    allowed = module._certain_below(
        approximation, queries, last, scores[:, -1], module._norms(coarse), norm
    )
    exact = np.sort(
        [scoring.scores(database.astype(np.float64), q) for q in queries.astype(np.float64)]
    )
    assert (allowed <= exact[:, 39]).all()
    spread = exact[:, -1] - exact[:, 0]
    assert (exact[:, 39] - allowed < 0.05 * spread).all()


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_ordinary_descriptors_are_settled_in_float32(
    distance: str, offset: float, monkeypatch: pytest.MonkeyPatch, by_engine: None
) -> None:
    again: list[int] = []

    def counted(scoring: Scoring, database: Rows, queries: Rows, *rest: Any) -> Any:
        again.append(len(queries))
        return search_exhaustively(scoring, database, queries, *rest)

    monkeypatch.setattr(module, "search_exhaustively", counted)
    search(random_rows(3000, 128) + offset, random_rows(50, 128, 1) + offset, distance=distance)
    assert sum(again) <= 2


@given(st.integers(1, 70))
@settings(deadline=None)
def test_the_fixed_order_sums_every_term_once(length: int) -> None:
    values = 2.0 ** np.arange(length)[None] if length < 53 else np.ones((1, length))
    assert sum_in_fixed_order(values.copy())[0] == values.sum()


def test_float64_is_scaled_only_where_it_must_be() -> None:
    rows = np.ones((2, 2))
    assert scoring_for("l2", rows, rows).exponent == 0
    assert scoring_for("l2", rows * 1e200, rows).exponent < -600
    assert scoring_for("l2", rows * 0, rows * 0).exponent == 0
    assert scoring_for("l2", rows.astype(np.float32) * 1e38, rows.astype(np.float16)).exponent == 0


def test_pieces_cover_everything_in_order() -> None:
    covered = [number for part in chunks(1000, 1 << 16) for number in range(1000)[part]]
    assert covered == list(range(1000))
    assert in_threads(lambda part: part.start, chunks(10, 1 << 20)) == list(range(10))
