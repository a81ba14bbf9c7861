"""The leaderboard's table: derived from `submissions/`, kept as Parquet, never edited by hand.

A reader compares the fingerprint of what the table was built of with what is there, so a table left
behind by a killed writer or by `git pull` is noticed, and made new.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vgbench.errors import BoardError, SubmissionError
from vgbench.leaderboard.board import (
    board_errors,
    board_lock,
    submissions_folder,
    table_path,
)
from vgbench.leaderboard.columns import (
    LEFT_OUT_KEY,
    PLAIN_COLUMNS,
    SOURCES_KEY,
    Row,
    rows_to_arrow,
)
from vgbench.leaderboard.document import read_document
from vgbench.leaderboard.entry import Entry
from vgbench.leaderboard.sources import Source, Sources, read_sources
from vgbench.leaderboard.stored import LeftOut, Stored, read_stored
from vgbench.places import board_root

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Table:
    """The rows of the board, in the order dataset, split, slug.

    `left_out` names submissions and tables of published numbers that do not read, and why.
    `rebuilt` says that the file on disk was not what the submissions give, so the rows were made
    new. `fingerprint` is that of the sources, `weights` the bytes of weights beside submissions.
    """

    rows: list[Row]
    left_out: dict[str, LeftOut]
    rebuilt: bool = False
    fingerprint: str = ""
    weights: Mapping[str, int] = field(default_factory=dict)


def build(root: str | os.PathLike[str]) -> Table:
    """Make the table again from `submissions/` alone, and write it.

    Every submission is read and checked in full. The same folders give the same bytes.

    Raises
    ------
    BoardError
        When the board cannot be written, or its table is a newer vgbench's.
    """
    root = Path(root)
    with board_lock(root), board_errors(root):
        read_stored(table_path(root))
        table = _derive(root, None)
        _write(root, table)
    return table


def read_board(root: str | os.PathLike[str], heal: bool = True) -> Table:
    """The board as its submissions are now.

    The file is taken when it was built of these very submissions; otherwise what changed is read
    again, and with `heal` the file is written too, where that is possible.

    Raises
    ------
    BoardError
        When the table is a newer vgbench's.
    """
    root = Path(root)
    stored = read_stored(table_path(root))
    if stored and is_up_to_date(root, stored):
        return Table(stored.rows, stored.left_out, False, stored.fingerprint, stored.weights)
    if not submissions_folder(root).is_dir():
        return Table([], {})
    table = _derive(root, stored)
    if heal and (table.rows or table.left_out or stored):
        with contextlib.suppress(BoardError), board_lock(root, seconds=0.0), board_errors(root):
            stored = read_stored(table_path(root))
            # Somebody may have entered a result since; nothing else changes what the rows are.
            if table.fingerprint != read_sources(submissions_folder(root)).fingerprint:
                table = _derive(root, stored)
            _write(root, table)
    return table


def is_up_to_date(root: Path, stored: Stored) -> bool:
    """Whether the table's file is what the submissions give; also when it was passed on alone."""
    if not submissions_folder(root).is_dir():
        return True
    return (
        stored.current and stored.fingerprint == read_sources(submissions_folder(root)).fingerprint
    )


def load_leaderboard(
    root: str | os.PathLike[str] | None = None, *, outcomes: bool = False
) -> pd.DataFrame:
    """The board as a pandas DataFrame: one row per submission, dataset and split.

    Parameters
    ----------
    root
        The board's folder; see `vgbench.places.board_root`.
    outcomes
        Also the columns `outcomes_1` to `outcomes_20`: which queries are localized, as bits that
        `vgbench.retrieval.standings.unpack_outcomes` turns into an array.

    Returns
    -------
    pandas.DataFrame
        The columns of `vgbench.leaderboard.columns.COLUMNS`; recalls and intervals in percent.
        Published numbers, withdrawn entries and earlier revisions are among the rows: see
        `status`, `withdrawn` and `superseded_by`.
    """
    table = rows_to_arrow(read_board(board_root(root)).rows)
    if not outcomes:
        table = table.select([column.name for column in PLAIN_COLUMNS])
    frame: pd.DataFrame = table.to_pandas()
    return frame


@contextlib.contextmanager
def prepared_update(root: Path, text: bytes, entries: Sequence[Entry]) -> Iterator[None]:
    """Write the table with one more submission, and let it take its name when the block ends well.

    Call it while holding the board's lock. When the block begins, the new table is on disk in full.

    Parameters
    ----------
    text
        The `submission.json` to come.
    entries
        Its results, with their predictions.

    Raises
    ------
    SubmissionError
        When it does not read, or states other hits than its predictions give.
    """
    from vgbench.durable import atomic_write
    from vgbench.leaderboard.rows import submission_rows
    from vgbench.leaderboard.standing import settle

    path = table_path(root)
    if path.is_dir():  # found out now, not when the submission is in its place already
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    sources = read_sources(submissions_folder(root))
    rows, left_out = _derive_rows(root, sources, read_stored(path))
    problems: list[str] = []
    document = read_document(text, problems)
    if document is None or problems:
        raise SubmissionError("\n".join(problems))
    digest = hashlib.sha256(text).hexdigest()
    # As it will be read from disk, where seconds are rounded and names made clean.
    written = [
        replace(
            stated, query_paths=entry.query_paths, rows=entry.rows, distances=entry.distances,
            first_hit=entry.first_hit,
        )
        for stated, entry in zip(document.entries, entries, strict=True)
    ]  # fmt: skip
    rows += submission_rows(document, written, digest)
    sources = replace(sources, submissions={**sources.submissions, document.slug: Source(digest)})
    content = encode_table(_table(settle(rows, _withdrawn(sources)), left_out, sources))
    with atomic_write(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        yield


def encode_table(table: Table) -> bytes:
    """The bytes of the table's Parquet file; the same rows give the same bytes."""
    import pyarrow.parquet as pq

    left_out = json.dumps(table.left_out, sort_keys=True, ensure_ascii=False)
    sources = json.dumps([table.fingerprint, dict(table.weights)], sort_keys=True)
    arrow = rows_to_arrow(
        table.rows,
        {LEFT_OUT_KEY: left_out.encode("utf-8"), SOURCES_KEY: sources.encode("ascii")},
    )
    sink = io.BytesIO()
    pq.write_table(arrow, sink, compression="zstd")
    return sink.getvalue()


def _derive(root: Path, stored: Stored | None) -> Table:
    """The table of what is there, taking from `stored` what did not change."""
    from vgbench.leaderboard.standing import settle

    sources = read_sources(submissions_folder(root))
    rows, left_out = _derive_rows(root, sources, stored)
    return _table(settle(rows, _withdrawn(sources)), left_out, sources)


def _derive_rows(
    root: Path, sources: Sources, stored: Stored | None
) -> tuple[list[Row], dict[str, LeftOut]]:
    """Rows of submissions and of published numbers, before they are settled among each other."""
    from vgbench.leaderboard.published import read_published
    from vgbench.leaderboard.rows import submission_rows
    from vgbench.leaderboard.submission import read_submission

    known: dict[str, str] = {}
    by_slug: dict[str, list[Row]] = {}
    if stored and stored.current:
        for row in stored.rows:
            if row["submission_digest"]:
                known[row["slug"]] = row["submission_digest"]
                by_slug.setdefault(row["slug"], []).append(row)
        known |= {slug: left.digest for slug, left in stored.left_out.items()}
    rows: list[Row] = []
    left_out: dict[str, LeftOut] = {}
    for slug, source in sources.submissions.items():
        if (
            stored
            and source.digest
            and known.get(slug) == source.digest
            and stored.weights.get(slug) == source.weights
        ):
            rows += by_slug.get(slug, [])
            if slug not in by_slug:
                left_out[slug] = stored.left_out[slug]
            continue
        folder = submissions_folder(root) / slug
        try:
            found = read_submission(folder)
            rows += submission_rows(found.document, found.entries, found.digest, folder)
        except SubmissionError as error:
            left_out[slug] = LeftOut(source.digest, str(error))
    for name, digest in sources.published.items():
        try:
            rows += read_published(submissions_folder(root) / name)
        except SubmissionError as error:
            left_out[name] = LeftOut(digest, str(error))
    return rows, left_out


def _table(rows: list[Row], left_out: dict[str, LeftOut], sources: Sources) -> Table:
    return Table(rows, left_out, True, sources.fingerprint, sources.weights)


def _withdrawn(sources: Sources) -> dict[str, str]:
    return {
        slug: source.withdrawn
        for slug, source in sources.submissions.items()
        if source.withdrawn is not None
    }


def _write(root: Path, table: Table) -> None:
    from vgbench.durable import atomic_write

    content = encode_table(table)
    path = table_path(root)
    if path.is_file() and path.read_bytes() == content:
        return
    with atomic_write(path) as file:
        file.write(content)
