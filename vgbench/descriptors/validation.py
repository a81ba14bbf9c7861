"""Whether descriptors can be what they claim: the right number of rows, and rows that say anything.

Everything wrong is collected and reported together, with the images it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgbench.errors import DescriptorError, first_ten

Rows = NDArray[Any]
Candidate = tuple[str, str, int, int]
"""A dataset's id, split, and numbers of database images and queries."""

_CHUNK = 1 << 19  # values looked at together
_SAMPLE = 4096  # rows that tell whether descriptors have unit length
_CLOSE_TO_ONE = 1e-3  # float16 rounds a unit vector's length by less than half of this
_NEARLY = 10  # rows by which an array may miss a dataset and still be meant for it


def check_descriptors(
    database: Rows,
    queries: Rows,
    database_names: Sequence[str],
    query_names: Sequence[str],
) -> None:
    """Refuse descriptors with which a search would be meaningless.

    Parameters
    ----------
    database, queries
        Float arrays (N, D) and (Q, D).
    database_names, query_names
        The images of the rows, for the message.

    Raises
    ------
    DescriptorError
        When rows hold NaN or Inf, rows are all zero, or all rows of the database (or of three
        queries or more) are equal, or the two differ in dimension.
    """
    if database.shape[1] != queries.shape[1]:
        raise DescriptorError(
            f"Database and queries must have the same dimension; found {database.shape[1]:,} and "
            f"{queries.shape[1]:,} columns."
        )
    not_finite: list[str] = []
    zero: list[str] = []
    problems: list[str] = []
    for rows, names, role in (
        (database, database_names, "database"),
        (queries, query_names, "query"),
    ):
        for row, count in _suspicious_rows(rows):
            where = f"{role} row {row:,}, {names[row]}"
            if count:
                not_finite.append(f"{where}: {count:,} of {rows.shape[1]:,} values")
            else:
                zero.append(where)
    if not_finite:
        problems.append(
            f"{len(not_finite):,} descriptors have NaN or Inf:\n{first_ten(not_finite, 'rows')}"
        )
    if zero:
        problems.append(f"{len(zero):,} descriptors are all zero:\n{first_ten(zero, 'rows')}")
    if not problems:
        if len(database) > 1 and _all_equal(database):
            problems.append(_equal(len(database), "database"))
        if len(queries) > 2 and _all_equal(queries):  # two photographs may well be copies
            problems.append(_equal(len(queries), "query"))
    if problems:
        raise DescriptorError(
            "\n".join(problems) + "\nMake the descriptors of these images again; nothing was kept."
        )


def unit_length(database: Rows, queries: Rows) -> bool:
    """Whether the descriptors have unit length, so that L2 and cosine rank alike.

    Judged on up to 4,096 rows of each, evenly spread, to within 0.001.

    >>> rows = np.array([[0.6, 0.8], [1.0, 0.0]], dtype=np.float32)
    >>> unit_length(rows, rows), unit_length(rows, 2 * rows)
    (True, False)
    """
    for rows in (database, queries):
        sample = rows[:: -(-len(rows) // _SAMPLE)]
        for part in _parts(sample):
            with np.errstate(over="ignore"):  # whatever is that long is not of unit length
                lengths = np.sqrt(np.square(part.astype(np.float64)).sum(axis=1))
            if (np.abs(lengths - 1) > _CLOSE_TO_ONE).any():
                return False
    return True


def match_dataset(
    rows: int | tuple[int, int], candidates: Sequence[Candidate], dimension: int | None = None
) -> tuple[str, str]:
    """Find the one dataset that an array can belong to by its number of rows.

    Parameters
    ----------
    rows
        Rows of an array that holds database and queries, or of one for each.
    candidates
        The datasets there are, as (id, split, database images, queries).
    dimension
        Number of columns, where known, to recognise an array that lies on its side.

    Returns
    -------
    id, split

    Raises
    ------
    DescriptorError
        When none or several fit, saying what each needs.

    Examples
    --------
    >>> match_dataset(13_086, [("sf-xs", "test", 27191, 1000), ("tokyo-xs", "test", 12771, 315)])
    ('tokyo-xs', 'test')
    """
    fitting = [
        (name, split)
        for name, split, database, queries in candidates
        if rows in (database + queries, (database, queries))
    ]
    if len(fitting) == 1:
        return fitting[0]
    found = _in_words(rows)
    if fitting:
        names = " and ".join(f"{name}/{split}" for name, split in fitting)
        name, split = fitting[0]
        raise DescriptorError(
            f"The descriptors have {found}, which fits {names}. Say which it is: -d {name}/{split}."
        )
    if not candidates:
        raise DescriptorError(
            f"The descriptors have {found}, but no dataset is installed that they could belong "
            "to. See `vgbench datasets list`, or name a folder: -d path/to/folder."
        )
    needs = [
        f"{database:,} + {queries:,} = {database + queries:,} rows: {name}/{split}"
        for name, split, database, queries in candidates
    ]
    hints = list(dict.fromkeys(_near_misses(rows, candidates, dimension)))
    lines = [
        f"The descriptors have {found}, which fits no dataset here. Needed are database + queries:",
        first_ten(needs, "datasets"),
        *hints,
        "`vgbench datasets info NAME --paths` prints the images in the order of the rows.",
    ]
    raise DescriptorError("\n".join(lines))


def _suspicious_rows(rows: Rows) -> Iterator[tuple[int, int]]:
    """Rows with values that are not finite, and how many; or, with 0, rows that are all zero."""
    start = 0
    for part in _parts(rows):
        # One pass: a sum of squares is neither finite nor above zero for every row we look for,
        # and for very large or small values, which are looked at again.
        wide = part.astype(np.float32) if part.dtype.itemsize == 2 else part
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            squares = np.einsum("ij,ij->i", wide, wide)
            odd = np.flatnonzero(~(np.isfinite(squares) & (squares > 0)))
        for row in odd.tolist():
            bad = part.shape[1] - int(np.count_nonzero(np.isfinite(part[row])))
            if bad or not part[row].any():
                yield start + row, bad
        start += len(part)


def _all_equal(rows: Rows) -> bool:
    return all(bool((part == rows[0]).all()) for part in _parts(rows))


def _equal(count: int, role: str) -> str:
    return (
        f"All {count:,} {role} descriptors are equal: the model gives the same for every image, or "
        "the array was filled with one row."
    )


def _near_misses(
    rows: int | tuple[int, int], candidates: Sequence[Candidate], dimension: int | None
) -> Iterator[str]:
    for name, split, database, queries in candidates:
        needed = database + queries
        where = f"{name}/{split}"
        if isinstance(rows, tuple):
            if rows == (queries, database):
                yield f"Database and queries look swapped for {where}."
            elif sum(rows) == needed:
                yield f"Together they are as many as {where} has, but not divided like it."
            elif rows[0] == needed:
                yield f"The first file holds all of {where}: give it alone."
            elif rows[0] == database:
                yield f"The database fits {where}; the queries do not."
            elif rows[1] == queries:
                yield f"The queries fit {where}; the database does not."
        elif rows == database:
            yield f"These are exactly the database's rows of {where}: the queries are missing."
        elif rows == queries:
            yield f"These are exactly the queries' rows of {where}: the database is missing."
        elif dimension == needed:
            yield f"The array has as many columns as {where} has images: save its transpose."
        elif abs(rows - needed) <= min(_NEARLY, needed // 10):
            count, word = abs(rows - needed), "fewer" if rows < needed else "more"
            yield f"{count} {word} than {where} has: were images left out or added?"


def _in_words(rows: int | tuple[int, int]) -> str:
    if isinstance(rows, tuple):
        return f"{rows[0]:,} database and {rows[1]:,} query rows"
    return f"{rows:,} rows"


def _parts(rows: Rows) -> Iterator[Rows]:
    step = max(1, _CHUNK // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]
