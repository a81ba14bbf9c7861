"""Conditions of queries as the user states them, in place of those that a rule reads from names.

A CSV file of rows `query,condition`. For an installed dataset it is kept beside its folder, so that
it outlives an import; a folder opened by its path has it as `conditions.csv` beside `queries/`.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vgbench.datasets.layout import SPLITS
from vgbench.datasets.names import file_name
from vgbench.durable import atomic_write
from vgbench.errors import DatasetError, first_ten

FILE = "conditions.csv"
_LONGEST = 40


def override_path(root: Path, name: str, split: str) -> Path:
    """Where the conditions of an installed dataset's split are kept."""
    return root / f"{name}.{split}.{FILE}"


def read_override(
    path: Path, queries: Sequence[str], labels: Sequence[str | None] | None
) -> list[str | None]:
    """Read a file of conditions over `labels`, which hold for the queries that it does not name.

    A query is named by its canonical path or by its file name; an empty condition is "unknown".

    Raises
    ------
    DatasetError
        When rows name no query, or a query twice; lists the first ten.
    """
    result: list[str | None] = list(labels) if labels is not None else [None] * len(queries)
    names = Counter(map(file_name, queries))
    row_of = {file_name(query): row for row, query in enumerate(queries)}
    row_of = {name: row for name, row in row_of.items() if names[name] == 1}
    row_of |= {query: row for row, query in enumerate(queries)}
    problems = []
    seen: dict[int, int] = {}
    for number, cells in enumerate(_rows(path), 1):
        if not any(cell.strip() for cell in cells) or (number == 1 and cells[0] == "query"):
            continue
        if len(cells) != 2:
            problems.append(f"row {number}: {len(cells)} cells, not query,condition")
            continue
        query, condition = cells[0].strip(), cells[1].strip()
        row = row_of.get(query)
        if row is None:
            several = f"{names[query]} queries are called" if names[query] > 1 else "no query"
            problems.append(f"row {number}: {several} {query!r}")
        elif row in seen:
            problems.append(f"row {number}: {query!r} again, as in row {seen[row]}")
        elif len(condition) > _LONGEST or not condition.isprintable():
            problems.append(f"row {number}: {condition[:_LONGEST]!r} is not a short plain word")
        else:
            seen[row] = number
            result[row] = condition or None
    if not seen and not problems:
        problems.append("there are no rows")
    if problems:
        raise DatasetError(
            f"{path} cannot be used for conditions:\n{first_ten(problems, 'rows')}\n"
            "Expected are rows of query,condition, such as queries/@…@.jpg,night"
        )
    return result


def override_conditions(
    name: str, file: str | os.PathLike[str], data_root: str | os.PathLike[str] | None = None
) -> Path:
    """Keep the conditions of a CSV file for an installed dataset ("NAME" or "NAME/SPLIT").

    Returns
    -------
    Path
        Where they are kept. Results are broken down by them from now on, marked "overridden".

    Raises
    ------
    DatasetNotFound
        When the dataset is not installed.
    DatasetError
        When the file does not fit its queries.
    """
    from vgbench.datasets.loading import load_dataset
    from vgbench.places import data_root as place_of_data

    dataset = load_dataset(name, data_root=data_root)
    root = place_of_data(data_root)
    if not (root / dataset.id).is_dir() or dataset.folder_given:
        raise DatasetError(
            f"{dataset.folder} is a folder that was not imported: put the file beside its "
            f"queries/, as {dataset.folder / FILE}."
        )
    path = override_path(root, dataset.id, dataset.split)
    source = Path(file).expanduser()
    read_override(source, dataset.query_paths, None)
    text = source.read_bytes()
    with atomic_write(path) as kept:
        kept.write(text)
    return path


def reset_conditions(name: str, root: Path) -> list[Path]:
    """Remove what a user stated for a dataset ("NAME", or "NAME/SPLIT"); gives what was removed."""
    whole, _, split = name.partition("/")
    removed = []
    for path in root.glob(f"{whole}.*.{FILE}"):
        own = path.name[len(whole) + 1 : -len(FILE) - 1]
        if own == split or (not split and (own in SPLITS or "." not in own)):
            path.unlink()
            removed.append(path)
    return removed


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DatasetError(f"{path} cannot be read: {reason}.") from error
