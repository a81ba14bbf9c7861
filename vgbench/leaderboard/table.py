"""The leaderboard's table: derived from `submissions/`, kept as Parquet, never edited by hand.

A reader compares the digests that the table was built of with the submissions that are there, so a
table left behind by a killed writer or by `git pull` is noticed, and made new.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vgbench.errors import BoardError, SubmissionError
from vgbench.leaderboard.board import (
    board_errors,
    board_lock,
    submission_digests,
    submissions_folder,
    table_path,
)
from vgbench.leaderboard.columns import (
    LEFT_OUT_KEY,
    RECALL_VALUES,
    SCHEMA_VERSION,
    VERSION_KEY,
    Row,
    arrow_to_rows,
    rows_to_arrow,
)
from vgbench.leaderboard.document import TIME_FORMAT, Document, read_document
from vgbench.leaderboard.entry import Card, Entry
from vgbench.leaderboard.status import believed_status
from vgbench.places import board_root

if TYPE_CHECKING:
    import pandas as pd


class LeftOut(NamedTuple):
    """A submission that is not in the table: the digest of its `submission.json`, and why."""

    digest: str
    problem: str


@dataclass(frozen=True)
class Table:
    """The rows of the board, in the order dataset, split, slug.

    `left_out` names submissions that do not read, and why. `rebuilt` says that the file on disk was
    not what the submissions give, so the rows were made new.
    """

    rows: list[Row]
    left_out: dict[str, LeftOut]
    rebuilt: bool = False


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
        _read_file(table_path(root))
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
    stored = _read_file(table_path(root))
    if not submissions_folder(root).is_dir():
        return stored.table if stored else Table([], {})  # a table passed on by itself
    if stored and stored.current and _sources(stored.table) == submission_digests(root):
        return stored.table
    table = _derive(root, stored)
    if heal and (table.rows or table.left_out or stored):
        with contextlib.suppress(BoardError), board_lock(root, seconds=0.0), board_errors(root):
            table = _derive(root, _read_file(table_path(root)))
            _write(root, table)
    return table


def load_leaderboard(root: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """The board as a pandas DataFrame: one row per submission, dataset and split.

    Parameters
    ----------
    root
        The board's folder; see `vgbench.places.board_root`.

    Returns
    -------
    pandas.DataFrame
        The columns of `vgbench.leaderboard.columns.COLUMNS`; recalls and intervals in percent.
    """
    frame: pd.DataFrame = rows_to_arrow(read_board(board_root(root)).rows).to_pandas()
    return frame


@contextlib.contextmanager
def prepared_update(root: Path, text: bytes) -> Iterator[None]:
    """Write the table with one more submission, and let it take its name when the block ends well.

    Call it while holding the board's lock. When the block begins, the new table is on disk in full.
    """
    from vgbench.durable import atomic_write

    path = table_path(root)
    if path.is_dir():  # found out now, not when the submission is in its place already
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    table = _derive(root, _read_file(path))
    problems: list[str] = []
    document = read_document(text, problems)
    if document is None or problems:
        raise SubmissionError("\n".join(problems))
    rows = submission_rows(document, hashlib.sha256(text).hexdigest())
    content = encode_table(Table(_ordered([*table.rows, *rows]), table.left_out))
    with atomic_write(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        yield


def encode_table(table: Table) -> bytes:
    """The bytes of the table's Parquet file; the same rows give the same bytes."""
    import pyarrow.parquet as pq

    left_out = json.dumps(table.left_out, sort_keys=True, ensure_ascii=False)
    arrow = rows_to_arrow(table.rows, {LEFT_OUT_KEY: left_out.encode("utf-8")})
    sink = io.BytesIO()
    pq.write_table(arrow, sink, compression="zstd")
    return sink.getvalue()


def submission_rows(document: Document, digest: str) -> list[Row]:
    """The table's rows of one submission; `digest` is that of its `submission.json`."""
    submitted = datetime.strptime(document.submitted, TIME_FORMAT)
    shared = {
        "slug": document.slug,
        "revision": document.revision,
        "submitted": submitted.replace(tzinfo=timezone.utc),
        "submission_digest": digest,
        "versions": _json(document.versions),
    }
    return [
        shared
        | _card_columns(document.card)
        | _entry_columns(entry)
        | {"status": believed_status(entry, document.card.weights_digest)}
        | {"top": stored.top if stored else None}
        for entry, stored in zip(document.entries, document.predictions, strict=True)
    ]


def _card_columns(card: Card) -> Row:
    return {
        "name": card.name,
        "method": card.method,
        "backbone": card.backbone,
        "architecture": card.architecture,
        "parameters": card.parameters,
        "training_data": card.training_data,
        "licence": card.licence,
        "authors": card.authors,
        "links": list(card.links),
        "notes": card.notes,
    }


def _entry_columns(entry: Entry) -> Row:
    from vgbench.retrieval.statistics import wilson_interval

    row: Row = {
        name: getattr(entry, name)
        for name in (
            "dataset", "split", "ground_truth", "content", "protocol", "threshold",
            "database", "queries", "queries_without_positives", "distance", "dimension",
            "image_size", "resize", "device",
        )
    }  # fmt: skip
    for n in RECALL_VALUES:
        count, total = entry.hits.get(n), entry.queries
        row[f"hits_{n}"] = count
        row[f"recall_{n}"] = entry.recalls.get(n)
        row[f"low_{n}"] = row[f"high_{n}"] = None
        if count is not None and total:
            low, high = wilson_interval(count, total)
            row[f"recall_{n}"] = 100 * count / total
            row[f"low_{n}"], row[f"high_{n}"] = 100 * low, 100 * high
    conditions = entry.conditions and {
        name: {"queries": part["queries"], "hits": {str(n): c for n, c in part["hits"].items()}}
        for name, part in entry.conditions.items()
    }
    row["conditions"] = _json(conditions) if conditions else None
    row["conditions_derived"] = entry.conditions_derived if conditions else None
    row["seconds"] = _json(entry.seconds) if entry.seconds else None
    return row


@dataclass(frozen=True)
class _Stored:
    """What the table's file holds; `current` unless an older vgbench wrote it."""

    table: Table
    current: bool


def _read_file(path: Path) -> _Stored | None:
    """The table's file; None where there is none, or where it is damaged: it can be made again."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            metadata = file.schema_arrow.metadata or {}
            version = int(metadata.get(VERSION_KEY, b"0"))
            if version > SCHEMA_VERSION:
                raise BoardError(
                    f"{path} was written by a newer vgbench (schema {version}; this one reads up "
                    f"to {SCHEMA_VERSION}). Upgrade vgbench; or remove the file and run "
                    f"`vgbench leaderboard build`, which makes it again from submissions/."
                )
            rows = arrow_to_rows(file.read())
        left_out = {
            str(slug): LeftOut(str(digest), str(problem))
            for slug, (digest, problem) in json.loads(metadata.get(LEFT_OUT_KEY, b"{}")).items()
        }
    except (OSError, pa.ArrowException, ValueError, TypeError, AttributeError):
        return None
    return _Stored(Table(rows, left_out), current=version == SCHEMA_VERSION)


def _derive(root: Path, stored: _Stored | None) -> Table:
    """The table of the submissions that are there, taking from `stored` what did not change."""
    from vgbench.leaderboard.submission import read_submission

    known: dict[str, str] = {}
    by_slug: dict[str, list[Row]] = {}
    if stored and stored.current:
        known = _sources(stored.table)
        for row in stored.table.rows:
            by_slug.setdefault(row["slug"], []).append(row)
    rows: list[Row] = []
    left_out: dict[str, LeftOut] = {}
    for slug, digest in submission_digests(root).items():
        if digest and known.get(slug) == digest:
            rows += by_slug.get(slug, [])
            if slug not in by_slug and stored:
                left_out[slug] = stored.table.left_out[slug]
            continue
        try:
            found = read_submission(submissions_folder(root) / slug)
        except SubmissionError as error:
            left_out[slug] = LeftOut(digest, str(error))
        else:
            rows += submission_rows(found.document, found.digest)
    return Table(_ordered(rows), left_out, rebuilt=True)


def _write(root: Path, table: Table) -> None:
    from vgbench.durable import atomic_write

    content = encode_table(table)
    path = table_path(root)
    if path.is_file() and path.read_bytes() == content:
        return
    with atomic_write(path) as file:
        file.write(content)


def _sources(table: Table) -> dict[str, str]:
    """Digests of the submissions that a table was built of, as `submission_digests` gives them."""
    sources = {row["slug"]: row["submission_digest"] for row in table.rows}
    sources |= {slug: left_out.digest for slug, left_out in table.left_out.items()}
    return dict(sorted(sources.items()))


def _ordered(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["dataset"], row["split"], row["slug"]))


def _json(value: Any) -> str:
    return json.dumps(dict(value), ensure_ascii=False)
