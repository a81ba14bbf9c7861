"""The command line of the generator: ``python -m vgbench.demo_city OUT``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .generation import SPLITS, contact_sheet, generate, write_archive


def main(arguments: list[str] | None = None) -> int:
    """Render what the arguments ask for; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vgbench.demo_city", description="Render demo-city."
    )
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="folder that receives test/, val/, train/"
    )
    parser.add_argument("--split", nargs="+", choices=SPLITS, default=["test", "val"])
    parser.add_argument(
        "--places", type=int, default=1500, help="train places, 8 images each (default: 1500)"
    )
    parser.add_argument("--workers", type=int, help="processes (default: one per processor)")
    parser.add_argument(
        "--archive", type=Path, metavar="FILE", help="also pack test and val into a zip file"
    )
    parser.add_argument(
        "--contact-sheet", type=Path, metavar="FILE", help="also draw a sheet of the first split"
    )
    options = parser.parse_args(arguments)
    with _bar() as advance:
        count = generate(options.out, options.split, options.places, options.workers, advance)
    print(f"{count} images in {options.out}", file=sys.stderr)
    if options.archive:
        size = write_archive(options.out, options.archive)
        print(f"{options.archive}: {size / 1e6:.2f} MB", file=sys.stderr)
    if options.contact_sheet:
        contact_sheet(options.out / options.split[0], options.contact_sheet)
    return 0


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task("rendering", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


if __name__ == "__main__":
    raise SystemExit(main())
