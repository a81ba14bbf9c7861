"""The board with 1,000 entries and with 100,000 rows: showing, building, one new entry, verifying.

    python benchmarks/leaderboard.py [--entries 1000] [--rows 100000] [--keep FOLDER] [--repeat 3]

The entries are those of benchmarks/verify.py: two stand-in datasets with ground truths of their
own, 20 predictions a query, every hit counted again. The large table holds copies of their rows
with outcomes drawn anew, and no submissions beside it. Commands run as processes whose output goes
to a pipe. The best of some runs counts, in wall seconds and in CPU seconds of all cores, and as a
multiple of the baseline: Python starting and importing NumPy and pyarrow, which every command does.
A limit counts as kept when either kind of seconds keeps it, so a busy machine's clock decides
nothing. Ends with status 1 when one is exceeded, or when a table kept up to date is not what a
build gives. Needs about 300 MB of disk.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from verify import prepare, write_some

from vgbench.leaderboard.board import table_path
from vgbench.leaderboard.columns import RECALL_VALUES, Row, rows_to_arrow
from vgbench.leaderboard.table import read_board
from vgbench.retrieval.standings import pack_outcomes
from vgbench.retrieval.statistics import wilson_interval

NOTHING = ("-c", "pass")
BASELINE = ("-c", "import numpy, pyarrow.parquet")
NEW_ENTRY = 1_000_000
"""The seed of the entry that is added; larger than any other's."""


class Took(NamedTuple):
    """Seconds on the clock, and of all cores together."""

    wall: float
    cpu: float


def take_time(arguments: tuple[str, ...], folder: Path | None = None) -> Took:
    """Run Python with these arguments, its output to a pipe; the board's command in `folder`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=folder)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return Took(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def best(
    arguments: tuple[str, ...],
    folder: Path | None = None,
    repeat: int = 1,
    first: Callable[[], object] = lambda: None,
) -> Took:
    """The run that took the least CPU; `first` is called before each."""
    runs = []
    for _ in range(repeat):
        first()
        runs.append(take_time(arguments, folder))
    return min(runs, key=lambda took: took.cpu)


def write_large(source: Path, target: Path, count: int) -> None:
    """Write a table of `count` rows by itself: rows of the board in `source`, drawn anew."""
    random = np.random.default_rng(0)
    held = read_board(source).rows
    rows: list[Row] = []
    for number in range(count):
        row = held[number % len(held)]
        queries = row["queries"]
        ranks = random.geometric(random.uniform(0.05, 0.6), queries)
        found: Row = {"slug": f"{row['slug']}-{number}", "name": f"Method {number}"}
        found |= {"dimension": int(2 ** random.integers(6, 13)), "rank_low": None, "tier": None}
        for n in RECALL_VALUES:
            hits = int((ranks <= n).sum())
            low, high = wilson_interval(hits, queries)
            found |= {f"outcomes_{n}": pack_outcomes(ranks <= n), f"hits_{n}": hits}
            found |= {f"recall_{n}": 100 * hits / queries}
            found |= {f"low_{n}": 100 * low, f"high_{n}": 100 * high}
        rows.append(row | found)
    rows.sort(key=lambda row: (row["dataset"], row["split"], row["slug"]))
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows_to_arrow(rows), target, compression="zstd")


def measure(folder: Path, rows: int, repeat: int) -> bool:
    """Print a line for each command; whether all limits were kept."""
    board, large = folder / "board", folder / "large"
    count = sum(path.name.startswith("method-") for path in (board / "submissions").iterdir())
    new = board / "submissions" / f"method-{NEW_ENTRY:04d}"
    shutil.rmtree(new, ignore_errors=True)
    command = ("command.py", "registry.toml")
    on_board = ("--root", "board")

    build = best(
        (*command, "leaderboard", "build", *on_board), folder, 1,
        lambda: table_path(board).unlink(missing_ok=True),
    )  # fmt: skip
    table = table_path(board).read_bytes()
    if not (large / "leaderboard").is_dir():
        write_large(board, table_path(large), rows)
    kept = folder / "new"
    if not kept.is_dir():
        write_some(folder, [NEW_ENTRY])
        new.rename(kept)

    def one_more() -> None:
        shutil.rmtree(new, ignore_errors=True)
        table_path(board).write_bytes(table)
        shutil.copytree(kept, new)

    shown = best((*command, "leaderboard", *on_board), folder, repeat)
    shown_large = best((*command, "leaderboard", "--root", "large"), folder, repeat)
    update = best((*command, "leaderboard", *on_board), folder, repeat, one_more)
    updated = table_path(board).read_bytes()
    take_time((*command, "leaderboard", "build", *on_board), folder)
    same = table_path(board).read_bytes() == updated != table
    shutil.rmtree(new)
    table_path(board).write_bytes(table)
    verified = best((*command, "verify", *on_board), folder)

    nothing, baseline = best(NOTHING, None, repeat), best(BASELINE, None, repeat)
    print(f"{'':44}{'wall':>8}{'CPU':>8}  {'baseline ×':>10}  limit")
    lines = (
        ("python -c pass", nothing, None),
        ("python -c 'import numpy, pyarrow.parquet'", baseline, None),
        (f"leaderboard, {count:,} entries", shown, 0.5),
        (f"leaderboard, {rows:,} rows", shown_large, 1.5),
        (f"leaderboard build, {count:,} entries", build, 15.0),
        ("leaderboard, one new entry among them", update, 1.0),
        (f"verify, {count:,} entries × 2 datasets", verified, 20.0),
    )
    good = same
    for name, took, limit in lines:
        kept_to = limit is None or min(took) <= limit
        good &= kept_to
        said = "" if limit is None else f"{limit:g} s{'' if kept_to else '  EXCEEDED'}"
        times = took.cpu / baseline.cpu
        print(f"{name:44}{took.wall:8.2f}{took.cpu:8.2f}  {times:10.1f}  {said}".rstrip())
    print(
        f"The table with the new entry {'is' if same else 'IS NOT'} byte for byte a full build's."
    )
    return good


def main() -> None:
    """Prepare, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=100_000, help="of the large table")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each short command")
    parser.add_argument("--keep", type=Path, help="use this folder, and leave the boards in it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = (options.keep or Path(name)).resolve()
        if not (folder / "board").is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            prepare(folder, options.entries)
        if not measure(folder, options.rows, options.repeat):
            raise SystemExit(1)


if __name__ == "__main__":
    main()
