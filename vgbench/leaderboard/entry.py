"""What a submission consists of: the method's card, and one entry per dataset and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

STATUSES = ("reproduced", "verified", "unverified", "published")
"""What a row may claim, the strongest first; `STATUS_MEANING` says what each word means."""

STATUS_MEANING = {
    "reproduced": "the weights are here and a run of them gave these predictions",
    "verified": "recomputed from the stored predictions against the pinned ground truth",
    "unverified": "recomputed, but nobody has pinned this dataset's ground truth",
    "published": "a number from a publication, with nothing to recompute",
}

PROVENANCE = (
    "Positions of the queries are public, so predictions prove the arithmetic, not that a method "
    "made them without looking."
)

DISTANCES = ("l2", "cosine", "ip")


class Condition(TypedDict):
    """Queries of one condition ("night") and how many of them are localized at each N."""

    queries: int
    hits: dict[int, int]


def _no_rows() -> NDArray[np.int32]:
    return np.empty((0, 0), np.int32)


def _no_distances() -> NDArray[np.float32]:
    return np.empty((0, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Entry:
    """The result of a method on one split of a dataset.

    Parameters
    ----------
    dataset, split
        Names made of ASCII letters, digits, ".", "_" and "-".
    ground_truth, content
        Fingerprints of names and of image contents, 64 hexadecimal digits; None where unknown.
    protocol, threshold
        Version of the evaluation protocol, and the metres within which an image is a positive.
    database, queries, queries_without_positives
        Numbers of images.
    distance, dimension
        `"l2"`, `"cosine"` or `"ip"`, and the length of a descriptor.
    image_size, resize
        What the method was given: "512x512", "native 320x240" or "mixed"; and the rule.
    hits
        Queries localized at each N.
    conditions
        The same by condition; `conditions_derived` when the labels are inferred, not given.
    query_paths
        Length Q, in the dataset's order.
    rows
        int32 of shape (Q, K): database rows, the best first. Shape (0, 0) when published.
    distances
        float32 of shape (Q, K), never falling along a row.
    descriptors_digest
        SHA-256 of the descriptors.
    seconds
        What the steps took, such as `{"extraction": 41.2, "search": 0.1}`, on `device`.
    status
        One of `STATUSES`; None for the status of the submission.
    recalls
        Only when published: percentages as they were printed.
    first_hit
        int32 of shape (Q,): the 0-based rank of each query's first positive among its predictions,
        −1 where there is none; None where it was not kept.
    """

    dataset: str
    split: str
    ground_truth: str | None
    content: str | None
    protocol: int
    threshold: float
    database: int | None
    queries: int | None
    queries_without_positives: int | None
    distance: str | None
    dimension: int | None
    image_size: str | None = None
    resize: str | None = None
    hits: Mapping[int, int] = field(default_factory=dict)
    conditions: Mapping[str, Condition] | Mapping[str, Mapping[str, Any]] | None = None
    query_paths: Sequence[str] = field(default=(), repr=False)
    rows: NDArray[np.int32] = field(default_factory=_no_rows, repr=False)
    distances: NDArray[np.float32] = field(default_factory=_no_distances, repr=False)
    descriptors_digest: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    device: str | None = None
    conditions_derived: bool = False
    status: str | None = None
    recalls: Mapping[int, float] = field(default_factory=dict)
    first_hit: NDArray[np.int32] | None = field(default=None, repr=False)

    @property
    def top(self) -> int:
        """K, how many predictions each query has."""
        return int(self.rows.shape[1])


@dataclass(frozen=True)
class Card:
    """What is known of a method. Everything but the name is optional; text is cleaned when kept."""

    name: str
    method: str | None = None
    authors: str | None = None
    links: Sequence[str] = ()
    licence: str | None = None
    training_data: str | None = None
    backbone: str | None = None
    architecture: str | None = None
    parameters: int | None = None
    weights_digest: str | None = None
    notes: str | None = None


CARD_TEXTS = (
    "name", "method", "authors", "licence", "training_data", "backbone", "architecture", "notes",
)  # fmt: skip
