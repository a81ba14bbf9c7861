"""The table's Parquet file as it lies on disk: whole, or a few columns of a large one."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vgbench.errors import BoardError
from vgbench.leaderboard.columns import (
    LEFT_OUT_KEY,
    SCHEMA_VERSION,
    SOURCES_KEY,
    VERSION_KEY,
    Row,
    arrow_to_rows,
    table_schema,
)

INDEX = "index"
"""Where a row with some of its columns keeps its place in the file."""

_FEW = 1000
"""Rows up to which single ones are read faster than all."""


class LeftOut(NamedTuple):
    """A submission that is not in the table: the digest of its `submission.json`, and why."""

    digest: str
    problem: str


@dataclass(frozen=True)
class Stored:
    """What the table's file holds.

    Attributes
    ----------
    arrow
        A `pyarrow.Table` of its columns, or of those that were asked for.
    left_out
        Submissions that did not read when it was written, by slug.
    fingerprint, weights
        Of the sources that it was made of; see `vgbench.leaderboard.sources.Sources`.
    current
        Whether it has this version's schema, not an older one's.
    """

    arrow: Any
    left_out: dict[str, LeftOut]
    fingerprint: str
    weights: Mapping[str, int]
    current: bool

    @property
    def rows(self) -> list[Row]:
        """All rows, in the file's order."""
        return arrow_to_rows(self.arrow)

    def some_columns(self, names: Collection[str]) -> list[Row]:
        """All rows with these columns alone, and their place in the file as `INDEX`."""
        rows = arrow_to_rows(self.arrow, names)
        for index, row in enumerate(rows):
            row[INDEX] = index
        return rows

    def some_rows(self, indices: Sequence[int]) -> list[Row]:
        """The rows at these places, whole."""
        import pyarrow as pa

        if not indices:
            return []
        if len(indices) > _FEW:
            rows = self.rows
            return [rows[index] for index in indices]
        # `Table.take` would import pyarrow.compute, which takes as long as reading the file.
        return arrow_to_rows(pa.concat_tables([self.arrow.slice(index, 1) for index in indices]))


def read_stored(path: Path, columns: Sequence[str] | None = None) -> Stored | None:
    """The table's file; None where there is none, or where it is damaged: it can be made again.

    Parameters
    ----------
    columns
        To read no others; those that an older file lacks are passed over.

    Raises
    ------
    BoardError
        When a newer vgbench wrote it.
    """
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
            arrow = file.read(columns=None if columns is None else list(columns))
        arrow = _as_documented(arrow)
        left_out = {
            str(slug): LeftOut(str(digest), str(problem))
            for slug, (digest, problem) in json.loads(metadata.get(LEFT_OUT_KEY, b"{}")).items()
        }
        fingerprint, weights = json.loads(metadata.get(SOURCES_KEY, b'["", {}]'))
        return Stored(
            arrow,
            left_out,
            str(fingerprint),
            {str(slug): int(size) for slug, size in weights.items()},
            current=version == SCHEMA_VERSION,
        )
    except (OSError, pa.ArrowException, ValueError, TypeError, AttributeError):
        return None


def _as_documented(arrow: Any) -> Any:
    """The columns with the types that the schema gives them, and nothing in them that is no text.

    After this, turning them into rows cannot fail.
    """
    for field in table_schema():
        index = arrow.schema.get_field_index(field.name)
        if index >= 0 and arrow.schema.field(index).type != field.type:
            arrow = arrow.set_column(index, field, arrow.column(index).cast(field.type))
    arrow.validate(full=True)
    return arrow
