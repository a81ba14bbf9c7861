"""Tables of published numbers, `submissions/*.csv`: read and checked line by line.

Nothing stands behind such a number but its source, so its row is never ranked. What can be checked
is checked: whether the percentages go together, and whether they can be counts at all.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from vgbench.datasets.registry import SplitSpec, load_registry
from vgbench.errors import SubmissionError, first_ten
from vgbench.evaluation import PROTOCOL, THRESHOLD
from vgbench.leaderboard.checks import card_problems
from vgbench.leaderboard.columns import COLUMNS, RECALL_VALUES, Row
from vgbench.leaderboard.entry import DISTANCES, Card
from vgbench.leaderboard.slugs import slugify
from vgbench.leaderboard.sources import LARGEST_CSV, plain_bytes
from vgbench.leaderboard.text import clean_text
from vgbench.retrieval.statistics import percent_interval, possible_count

RECALLS = tuple(f"recall_{n}" for n in RECALL_VALUES)

NEEDED = ("name", "dataset", "split", "source")
OPTIONAL = (
    "method", "backbone", "architecture", "dimension", "image_size", "distance", "training_data",
    "authors", "queries", "link", "note",
)  # fmt: skip
"""What a table's columns may be called, beside `RECALLS`; `submissions/README.md` explains them."""

LONGEST_LINE = 10_000
LONGEST_FIELD = 200
LARGEST_NUMBER = 10_000_000

_PERCENT = re.compile(r"\d{1,3}(?:\.(\d{1,6}))?")
_WHOLE = re.compile(r"[1-9]\d{0,8}")


class Problem(NamedTuple):
    """What is wrong on a line, counted from 1; `column` is "" where the whole line is."""

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        """Say it in one line.

        >>> print(Problem(7, "recall_1", "is empty"))
        line 7, recall_1: is empty
        """
        place = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{place}: {self.reason}"


def read_published(path: str | os.PathLike[str]) -> list[Row]:
    """Read a table of published numbers.

    Parameters
    ----------
    path
        A CSV file in UTF-8: lines that begin with "#" are comments, the first other line names the
        columns, and each further line is the result of one method on one split.

    Returns
    -------
    list of Row
        In the file's order, with every column of the leaderboard table; status "published". Recalls
        are as printed. Hits and intervals are there where the number of queries is known and the
        percentage is that of exactly one count; where it is that of none, `remark` says so.

    Raises
    ------
    SubmissionError
        With everything that is wrong, each with its line and column; nothing is read then.
    """
    path = Path(path)
    problems: list[Problem] = []
    header: list[str] = []
    rows: list[Row] = []
    seen: dict[tuple[str, str, str], int] = {}
    for number, text in enumerate(_lines(path), 1):
        if not text.strip() or text.startswith("#"):
            continue
        cells = _cells(text, number, problems)
        if cells is None:
            continue
        if not header:
            header = [cell.strip() for cell in cells]
            problems += [Problem(number, *found) for found in _header_problems(header)]
            if problems:
                break
            continue
        if len(cells) != len(header):
            reason = f"has {len(cells)} fields, and the header {len(header)}"
            problems.append(Problem(number, "", reason))
            continue
        line = _Line(dict(zip(header, map(clean_text, cells), strict=True)), number, problems)
        row = _row(line, path.stem)
        first = seen.setdefault((row["slug"], row["dataset"], row["split"]), number)
        if first != number:
            line.refuse("name", f"is on {row['dataset']}/{row['split']} already, in line {first}")
        rows.append(row)
    if not header and not problems:
        problems.append(Problem(1, "", "a line with the columns' names is missing"))
    if problems:
        lines = [str(problem) for problem in problems]
        raise SubmissionError(
            f"{path.name} is not a table of published numbers that can be read:\n"
            f"{first_ten(lines, 'problems')}"
        )
    return rows


class _Line:
    """Typed access to the fields of one line; what does not fit is noted and read as empty."""

    def __init__(self, fields: Mapping[str, str], number: int, problems: list[Problem]) -> None:
        self.fields = fields
        self._number = number
        self._problems = problems

    def refuse(self, column: str, reason: str) -> None:
        self._problems.append(Problem(self._number, column, reason))

    def text(self, column: str, longest: int = LONGEST_FIELD) -> str | None:
        value = self.fields.get(column) or None
        if value is None and column in NEEDED:
            self.refuse(column, "is empty")
        elif value is not None and len(value) > longest:
            self.refuse(column, f"has {len(value):,} characters, more than {longest:,}")
        return value

    def whole(self, column: str) -> int | None:
        value = self.fields.get(column)
        if not value:
            return None
        if not _WHOLE.fullmatch(value) or int(value) > LARGEST_NUMBER:
            self.refuse(column, f"{_shown(value)} is not a whole number from 1")
            return None
        return int(value)

    def percents(self) -> dict[int, str]:
        """The recalls by N, as they are written."""
        found = {}
        for n, column in zip(RECALL_VALUES, RECALLS, strict=True):
            value = self.fields.get(column)
            if not value:
                continue
            if not _PERCENT.fullmatch(value) or float(value) > 100:
                self.refuse(column, f"{_shown(value)} is not a percentage, such as 42.2")
            else:
                found[n] = value
        if not found and not any(self.fields.get(column) for column in RECALLS):
            self.refuse("recall_1", "no recall is given: at least one is needed")
        for (less, low), (more, high) in pairwise(found.items()):
            if float(high) < float(low):
                self.refuse(
                    f"recall_{more}",
                    f"{high} is below recall_{less}, {low}: recall cannot fall with N",
                )
        return found


def _row(line: _Line, table: str) -> Row:
    name = line.text("name") or ""
    dataset, split = line.text("dataset") or "", line.text("split") or ""
    known = _known_split(line, dataset, split)
    distance = line.text("distance")
    if distance is not None and distance not in DISTANCES:
        line.refuse("distance", f"{_shown(distance)} is not one of {', '.join(DISTANCES)}")
    link = line.text("link", 2000)
    note = line.text("note", 2000)
    if link is not None:
        for problem in card_problems(Card(name or "unnamed", links=[link])):
            line.refuse("link", problem)
    percents = line.percents()
    queries = line.whole("queries") or (known.queries if known else None)
    row: Row = dict.fromkeys(column.name for column in COLUMNS)
    row |= {
        "slug": slugify(f"{table} {name}"),
        "name": name,
        "revision": 1,
        "status": "published",
        "dataset": dataset,
        "split": split,
        # Numbers of this field are at 25 m unless they say otherwise.
        "protocol": PROTOCOL,
        "threshold": THRESHOLD,
        "queries": queries,
        "dimension": line.whole("dimension"),
        "distance": distance,
        "links": [] if link is None else [link],
        "notes": note,
        "source": line.text("source", 500),
        "remark": _remark(percents, queries),
    }
    for column in (
        "method", "image_size", "backbone", "architecture", "training_data", "authors",
    ):  # fmt: skip
        row[column] = line.text(column)
    for n, percent in percents.items():
        row[f"recall_{n}"] = float(percent)
        count = _count(percent, queries)
        if count is not None and queries is not None:
            row[f"hits_{n}"] = count
            row[f"low_{n}"], row[f"high_{n}"] = percent_interval(count, queries)
    return row


def _known_split(line: _Line, dataset: str, split: str) -> SplitSpec | None:
    registry = load_registry()
    spec = registry.get(dataset)
    if spec is None:
        if dataset:
            known = ", ".join(name for name in registry)
            line.refuse("dataset", f"{_shown(dataset)} is not registered; there are {known}")
        return None
    if split and split not in spec.splits:
        known = ", ".join(spec.splits)
        line.refuse("split", f"{dataset} has no split {_shown(split)}; it has {known}")
    return spec.splits.get(split)


def _decimals(percent: str) -> int:
    return len(percent.partition(".")[2])


def _count(percent: str, queries: int | None) -> int | None:
    """The one number of queries whose percentage is printed like this; None for none or several."""
    decimals = _decimals(percent)
    if queries is None or not possible_count(float(percent), queries, decimals):
        return None
    # Neighbouring counts are 100/queries apart: less than a digit apart, they are printed alike.
    return None if 100 / queries < 10**-decimals else round(float(percent) * queries / 100)


def _remark(percents: Mapping[int, str], queries: int | None) -> str | None:
    """Name the percentages that no number of queries gives.

    >>> _remark({1: "28.32", 5: "37.78"}, 315)
    '28.32 % cannot be a count of 315 queries'
    """
    if queries is None:
        return None
    impossible = [
        f"{percent} %"
        for percent in percents.values()
        if not possible_count(float(percent), queries, _decimals(percent))
    ]
    if not impossible:
        return None
    verb = "cannot be a count" if len(impossible) == 1 else "cannot be counts"
    return f"{' and '.join(impossible)} {verb} of {queries:,} queries"


def _lines(path: Path) -> list[str]:
    content = plain_bytes(os.fspath(path), LARGEST_CSV + 1)
    if content is None:
        raise SubmissionError(f"{path} is missing, or not a plain file that can be read.")
    if len(content) > LARGEST_CSV:
        raise SubmissionError(f"{path} has more than {LARGEST_CSV:,} bytes.")
    try:
        # A spreadsheet writes a byte order mark; it is no part of the first line.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SubmissionError(
            f"{path.name} is not a table of published numbers that can be read:\n"
            f"  line {line}: is not UTF-8; save the table as CSV in UTF-8"
        ) from None
    return text.replace("\r\n", "\n").split("\n")


def _cells(text: str, number: int, problems: list[Problem]) -> list[str] | None:
    """The fields of one line; a field cannot hold a line break."""
    if len(text) > LONGEST_LINE:
        problems.append(Problem(number, "", f"has more than {LONGEST_LINE:,} characters"))
        return None
    try:
        return next(csv.reader([text], strict=True))
    except (csv.Error, StopIteration) as error:
        reason = "a quotation mark is not closed" if "unexpected end" in str(error) else str(error)
        problems.append(Problem(number, "", reason))
        return None


def _header_problems(header: Sequence[str]) -> list[tuple[str, str]]:
    known = (*NEEDED, *RECALLS, *OPTIONAL)
    problems = [
        (column, "is needed, and the header lacks it") for column in NEEDED if column not in header
    ]
    if not any(column in header for column in RECALLS):
        problems.append((RECALLS[0], "the header has no recall column"))
    problems += [
        (clean_text(column)[:40], f"is no column of these tables; they are {', '.join(known)}")
        for column in header
        if column not in known
    ]
    problems += [(column, "is in the header twice") for column in known if header.count(column) > 1]
    return problems


def _shown(value: str) -> str:
    return repr(value[:60])
