"""Which rows of the board a reader asked for: by status, backbone, training data, size or words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vgbench.errors import UsageError
from vgbench.leaderboard.columns import Row
from vgbench.leaderboard.entry import STATUSES
from vgbench.leaderboard.text import clean_text

SEARCHED = (
    "slug", "name", "method", "backbone", "architecture", "training_data", "authors", "notes",
    "image_size", "source", "remark",
)  # fmt: skip
"""The columns that `text` is looked for in."""


@dataclass(frozen=True)
class Filter:
    """What a row must be; a row whose value is unknown is not kept by a condition on it.

    Attributes
    ----------
    status
        Any of these; all when empty.
    backbone, training_data, image_size
        Text that the column contains, in any case; "×" may be written "x".
    max_dimension
        The longest descriptor.
    text
        Words that must all occur in one of the columns `SEARCHED`.
    """

    status: Sequence[str] = ()
    backbone: str | None = None
    training_data: str | None = None
    max_dimension: int | None = None
    image_size: str | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        for status in self.status:
            if status not in STATUSES:
                raise UsageError(
                    f"No row has the status {clean_text(status)!r}: choose among "
                    f"{', '.join(STATUSES)}."
                )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `keeps` looks at."""
        named = ("backbone", "training_data", "image_size")
        return (
            *(("status",) if self.status else ()),
            *(name for name in named if getattr(self, name) is not None),
            *(("dimension",) if self.max_dimension is not None else ()),
            *(SEARCHED if self.text is not None else ()),
        )

    @property
    def empty(self) -> bool:
        """Whether it keeps every row."""
        return not self.columns

    def keeps(self, row: Row) -> bool:
        """Whether a row is what was asked for.

        >>> Filter(backbone="resnet", max_dimension=512).keeps(
        ...     {"backbone": "ResNet-50", "dimension": 2048}
        ... )
        False
        """
        if self.status and row["status"] not in self.status:
            return False
        for name in ("backbone", "training_data", "image_size"):
            wanted = getattr(self, name)
            if wanted is not None and (
                row[name] is None or _plain(wanted) not in _plain(row[name])
            ):
                return False
        if self.max_dimension is not None:
            dimension = row["dimension"]
            if dimension is None or dimension > self.max_dimension:
                return False
        if self.text is not None:
            held = "\n".join(_plain(row.get(name) or "") for name in SEARCHED)
            return all(word in held for word in _plain(self.text).split())
        return True


def _plain(text: str) -> str:
    return clean_text(text).casefold().replace("×", "x")
