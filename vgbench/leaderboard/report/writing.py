"""Writing the report: one file with no request to anywhere, the same bytes from the same input."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vgbench.errors import UsageError
from vgbench.evaluation import Result
from vgbench.leaderboard.report.content import Query, listed_queries
from vgbench.leaderboard.report.pictures import (
    BUDGET,
    Pictures,
    check_kind,
    embed_listed,
    link,
    needed,
)
from vgbench.leaderboard.report.reading import Evaluation, read_evaluation
from vgbench.leaderboard.report.rendering import notes_on, render_report
from vgbench.leaderboard.slugs import slugify
from vgbench.progress import progress


@dataclass(frozen=True)
class Report:
    """What was written: the page, how many queries it lists of how many, and its bytes.

    `missed` are those that are not localized at 1; `notes` say what is amiss with the pictures.
    """

    page: Path
    queries: int
    of: int
    missed: int
    bytes: int
    pictures: Pictures
    notes: tuple[str, ...]


def write_report(
    given: Evaluation | Result | str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    dataset: str | None = None,
    *,
    queries: int | None = None,
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
        An evaluation or a result, the slug of an entry of the board, or a submission's folder.
    output
        A file that ends in .html, or a folder, made if need be; `<slug>-<dataset>.html` here when
        left out.
    dataset
        Which of an entry's results; see `read_evaluation`.
    queries
        How many of the worst to list; all when left out. The first hundred are in the HTML.
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
    page = page_path(evaluation, output)
    listed = listed_queries(evaluation, queries, top)
    pictures = _pictures(evaluation, listed, images, budget, page)
    text = render_report(evaluation, listed, pictures).encode("utf-8")
    with atomic_write(page) as file:
        file.write(text)
    missed = int((evaluation.first_hits != 0).sum())
    return Report(
        page,
        len(listed),
        len(evaluation.first_hits),
        missed,
        len(text),
        pictures,
        tuple(notes_on(evaluation, pictures)),
    )


def page_path(evaluation: Evaluation, output: str | os.PathLike[str] | None) -> Path:
    """The file to write: as named, or one called after the evaluation in a folder or right here."""
    split = "" if evaluation.split == "test" else f"-{slugify(evaluation.split)}"
    name = f"{evaluation.slug}-{slugify(evaluation.dataset)}{split}.html"
    if output is None:
        return Path(name)
    path = Path(output).expanduser()
    check_page(path)
    return path if path.suffix and not path.is_dir() else path / name


def check_page(output: str | os.PathLike[str] | None) -> None:
    """Refuse a name that is neither a page's nor a folder's, before work is done for it.

    Raises
    ------
    UsageError
        Of a file that does not end in .html. A folder may be one that is yet to be made.
    """
    path = Path(output or ".").expanduser()
    could_be_folder = path.is_dir() or not (path.suffix or path.exists())
    if not could_be_folder and path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{path} is no page: name a file that ends in .html, or a folder.")


def _pictures(
    evaluation: Evaluation, listed: Sequence[Query], kind: str, budget: int, page: Path
) -> Pictures:
    if kind == "none" or evaluation.images is None:
        return Pictures(kind, {})
    paths = needed(evaluation, listed)
    if kind == "link":
        return link(evaluation.images, paths, page)
    with progress("Embedding pictures", len(paths)) as advance:
        return embed_listed(evaluation, listed, budget, advance)
