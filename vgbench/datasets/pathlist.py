"""A list of paths that stays in one block of bytes until somebody asks for one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

_BATCH = 65_536
"""Paths decoded at once while iterating: few enough for memory, many enough for speed."""


class PathList(Sequence[str]):
    """An immutable sequence of strings over UTF-8 bytes and offsets, as Arrow stores them.

    Millions of paths open at once this way: nothing is decoded before it is read. Compares equal to
    any list or tuple of the same strings.

    Parameters
    ----------
    starts, ends
        Where each path begins and ends in `data`, int64 (n,).
    data
        UTF-8, uint8 (bytes,).

    Examples
    --------
    >>> paths = PathList.of(["database/a.jpg", "database/ä.jpg"])
    >>> paths[1], paths[-2:0:-1], len(paths), list(paths)
    ('database/ä.jpg', [], 2, ['database/a.jpg', 'database/ä.jpg'])
    """

    __slots__ = ("_data", "_ends", "_starts")

    def __init__(
        self, starts: NDArray[np.int64], ends: NDArray[np.int64], data: NDArray[np.uint8]
    ) -> None:
        self._starts, self._ends, self._data = starts, ends, data

    @classmethod
    def of(cls, paths: Iterable[str]) -> PathList:
        """Pack strings.

        Raises
        ------
        UnicodeEncodeError
            When a string is not valid Unicode, as file names on some systems are not.
        """
        encoded = [path.encode() for path in paths]
        ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        starts = np.concatenate([np.zeros(min(1, len(ends)), np.int64), ends[:-1]])
        return cls(starts, ends, np.frombuffer(b"".join(encoded), np.uint8))

    def without_prefix(self, length: int) -> PathList:
        """Give the same paths without their first `length` bytes; nothing is copied."""
        return PathList(self._starts + length, self._ends, self._data)

    def arrow_buffers(self, prefix: str = "") -> tuple[NDArray[np.int64], bytes]:
        """Offsets int64 (n + 1,) and bytes of the paths, each with `prefix` put before it."""
        ahead = prefix.encode()
        lengths = self._ends - self._starts + len(ahead)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        return offsets, b"".join(ahead + path.encode() for path in self)

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> PathList: ...
    def __getitem__(self, index: int | slice) -> str | PathList:
        if isinstance(index, slice):
            return PathList(self._starts[index], self._ends[index], self._data)
        return self._data[self._starts[index] : self._ends[index]].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _BATCH):
            starts, ends = self._starts[first : first + _BATCH], self._ends[first : first + _BATCH]
            low = int(starts.min())
            block = self._data[low : int(ends.max())].tobytes()
            spans = zip((starts - low).tolist(), (ends - low).tolist(), strict=True)
            if block.isascii():  # one character is one byte: decode once, cut afterwards
                text = block.decode("ascii")
                yield from [text[start:end] for start, end in spans]
            else:
                yield from [block[start:end].decode() for start, end in spans]

    def __contains__(self, path: object) -> bool:
        return any(path == own for own in self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, (str, bytes)):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # equal to lists, which have no hash either

    def __repr__(self) -> str:
        shown = ", ".join(repr(path) for path in self[:3])
        return f"[{shown}, …{len(self):,} paths]" if len(self) > 3 else f"[{shown}]"

    def __reduce__(self) -> Any:
        return PathList.of, (list(self),)
