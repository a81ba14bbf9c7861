"""A comparison as one self-contained page: where two methods disagree, side by side."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgbench._version import __version__
from vgbench.errors import UsageError
from vgbench.leaderboard.comparison import Compared, Comparison, PairedTest
from vgbench.leaderboard.disagreements import Best, Case, Disagreements, find_disagreements
from vgbench.leaderboard.page_template import inline_hash, packaged, page_environment
from vgbench.leaderboard.text import clean_text
from vgbench.leaderboard.thumbnails import Grade, thumbnail
from vgbench.leaderboard.verdicts import p_number
from vgbench.retrieval.statistics import percent_interval

if TYPE_CHECKING:
    from jinja2 import Template

    from vgbench.datasets import Dataset
    from vgbench.progress import Advance

PICTURED = 200
"""Queries of a page that are shown with images; more are named only, so that it opens at once."""

_GRADE = Grade(side=176, quality=70)


def write_page(
    comparison: Comparison,
    path: str | os.PathLike[str],
    data_root: str | os.PathLike[str] | None = None,
) -> Path:
    """Write the page of a comparison.

    Parameters
    ----------
    comparison
        What `vgbench.leaderboard.comparing.compare` found.
    path
        The file to write; what is there is replaced.
    data_root
        Where datasets are: images of one that is installed are embedded.

    Raises
    ------
    UsageError
        When the path is a folder.
    VgbenchError
        When the file cannot be written; nothing is left behind.
    """
    from vgbench.durable import atomic_write

    path = Path(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file, such as {path / 'compare.html'}.")
    with atomic_write(path) as file:  # opened first: what cannot be written is found out at once
        file.write(render_page(comparison, data_root).encode("utf-8"))
    return path


def render_page(comparison: Comparison, data_root: str | os.PathLike[str] | None = None) -> str:
    """The page's HTML: no script, no request to anywhere, every text escaped."""
    from vgbench.progress import progress

    found = [
        (results, find_disagreements(*comparison.pairs[dataset], results[0].n, data_root))
        for dataset, results in _by_dataset(comparison)
    ]
    lists = [
        len(disagreements.of(side)) if disagreements.dataset else 0
        for _, disagreements in found
        for side in "ab"
    ]
    shares = iter(fair_shares(lists, PICTURED))
    with progress("Thumbnails", min(PICTURED, sum(lists)), "queries") as advance:
        sections = [
            _section(results, disagreements, {side: next(shares) for side in "ab"}, advance)
            for results, disagreements in found
        ]
    return _template().render(
        a=comparison.a,
        b=comparison.b,
        verdict=comparison.verdict,
        sections=sections,
        means=comparison.means,
        skipped=comparison.skipped,
        version=__version__,
    )


def _by_dataset(comparison: Comparison) -> Iterator[tuple[str, list[Compared]]]:
    for dataset, group in groupby(comparison.results, key=lambda result: result.dataset):
        yield dataset, list(group)


def fair_shares(wanted: Sequence[int], most: int) -> list[int]:
    """Share `most` out so that nobody gets more than is wanted, and what some leave goes to others.

    >>> fair_shares([2, 90, 0, 40], 100)
    [2, 58, 0, 40]
    """
    shares = [0] * len(wanted)
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for done, index in enumerate(order):
        shares[index] = min(wanted[index], most // (len(order) - done))
        most -= shares[index]
    return shares


def _section(
    results: list[Compared], found: Disagreements, pictured: Mapping[str, int], advance: Advance
) -> dict[str, Any]:
    """What the template shows of one dataset; `pictured` cases of each side have images."""
    first = results[0]
    sides: dict[str, list[dict[str, Any]]] = {}
    for side in "ab":
        sides[side] = []
        for index, case in enumerate(found.of(side)):
            dataset = found.dataset if index < pictured[side] else None
            sides[side].append(_case(case, found.predicted, dataset))
            if dataset is not None:
                advance(1)
    return {
        "title": first.dataset,
        "n": first.n,
        "queries": first.test.counts.queries,
        "places": first.place_count,
        "rows": [
            *(_row(f"R@{result.n}", result.test) for result in results),
            *(_row(f"R@{first.n}, {label}", test) for label, test in first.conditions.items()),
        ],
        "sides": sides,
        "images": found.dataset is not None,
    }


def _row(label: str, test: PairedTest) -> dict[str, Any]:
    sides = {}
    for side, count in zip("ab", test.counts.hits, strict=True):
        low, high = percent_interval(count, test.counts.queries)
        sides[side] = (
            f"{100 * count / test.counts.queries:.1f}",
            f"{low:.1f}–{high:.1f}",
        )
    return {
        "label": label,
        **sides,
        "difference": _signed(test.difference),
        "only_a": test.counts.only_a,
        "only_b": test.counts.only_b,
        "p": p_number(test.p_value),
        "adjusted": p_number(test.p_shown),
        "better": test.better,
    }


def _case(case: Case, predicted: tuple[int, int], dataset: Dataset | None) -> dict[str, Any]:
    return {
        "name": _file_name(case.path),
        "condition": None if case.condition is None else clean_text(case.condition),
        "image": _thumbnail(dataset, case.path),
        "a": _side(case.a, predicted[0], dataset),
        "b": _side(case.b, predicted[1], dataset),
        "better": case.better,
    }


def _side(best: Best, predicted: int, dataset: Dataset | None) -> dict[str, Any]:
    if best.rank is None:
        rank = f"no hit among {predicted:,}"
    else:
        rank = f"first hit at rank {best.rank:,}"
    return {
        "name": _file_name(best.path) if best.path else f"database image {best.row:,}",
        "metres": None if best.metres is None else _distance(best.metres),
        "rank": rank,
        "good": best.rank == 1,
        "image": None if best.path is None else _thumbnail(dataset, best.path),
    }


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")


def _distance(metres: float) -> str:
    return f"{metres:,.0f} m" if metres < 10_000 else f"{metres / 1000:,.0f} km"


def _file_name(path: str) -> str:
    return clean_text(path.rpartition("/")[2])


def _thumbnail(dataset: Dataset | None, path: str) -> str | None:
    """A small JPEG as a data: address; None where there is no image that can be read."""
    if dataset is None:
        return None
    return thumbnail(dataset.image_path(path), _GRADE)


@cache
def _template() -> Template:
    from markupsafe import Markup

    environment = page_environment(trim_blocks=True)
    environment.filters["signed"] = _signed
    style = packaged("vgbench.leaderboard", "comparison.css")
    environment.globals.update(style=Markup(style), style_hash=inline_hash(style))
    return environment.from_string(packaged("vgbench.leaderboard", "comparison.html.j2"))
