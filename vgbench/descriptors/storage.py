"""Rows of descriptors as they come in, kept in memory or written into a .npy file."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator, Sequence
from typing import IO

import numpy as np
from numpy.typing import NDArray

from vgbench.durable import atomic_write
from vgbench.errors import ModelError


class Rows:
    """An array of shape (count, D), allocated when the first rows tell D."""

    def __init__(self, count: int, file: IO[bytes] | None = None) -> None:
        self.count = count
        self._file = file
        self._array: NDArray[np.float32] | None = None
        self._lock = threading.Lock()

    @property
    def array(self) -> NDArray[np.float32]:
        """The whole array."""
        assert self._array is not None, "no row was written"
        return self._array

    def write(self, rows: Sequence[int], values: NDArray[np.float32]) -> None:
        """Put `values` of shape (len(rows), D) in their places; from any thread.

        Raises
        ------
        ModelError
            When D differs from that of the rows before.
        """
        with self._lock:
            if self._array is None:
                self._array = self._allocate(values.shape[1])
        if values.shape[1] != self._array.shape[1]:
            raise ModelError(
                f"The model returned descriptors of {values.shape[1]} values after descriptors of "
                f"{self._array.shape[1]}: their length must not depend on the image. Resize all "
                "images to one size (resize=…, --resize), or use a model that pools."
            )
        self._array[list(rows)] = values

    def _allocate(self, dimension: int) -> NDArray[np.float32]:
        shape = (self.count, dimension)
        if self._file is None:
            return np.empty(shape, np.float32)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(self._file, header)
        self._file.flush()
        start = self._file.tell()
        # Reserved before it is mapped: when the disk is full, that is an error here and not a
        # crash in the middle of an assignment.
        _reserve(self._file, start, self.count * dimension * 4)
        return np.memmap(self._file, np.float32, "r+", offset=start, shape=shape)


@contextlib.contextmanager
def storage(out: str | os.PathLike[str] | None, count: int) -> Iterator[Rows]:
    """Yield `Rows` for `count` descriptors, in memory or in the file `out`.

    The file appears when the block ends well, complete and synced; otherwise nothing is left of it.

    Raises
    ------
    VgbenchError
        When the file cannot be written.
    """
    if out is None:
        yield Rows(count)
        return
    with atomic_write(out) as file:
        rows = Rows(count, file)
        yield rows
        mapped = rows.array
        if isinstance(mapped, np.memmap):
            mapped.flush()


def _reserve(file: IO[bytes], start: int, length: int) -> None:
    """Make a file longer by `length` bytes that are really there."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), start, length)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
    block = bytes(1 << 20)
    for offset in range(0, length, len(block)):
        file.write(block[: length - offset])
    file.flush()
