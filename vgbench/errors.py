"""Everything that vgbench raises on purpose, as one tree.

    VgbenchError
    ├── UsageError            options that do not go together; exit code 2
    ├── DatasetError          a dataset is missing, incomplete or not what it claims
    │   ├── DatasetNotFound
    │   ├── DatasetChanged    the images differ from the manifest
    │   └── ImageError        an image that does not decode, or a name without a position
    ├── DownloadError         no source gives a dataset's archive
    ├── ArchiveError          an archive that is damaged or not safe to unpack
    ├── ModelError            a checkpoint that cannot be read, or does not fit an architecture
    ├── DescriptorError       descriptors of the wrong shape, type, count or content
    ├── SubmissionError       a submission folder that is incomplete or contradicts itself
    └── BoardError            the board's folder cannot be read or written

A message says what was wrong, what was expected and found, in which file and row, and what to do
next. The command line prints it without a traceback.
"""

from __future__ import annotations

from collections.abc import Sequence


class VgbenchError(Exception):
    """Base of everything that vgbench raises on purpose."""


class UsageError(VgbenchError):
    """Options or arguments that do not go together."""


class DatasetError(VgbenchError):
    """A dataset is incomplete, empty or not what it claims to be."""


class DatasetNotFound(DatasetError):
    """No installed dataset and no folder of that name."""


class DatasetChanged(DatasetError):
    """The images on disk differ from the dataset's manifest."""


class ImageError(DatasetError):
    """Images that do not decode, or names without a UTM position."""


class DownloadError(VgbenchError):
    """No source gives a dataset's archive; names each of them, and why."""


class ArchiveError(VgbenchError):
    """An archive is damaged, or unpacking it would not be safe."""


class ModelError(VgbenchError):
    """A checkpoint cannot be read safely or does not fit an architecture."""


class DescriptorError(VgbenchError):
    """Descriptors have the wrong shape, type, number of rows or content."""


class SubmissionError(VgbenchError):
    """A submission folder is incomplete or contradicts itself."""


class BoardError(VgbenchError):
    """The folder that holds the leaderboard cannot be read or written."""


def first_ten(lines: Sequence[str], noun: str = "") -> str:
    """Join the first ten lines, indented, and say how many more there are.

    >>> print(first_ten(["a", "b"]))
      a
      b
    >>> print(first_ten([str(i) for i in range(12)], "images").splitlines()[-1])
      … and 2 more images
    """
    shown = [f"  {line}" for line in lines[:10]]
    if len(lines) > 10:
        shown.append(f"  … and {len(lines) - 10:,} more {noun}".rstrip())
    return "\n".join(shown)
