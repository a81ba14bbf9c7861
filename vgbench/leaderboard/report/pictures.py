"""Pictures for the report: small JPEGs inside the page within a budget, or links to the files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from vgbench.datasets import Dataset
from vgbench.errors import UsageError
from vgbench.leaderboard.report.content import FIRST_ROWS, Query
from vgbench.leaderboard.report.reading import Evaluation
from vgbench.leaderboard.thumbnails import Grade, thumbnail

KINDS = ("embed", "link", "none")

BUDGET = 16 * 2**20
"""Bytes that embedded pictures may take in the page, as base64."""


GRADES = (Grade(240, 75), Grade(200, 65), Grade(160, 60), Grade(112, 55), Grade(80, 50))
"""The best comes first; the first that fits the budget is taken."""

_SAMPLE = 24  # images that a grade's size is estimated from


@dataclass(frozen=True)
class Pictures:
    """Sources of pictures by canonical path, for the page's `src` attributes.

    Attributes
    ----------
    sources
        `data:` URIs, or addresses relative to the page. What is not in it has no picture.
    unreadable
        Images that are missing or do not decode.
    over_budget
        Images that the budget had no room for: those of the last queries.
    """

    kind: str
    sources: Mapping[str, str]
    unreadable: tuple[str, ...] = ()
    over_budget: int = 0
    grade: Grade | None = None


def needed(evaluation: Evaluation, queries: Sequence[Query]) -> list[str]:
    """Canonical paths of the pictures that the page shows, in its order.

    Those of the first `FIRST_ROWS` queries stand as often as the HTML has them; those of later
    ones, which the script draws from its data, once.
    """
    paths: list[str] = []
    for query in queries[:FIRST_ROWS]:
        paths += shown_in(evaluation, query)
    held = dict.fromkeys(paths)
    for query in queries[FIRST_ROWS:]:
        new = [path for path in shown_in(evaluation, query) if path not in held]
        held.update(dict.fromkeys(new))
        paths += new
    return paths


def shown_in(evaluation: Evaluation, query: Query) -> list[str]:
    """Canonical paths of a query's own picture, its predictions' and the missed one's."""
    found = [*query.predictions, *([query.missed] if query.missed else [])]
    return [
        evaluation.query_paths[query.index],
        *(evaluation.database_paths[one.row] for one in found),
    ]


def link(dataset: Dataset, paths: Sequence[str], page: Path) -> Pictures:
    """Addresses of the files themselves, relative to the page where they share a drive."""
    folder = page.absolute().parent
    sources = {}
    for path in paths:
        file = dataset.image_path(path).absolute()
        try:
            relative = os.path.relpath(file, folder)
        except ValueError:  # another drive
            sources[path] = file.as_uri()
            continue
        # "./" keeps a colon in the first folder's name from being read as a scheme.
        sources[path] = "./" + quote(Path(relative).as_posix())
    return Pictures("link", sources)


def embed(
    dataset: Dataset,
    paths: Sequence[str],
    budget: int = BUDGET,
    advance: Callable[[int], None] = lambda count: None,
) -> Pictures:
    """Small JPEGs as `data:` URIs, as good as the budget allows; the same bytes every time.

    Parameters
    ----------
    paths
        In the order of the page, as `needed` gives them: where even the smallest grade is too
        large, the last go without.
    budget
        Bytes of all URIs together.
    advance
        Called with the number of images done since the last call.
    """
    grade = choose_grade(dataset, paths, budget)
    sources: dict[str, str] = {}
    unreadable: dict[str, None] = {}
    left_out: dict[str, None] = {}
    used = 0
    workers = min(8, os.cpu_count() or 1)
    remaining = iter(paths)
    with ThreadPoolExecutor(workers) as pool:
        # A batch at a time: no more pictures are in memory than the page will hold.
        while batch := list(islice(remaining, 16 * workers)):
            new = [path for path in dict.fromkeys(batch) if path not in sources]
            if left_out:
                new = []
            made = dict(
                zip(
                    new,
                    pool.map(lambda path: thumbnail(dataset.image_path(path), grade), new),
                    strict=True,
                )
            )
            for path in batch:
                uri = sources.get(path) or made.get(path)
                if path in new and uri is None:
                    unreadable[path] = None
                elif left_out or (uri and used + len(uri) > budget):
                    left_out[path] = None
                elif uri:
                    used += len(uri)
                    sources[path] = uri
            advance(len(batch))
    over = [path for path in left_out if path not in sources and path not in unreadable]
    return Pictures("embed", sources, tuple(unreadable), len(over), grade)


def embed_listed(
    evaluation: Evaluation,
    queries: Sequence[Query],
    budget: int = BUDGET,
    advance: Callable[[int], None] = lambda count: None,
) -> Pictures:
    """Pictures of all queries that are listed, the worst of them in the better quality.

    The first `FIRST_ROWS` may take half of the budget, the others what is left of it.
    """
    assert evaluation.images is not None
    paths = needed(evaluation, queries)
    first = needed(evaluation, queries[:FIRST_ROWS])
    if len(first) == len(paths):
        return embed(evaluation.images, paths, budget, advance)
    worst = embed(evaluation.images, first, budget // 2, advance)
    used = sum(len(worst.sources.get(path, "")) for path in first)
    others = embed(evaluation.images, paths[len(first) :], budget - used, advance)
    return Pictures(
        "embed",
        {**worst.sources, **others.sources},
        (*worst.unreadable, *others.unreadable),
        worst.over_budget + others.over_budget,
        worst.grade,
    )


def choose_grade(dataset: Dataset, paths: Sequence[str], budget: int = BUDGET) -> Grade:
    """The best grade at which all pictures should fit, judged from some of them."""
    step = max(1, len(paths) // _SAMPLE)
    sample = paths[::step][:_SAMPLE]
    for grade in GRADES[:-1]:
        made = [thumbnail(dataset.image_path(path), grade) for path in sample]
        sizes = [len(uri) for uri in made if uri]
        # A tenth is kept for the sample's error.
        if not sizes or 1.1 * len(paths) * sum(sizes) / len(sizes) <= budget:
            return grade
    return GRADES[-1]


def check_kind(kind: str) -> None:
    """Refuse another word than those of `KINDS`."""
    if kind not in KINDS:
        raise UsageError(f"Unknown way to show images {kind!r}: choose {', '.join(KINDS)}.")
