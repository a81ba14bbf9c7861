"""Counting a submission's numbers again, from its predictions and the ground truth alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgbench.datasets import load_registry
from vgbench.errors import first_ten
from vgbench.evaluation import PROTOCOL
from vgbench.leaderboard.entry import Entry
from vgbench.leaderboard.findings import FAILED, PASSED, WARNING, Check
from vgbench.leaderboard.text import clean_text
from vgbench.leaderboard.truths import Truth
from vgbench.retrieval.recall import first_hit, hits

_COSINE_MARGIN = 1e-5  # 1 − cosine in float32 may fall a few roundings outside [0, 2]


def check_predictions(entry: Entry) -> Iterator[Check]:
    """What can be said of the predictions by themselves; `rows` have the shape (queries, K)."""
    rows, distances = entry.rows, entry.distances
    database = entry.database or 0
    outside = ((rows < 0) | (rows >= database)).any(axis=1)
    yield _of_queries("ranges", entry, outside, f"a row outside the {database:,} database images")
    ordered = np.sort(rows, axis=1)
    repeated = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    yield _of_queries("unique rows", entry, repeated, "a database image more than once")
    yield _check_distances(entry, distances)


def check_ground_truth(entry: Entry) -> Check:
    """Whether the ground truth is the one that the registry pins."""
    spec = load_registry().get(entry.dataset)
    known = spec.splits.get(entry.split) if spec else None
    pin = known.ground_truth if known else None
    if pin is None:
        return Check("fingerprint", WARNING, "unknown: nobody has pinned its ground truth")
    if pin == entry.ground_truth:
        return Check("fingerprint", PASSED, "")
    return Check(
        "fingerprint",
        FAILED,
        f"the ground truth is {_short(entry.ground_truth)}, and {_short(pin)} is pinned: these are "
        f"other images, or in another order, than the dataset's",
    )


def check_content(entry: Entry) -> Check:
    """Whether the images are of an edition that the registry knows."""
    if entry.content is None:
        return Check("content", WARNING, "unknown which images were described: it is not ranked")
    spec = load_registry().get(entry.dataset)
    split = spec.splits.get(entry.split) if spec else None
    editions = {e.name: e.content.get(entry.split) for e in spec.editions} if spec else {}
    if split and split.content:
        editions.setdefault("registered", split.content)
    known = {content: name for name, content in editions.items() if content}
    if not known:
        return Check("content", WARNING, "unknown: nobody has pinned the images of any edition")
    if entry.content in known:
        return Check("content", PASSED, "")
    return Check(
        "content",
        WARNING,
        f"the images ({_short(entry.content)}) are of no known edition: it is ranked apart",
    )


def recount(entry: Entry, truth: Truth | None) -> Iterator[Check]:
    """Hold queries, counts and hits against the ground truth.

    Hits follow protocol version 1: the first `rows` within `threshold` metres, inclusive.
    """
    missing = None
    if truth is None:
        missing = "unknown: its ground truth is neither kept in vgbench nor installed here"
    elif truth.ground_truth != entry.ground_truth:
        missing = f"unknown: the ground truth here is {_short(truth.ground_truth)}"
    elif entry.protocol != PROTOCOL:
        missing = f"unknown: this vgbench counts by protocol {PROTOCOL}, not {entry.protocol}"
    if truth is None or missing is not None:
        yield Check("query paths", WARNING, missing or "")
        wrong = [] if entry.first_hit is None else _first_hit_differences(entry, entry.first_hit)
        yield Check("hits", FAILED if wrong else WARNING, "; ".join(wrong) or missing or "")
        return
    count = len(truth.database_positions), len(truth.query_positions)
    if (entry.database, entry.queries) != count:
        yield Check(
            "ranges",
            FAILED,
            f"{entry.database:,} database images and {entry.queries:,} queries are stated; the "
            f"dataset has {count[0]:,} and {count[1]:,}",
        )
        return
    yield _check_paths(entry, truth)
    if ((entry.rows < 0) | (entry.rows >= count[0])).any():
        return  # said by name already, and nothing can be counted
    ranks = first_hit(entry.rows, truth.database_positions, truth.query_positions, entry.threshold)
    wrong = _differences(entry.hits, hits(ranks, entry.hits))
    if entry.first_hit is not None and not np.array_equal(entry.first_hit, ranks):
        wrong.append("the ranks of first hits that are kept beside them are others")
    without = truth.without_positives(entry.threshold)
    if without != entry.queries_without_positives:
        wrong.append(
            f"{entry.queries_without_positives} queries without a positive are stated, and "
            f"{without} have none"
        )
    yield Check("hits", FAILED if wrong else PASSED, "; ".join(wrong))
    if entry.conditions:
        yield _check_conditions(entry, truth, ranks)


def _check_paths(entry: Entry, truth: Truth) -> Check:
    paths = list(entry.query_paths)
    if paths == truth.query_paths:
        return Check("query paths", PASSED, "")
    other = next(i for i, (a, b) in enumerate(zip(paths, truth.query_paths, strict=True)) if a != b)
    return Check(
        "query paths",
        FAILED,
        f"query {other} is {clean_text(paths[other])[:120]!r}; the dataset's is "
        f"{clean_text(truth.query_paths[other])[:120]!r}",
    )


def _check_conditions(entry: Entry, truth: Truth, ranks: NDArray[np.int32]) -> Check:
    stated = entry.conditions or {}
    labels = truth.conditions
    if labels is None or set(stated) != set(labels.tolist()):
        return Check(
            "conditions", WARNING, "unknown: the ground truth does not know these conditions"
        )
    wrong = []
    for name, part in stated.items():
        chosen = ranks[labels == name]
        label = clean_text(name)
        if part["queries"] != len(chosen):
            wrong.append(f"{label}: {part['queries']} queries are stated, and {len(chosen)} are so")
        wrong += [
            f"{label}: {line}" for line in _differences(part["hits"], hits(chosen, part["hits"]))
        ]
    return Check("conditions", FAILED if wrong else PASSED, "; ".join(wrong))


def _differences(stated: Mapping[int, int], counted: Mapping[int, int]) -> list[str]:
    return [
        f"hits at {n}: {stated[n]:,} stated, {counted[n]:,} counted"
        for n in stated
        if stated[n] != counted[n]
    ]


def _first_hit_differences(entry: Entry, first_hit: NDArray[np.int32]) -> list[str]:
    """Whether the first hits kept with the predictions can be, and are those of the hits."""
    if len(first_hit) != entry.queries:
        return [f"{len(first_hit):,} ranks of first hits for {entry.queries:,} queries"]
    if ((first_hit < -1) | (first_hit >= entry.top)).any():
        return [f"ranks of first hits lie outside -1 to {entry.top - 1}"]
    return _differences(entry.hits, hits(first_hit, entry.hits))


def _check_distances(entry: Entry, distances: NDArray[np.float32]) -> Check:
    lowest, highest = {
        "l2": (0.0, np.inf),
        "cosine": (-_COSINE_MARGIN, 2 + _COSINE_MARGIN),
    }.get(entry.distance or "", (-np.inf, np.inf))
    finite = np.isfinite(distances)
    with np.errstate(invalid="ignore"):
        possible = finite & (distances >= lowest) & (distances <= highest)
        falling = (distances[:, 1:] < distances[:, :-1]).any(axis=1)
    checks = [
        _of_queries("distances", entry, ~finite.all(axis=1), "distances that are not finite"),
        _of_queries(
            "distances", entry, (finite & ~possible).any(axis=1),
            f"{entry.distance} distances that cannot be, outside {lowest:g} to {highest:g}",
        ),
        _of_queries("distances", entry, falling, "distances that fall along the predictions"),
    ]  # fmt: skip
    return next((check for check in checks if check.outcome != PASSED), checks[0])


def _of_queries(name: str, entry: Entry, wrong: Any, what: str) -> Check:
    """Name the queries for which `wrong`, bool of shape (Q,), holds."""
    found = np.flatnonzero(wrong)
    if not len(found):
        return Check(name, PASSED, "")
    named = [f"query {i}, {clean_text(entry.query_paths[i])[:120]}" for i in found[:11]]
    named += [""] * (len(found) - len(named))
    noun = "query has" if len(found) == 1 else "queries have"
    return Check(name, FAILED, f"{len(found):,} {noun} {what}:\n{first_ten(named, 'queries')}")


def _short(fingerprint: str | None) -> str:
    return "unknown" if fingerprint is None else f"{fingerprint[:12]}…"
