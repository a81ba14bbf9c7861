"""An interrupt ends training wherever it arrives, and never gets lost on the way.

An interrupt raises KeyboardInterrupt at whatever the program does at that moment. Raised in a
finaliser it is printed and forgotten; and a terminal sends it to the loader's processes as well,
whose end then looks like an error. So it is also remembered, and looked for between batches.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Callback


class Interrupts(Callback):
    """Remembers an interrupt, and ends the training at the next batch if nothing else did."""

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
        """End here if an interrupt got lost."""
        self._end()

    def on_train_epoch_end(self, *arguments: Any) -> None:
        """End here if an interrupt got lost."""
        self._end()

    def _end(self) -> None:
        if self.arrived:
            raise KeyboardInterrupt

    def _remember(self, *arguments: Any) -> None:
        self.arrived = True
        raise KeyboardInterrupt
