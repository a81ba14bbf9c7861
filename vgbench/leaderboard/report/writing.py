"""Writing the report: one file with no request to anywhere, the same bytes from the same input."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vgbench.errors import UsageError
from vgbench.evaluation import Result
from vgbench.leaderboard.report.content import Query, listed_queries
from vgbench.leaderboard.report.pictures import BUDGET, Pictures, check_kind, embed, link, needed
from vgbench.leaderboard.report.reading import Evaluation, read_evaluation
from vgbench.leaderboard.report.rendering import render_report
from vgbench.progress import progress


@dataclass(frozen=True)
class Report:
    """What was written: the page, how many queries it lists of how many, and its bytes."""

    page: Path
    queries: int
    of: int
    missed: int
    bytes: int
    pictures: Pictures


def write_report(
    given: Result | str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    dataset: str | None = None,
    *,
    queries: int | None = 100,
    top: int = 5,
    images: str = "embed",
    budget: int = BUDGET,
    root: str | os.PathLike[str] | None = None,
    data_root: str | os.PathLike[str] | None = None,
) -> Report:
    """Write a page about one evaluation.

    Parameters
    ----------
    given
        A result, the slug of an entry of the board, or the path of a submission's folder.
    output
        A file that ends in .html, or a folder; `<slug>-<dataset>.html` here when left out.
    dataset
        Which of an entry's results; see `read_evaluation`.
    queries
        How many of the worst to list; None for all.
    top
        Predictions shown for each.
    images
        `"embed"` puts small JPEGs into the page, `"link"` refers to the dataset's files, `"none"`
        shows names only, as the others do where the dataset is not installed.
    budget
        Bytes that embedded pictures may take.

    Raises
    ------
    UsageError, SubmissionError, DatasetError
        As `read_evaluation`, and for numbers that make no sense.
    VgbenchError
        When the page cannot be written; what was there stays.
    """
    from vgbench.durable import atomic_write

    check_kind(images)
    for value, what in ((queries, "queries"), (top, "predictions"), (budget, "bytes")):
        if value is not None and value < 1:
            raise UsageError(f"A report shows at least one of its {what}; {value} were asked for.")
    evaluation = (
        given
        if isinstance(given, Evaluation)
        else read_evaluation(
            given, dataset, root=root, data_root=data_root, pictures=images != "none"
        )
    )
    page = _page(evaluation, output)
    listed = listed_queries(evaluation, queries, top)
    pictures = _pictures(evaluation, listed, images, budget, page)
    text = render_report(evaluation, listed, pictures).encode("utf-8")
    with atomic_write(page) as file:
        file.write(text)
    missed = int((evaluation.first_hits != 0).sum())
    return Report(page, len(listed), len(evaluation.first_hits), missed, len(text), pictures)


def _page(evaluation: Evaluation, output: str | os.PathLike[str] | None) -> Path:
    split = "" if evaluation.split == "test" else f"-{evaluation.split}"
    name = f"{evaluation.slug}-{evaluation.dataset}{split}.html"
    if output is None:
        return Path(name)
    path = Path(output).expanduser()
    if path.is_dir():
        return path / name
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{path} is no page: name a file that ends in .html, or a folder.")
    return path


def _pictures(
    evaluation: Evaluation, listed: Sequence[Query], kind: str, budget: int, page: Path
) -> Pictures:
    if kind == "none" or evaluation.images is None:
        return Pictures("none", {})
    paths = needed(evaluation, listed)
    if kind == "link":
        return link(evaluation.images, paths, page)
    with progress("Embedding pictures", len(paths)) as advance:
        return embed(evaluation.images, paths, budget, advance)
