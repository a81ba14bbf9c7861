"""Whether a submission agrees with itself: everything that can be told without its dataset."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from vgbench.errors import first_ten
from vgbench.leaderboard.entry import CARD_TEXTS, DISTANCES, STATUSES, Card, Entry
from vgbench.leaderboard.text import clean_text, safe_link

LONGEST_TEXT = 2000
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
DIGEST = re.compile(r"[0-9a-f]{64}")


def card_problems(card: Card) -> list[str]:
    """What is wrong with a method's card, one line each."""
    problems = []
    for name in CARD_TEXTS:
        text = getattr(card, name)
        if text is not None and len(text) > LONGEST_TEXT:
            problems.append(f"{name} has {len(text):,} characters, more than {LONGEST_TEXT:,}")
    if not clean_text(card.name):
        problems.append("the name is empty")
    elif len(card.name) > 200:
        problems.append(f"the name has {len(card.name):,} characters, more than 200")
    problems += [
        f"link {clean_text(link)[:80]!r} is not a plain http or https address"
        for link in card.links
        if safe_link(link) is None
    ]
    if len(card.links) > 20:
        problems.append(f"there are {len(card.links)} links, more than 20")
    if card.parameters is not None and card.parameters < 0:
        problems.append(f"parameters is {card.parameters}, below 0")
    if card.weights_digest is not None and not DIGEST.fullmatch(card.weights_digest):
        problems.append("weights_digest is not 64 hexadecimal digits")
    return problems


def entries_problems(entries: Sequence[Entry]) -> list[str]:
    """What is wrong with the entries of a submission, each line naming the dataset and split."""
    problems = [] if entries else ["there are no results"]
    splits = [(entry.dataset, entry.split) for entry in entries]
    for dataset, split in sorted({pair for pair in splits if splits.count(pair) > 1}):
        problems.append(f"there are several results for {dataset}/{split}: one is expected")
    for entry in entries:
        where = clean_text(f"{entry.dataset}/{entry.split}")
        problems += [f"{where}: {problem}" for problem in entry_problems(entry)]
    return problems


def entry_problems(entry: Entry) -> list[str]:
    """What is wrong with one entry, one line each."""
    problems = [
        f"{name} {clean_text(value)[:80]!r} should be ASCII letters, digits, '.', '_' and '-'"
        for name, value in (("dataset", entry.dataset), ("split", entry.split))
        if not IDENTIFIER.fullmatch(value)
    ]
    if entry.status is not None and entry.status not in STATUSES:
        problems.append(f"status is {clean_text(entry.status)!r}, not one of {_listed(STATUSES)}")
    if not (math.isfinite(entry.threshold) and entry.threshold > 0):
        problems.append(f"threshold is {entry.threshold}, not a positive number of metres")
    if not 1 <= entry.protocol < 10_000:
        problems.append(f"protocol is {entry.protocol}, not a version from 1 to 9999")
    for name in ("image_size", "resize", "device"):
        text = getattr(entry, name)
        if text is not None and len(text) > 200:
            problems.append(f"{name} has {len(text):,} characters, more than 200")
    if len(entry.seconds) > 50:
        problems.append(f"there are {len(entry.seconds)} steps with seconds, more than 50")
    for step, seconds in entry.seconds.items():
        if not (math.isfinite(seconds) and seconds >= 0):
            problems.append(f"seconds of {clean_text(step)!r} is {seconds}")
    for name in ("ground_truth", "content", "descriptors_digest"):
        digest = getattr(entry, name)
        if digest is not None and not DIGEST.fullmatch(digest):
            problems.append(f"{name} is not 64 hexadecimal digits")
    if entry.distance is not None and entry.distance not in DISTANCES:
        found = clean_text(entry.distance)[:40]
        problems.append(f"distance is {found!r}, not one of {_listed(DISTANCES)}")
    if entry.dimension is not None and entry.dimension < 1:
        problems.append(f"dimension is {entry.dimension}, below 1")
    if entry.status == "published":
        return problems + _published_problems(entry)
    return problems + _evaluated_problems(entry)


def _published_problems(entry: Entry) -> list[str]:
    problems = [
        f"recall@{n} is {recall}, not a percentage"
        for n, recall in entry.recalls.items()
        if n < 1 or not 0 <= recall <= 100
    ]
    if not entry.recalls:
        problems.append("a published result needs at least one recall")
    if entry.rows.size or entry.hits:
        problems.append("a published result has recalls as printed, no predictions and no hits")
    return problems


def _evaluated_problems(entry: Entry) -> list[str]:
    problems = []
    if entry.recalls:
        problems.append("recalls as printed belong to published results only: give hits")
    if entry.ground_truth is None:
        problems.append("ground_truth is missing: rows are compared by it")
    if entry.distance is None:
        problems.append("distance is missing")
    if entry.dimension is None:
        problems.append("dimension is missing")
    queries, database = entry.queries or 0, entry.database or 0
    without = entry.queries_without_positives
    if queries < 1 or database < 1:
        problems.append(f"{queries} queries and {database} database images: at least one of each")
        return problems
    if without is None or not 0 <= without <= queries:
        problems.append(f"queries_without_positives is {without}, not between 0 and {queries:,}")
        without = 0
    problems += _hits_problems(entry.hits, queries - without, "hits")
    if entry.rows.ndim == 2:
        problems += [
            f"hits at {n} are given, and only {entry.top} predictions per query"
            for n in entry.hits
            if n > entry.top and entry.top < database
        ]
    problems += _condition_problems(entry, queries)
    problems += _prediction_problems(entry, queries, database)
    return problems


def _hits_problems(hits: Mapping[int, int], most: int, what: str) -> list[str]:
    problems = [] if hits else [f"{what} are missing"]
    ordered = sorted(hits.items())
    for n, count in ordered:
        if n < 1 or not 0 <= count <= most:
            problems.append(
                f"{what} at {n} are {count:,}, not between 0 and the {most:,} queries that "
                f"have a positive"
            )
    for (n, count), (larger, more) in pairwise(ordered):
        if count > more:
            problems.append(f"{what} fall from {count:,} at {n} to {more:,} at {larger}")
    return problems


def _condition_problems(entry: Entry, queries: int) -> list[str]:
    if not entry.conditions:
        return []
    problems = []
    if len(entry.conditions) > 100:
        return [f"there are {len(entry.conditions)} conditions, more than 100"]
    if len({clean_text(name) for name in entry.conditions}) < len(entry.conditions):
        problems.append("two conditions have the same name")
    for name, part in entry.conditions.items():
        label = clean_text(name)
        if not label or len(name) > 80:
            problems.append(f"condition {label[:80]!r} should have 1 to 80 visible characters")
        if part["queries"] < 1:
            problems.append(f"condition {label!r} has {part['queries']} queries")
        problems += _hits_problems(part["hits"], part["queries"], f"hits of {label!r}")
    total = sum(part["queries"] for part in entry.conditions.values())
    if total > queries:
        problems.append(f"the conditions have {total:,} queries, the split only {queries:,}")
    for n, count in entry.hits.items():
        found = sum(part["hits"].get(n, 0) for part in entry.conditions.values())
        if found > count or (total == queries and found != count):
            problems.append(f"hits at {n} are {count:,}, and {found:,} over the conditions")
    return problems


def _prediction_problems(entry: Entry, queries: int, database: int) -> list[str]:
    rows, distances, paths = entry.rows, entry.distances, entry.query_paths
    if rows.ndim != 2 or rows.dtype != np.int32 or distances.dtype != np.float32:
        return [
            f"predictions are {rows.dtype} of shape {rows.shape} and {distances.dtype}: int32 "
            f"rows and float32 distances of shape (queries, top) are expected"
        ]
    if rows.shape != distances.shape or len(rows) != queries or len(paths) != queries:
        return [
            f"{queries:,} queries, but {len(paths):,} query names, rows of shape {rows.shape} "
            f"and distances of shape {distances.shape}"
        ]
    if not 1 <= rows.shape[1] <= database:
        return [f"{rows.shape[1]} predictions per query from {database:,} database images"]
    problems = _path_problems(paths)
    wrong = ((rows < 0) | (rows >= database)).any(axis=1)
    problems += _of_queries("rows outside the database", wrong, paths)
    ordered = np.sort(rows, axis=1)
    repeated = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    problems += _of_queries("a database image more than once", repeated, paths)
    infinite = ~np.isfinite(distances).all(axis=1)
    problems += _of_queries("distances that are not finite", infinite, paths)
    falling = (distances[:, 1:] < distances[:, :-1]).any(axis=1)
    problems += _of_queries("predictions out of order: distances fall", falling, paths)
    if entry.first_hit is not None:
        problems += _first_hit_problems(entry, entry.first_hit, queries)
    return problems


def _first_hit_problems(entry: Entry, first_hit: Any, queries: int) -> list[str]:
    if first_hit.dtype != np.int32 or first_hit.shape != (queries,):
        return [
            f"first hits are {first_hit.dtype} of shape {first_hit.shape}: int32 of shape "
            f"({queries},) is expected"
        ]
    wrong = (first_hit < -1) | (first_hit >= entry.top)
    problems = _of_queries("a first hit beyond the predictions", wrong, entry.query_paths)
    for n, count in entry.hits.items():
        found = int(np.count_nonzero((first_hit >= 0) & (first_hit < n)))
        if found != count:
            problems.append(f"hits at {n} are {count:,}, and the first hits say {found:,}")
    return problems


def _path_problems(paths: Sequence[str]) -> list[str]:
    bad = [
        clean_text(path)[:120]
        for path in paths
        if not path
        or len(path) > 1000
        or path.startswith("/")
        or ".." in path.split("/")
        or any(ord(character) < 32 for character in path)
    ]
    problems = []
    if bad:
        problems.append("query names that are not relative paths:\n" + first_ten(bad, "queries"))
    elif any(a >= b for a, b in pairwise(paths)):
        problems.append("the queries are not in the dataset's order, sorted by path and all unlike")
    return problems


def _of_queries(what: str, wrong: Any, paths: Sequence[str]) -> list[str]:
    """Name the queries for which `wrong`, bool of shape (Q,), holds."""
    found = np.flatnonzero(wrong)
    if not len(found):
        return []
    named = [f"{clean_text(paths[index])[:120]} (query {index})" for index in found[:11]]
    named += [""] * (len(found) - len(named))
    noun = "query" if len(found) == 1 else "queries"
    return [f"{len(found):,} {noun} with {what}:\n" + first_ten(named, "queries")]


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values)
