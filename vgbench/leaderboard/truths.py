"""Ground truths to hold predictions against: opened once each, without any image."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vgbench.datasets import Dataset, load_dataset, load_registry
from vgbench.datasets.ground_truth import GroundTruth, load_ground_truth
from vgbench.datasets.loading import is_installed
from vgbench.errors import DatasetNotFound, VgbenchError
from vgbench.places import data_root as place_of_data
from vgbench.retrieval.positives import count_without_positives


@dataclass(eq=False)
class Truth:
    """Names and positions of a split.

    Attributes
    ----------
    ground_truth
        The fingerprint of the names.
    query_paths
        Length Q, in the dataset's order.
    database_positions, query_positions
        float64 (N, 2) and (Q, 2), metres.
    conditions
        Length Q, "unknown" where a query has none; None where no query has one.
    """

    ground_truth: str
    query_paths: list[str]
    database_positions: NDArray[np.float64]
    query_positions: NDArray[np.float64]
    conditions: NDArray[np.str_] | None
    _without: dict[float, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def without_positives(self, threshold: float) -> int:
        """How many queries no prediction could localize; counted once for each threshold."""
        with self._lock:
            if threshold not in self._without:
                self._without[threshold] = count_without_positives(
                    self.database_positions, self.query_positions, threshold
                )
            return self._without[threshold]


class Truths:
    """The ground truths that are here: kept in vgbench, else of installed datasets.

    Parameters
    ----------
    data_root
        Where datasets are; see `vgbench.places.data_root`.
    """

    def __init__(self, data_root: str | os.PathLike[str] | None = None) -> None:
        self.data_root = place_of_data(data_root)
        self._opened: dict[tuple[str, str], Truth | None] = {}
        self._lock = threading.Lock()

    def find(self, dataset: str, split: str) -> Truth | None:
        """The ground truth of a split; None where there is none here.

        Raises
        ------
        DatasetError
            When the one that vgbench keeps is damaged.
        """
        with self._lock:
            if (dataset, split) not in self._opened:
                self._opened[dataset, split] = _open(dataset, split, self.data_root)
            return self._opened[dataset, split]


def _open(dataset: str, split: str, data_root: Path) -> Truth | None:
    spec = load_registry().get(dataset)
    if spec is not None and split in spec.splits:
        try:
            return _truth(load_ground_truth(dataset, split))
        except DatasetNotFound:
            pass
    if not is_installed(dataset, data_root):
        return None
    try:
        found = load_dataset(dataset, split, data_root=data_root)
    except VgbenchError:  # no such split here, or its manifest is damaged: nothing to hold against
        return None
    return _truth(found)


def _truth(found: GroundTruth | Dataset) -> Truth:
    labels = found.query_conditions
    return Truth(
        ground_truth=found.ground_truth,
        query_paths=list(found.query_paths),
        database_positions=found.database_positions,
        query_positions=found.query_positions,
        conditions=None if labels is None else np.array([label or "unknown" for label in labels]),
    )
