"""Progress of several downloads at once: bytes, rate and time left on a terminal, else nothing."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vgbench.datasets.patience import Meter

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class _Bar(Meter):
    def __init__(self, stop: threading.Event, display: Progress, title: str) -> None:
        super().__init__(stop)
        self.display, self.title = display, title
        self.task: TaskID = display.add_task(title, total=None)
        self.last: int | None = None

    def at(self, have: int, total: int | None) -> None:
        if self.last is None or have < self.last:  # what came earlier is no speed of now
            self.display.reset(self.task, total=total, completed=have, description=self.title)
        else:
            self.display.update(self.task, total=total, completed=have, description=self.title)
        self.last = have

    def waiting(self, seconds: float) -> None:
        self.last = None
        self.display.update(self.task, description=f"{self.title} (again in {seconds:.0f} s)")


@contextmanager
def meters(titles: Sequence[str], stop: threading.Event) -> Iterator[list[Meter]]:
    """Give one meter for each title, all in one display on stderr."""
    if not sys.stderr.isatty():
        yield [Meter(stop) for _ in titles]
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        yield [_Bar(stop, display, title) for title in titles]
