"""An interrupt ends training after the present batch; a second one ends it at once.

KeyboardInterrupt raised at whatever the program does at that moment may land in a finaliser, where
it is printed and forgotten, or in a lock that logging holds. So an interrupt is remembered, and
looked for between batches.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Callback


class Interrupts(Callback):
    """Remembers an interrupt, and ends the training between two batches."""

    def __init__(self) -> None:
        self.arrived = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch for interrupts; whatever they led to leaves the block as KeyboardInterrupt."""
        if threading.current_thread() is not threading.main_thread():
            yield  # signals come to the main thread alone
            return
        before = signal.getsignal(signal.SIGINT)
        if before is None or before == signal.SIG_IGN:
            yield
            return
        signal.signal(signal.SIGINT, self._remember)
        try:
            yield
        except BaseException as error:
            # Lightning turns an interrupt into SystemExit, and a loader's into a RuntimeError.
            if self.arrived and not isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            raise
        finally:
            signal.signal(signal.SIGINT, before)  # Lightning leaves it ignored

    def on_train_batch_start(self, *arguments: Any) -> None:
        """End here after an interrupt."""
        self._end()

    def on_train_batch_end(self, *arguments: Any) -> None:
        """End here after an interrupt."""
        self._end()

    def on_train_epoch_end(self, *arguments: Any) -> None:
        """End here after an interrupt, before validation."""
        self._end()

    def _end(self) -> None:
        if self.arrived:
            raise KeyboardInterrupt

    def _remember(self, *arguments: Any) -> None:
        if self.arrived:
            raise KeyboardInterrupt
        self.arrived = True
