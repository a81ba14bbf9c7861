"""Exact search, positives, recall and its uncertainty: from descriptors to integer hit counts."""

from __future__ import annotations

from vgbench.retrieval.positives import Positives, count_without_positives, find_positives
from vgbench.retrieval.recall import RECALL_VALUES, first_hit, hits
from vgbench.retrieval.search import DISTANCES, Predictions, search
from vgbench.retrieval.statistics import wilson_interval

__all__ = [
    "DISTANCES",
    "RECALL_VALUES",
    "Positives",
    "Predictions",
    "count_without_positives",
    "find_positives",
    "first_hit",
    "hits",
    "search",
    "wilson_interval",
]
