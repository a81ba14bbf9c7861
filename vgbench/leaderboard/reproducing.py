"""Running an entry's weights again, and holding what they give against its predictions.

Processors differ in the last bits of a convolution, so images at almost equal distances may change
places. An entry is reproduced when each of its predictions is, by the descriptors made again, at
the distance that it states, and none that it lacks is nearer than its last, both but for
`TOLERANCE`.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgbench.datasets import load_dataset
from vgbench.errors import UsageError, VgbenchError, first_ten
from vgbench.leaderboard.entry import Entry
from vgbench.leaderboard.findings import FAILED, PASSED, WARNING, Check
from vgbench.leaderboard.text import clean_text
from vgbench.retrieval.search import search

TOLERANCE = 1e-3
"""How much two distances may differ, as a part of the query's median distance. Runs of the included
model in float32 differ by 2e-7 between batch sizes, one in bfloat16 by 3e-3."""

_MARGIN = 30
"""Neighbours looked at beyond K, among which an image that changed places is found."""


class Comparison(NamedTuple):
    """`moved` of the predictions are at another rank; `wrong` is bool of shape (Q,): queries whose
    predictions are not those of the descriptors; `largest` difference of distances, relative."""

    moved: int
    wrong: NDArray[np.bool_]
    largest: float


def reproduce(
    weights: Path, entry: Entry, data_root: str | os.PathLike[str] | None = None
) -> Check:
    """Run weights on the entry's dataset and compare the predictions.

    Parameters
    ----------
    weights
        A safetensors file; nothing else is opened.
    entry
        With its predictions.
    data_root
        Where the dataset is; demo-city comes with vgbench.

    Returns
    -------
    Check
        Named "reproduced": a warning where the weights cannot be run here.
    """
    if find_spec("torch") is None or find_spec("torchvision") is None:
        return _unknown(
            "torch and torchvision are not installed, and running the weights needs them"
        )
    if not _is_safetensors(weights):
        return Check("reproduced", FAILED, f"{weights.name} is not a safetensors file")
    rule = _resize(entry.resize)
    if rule is None:
        return _unknown(f"how to resize images is not understood: {clean_text(entry.resize)[:80]}")
    try:
        dataset = load_dataset(entry.dataset, entry.split, data_root=data_root)
    except VgbenchError as error:
        return _unknown(str(error).partition("\n")[0])
    if (dataset.ground_truth, dataset.content) != (entry.ground_truth, entry.content):
        return _unknown(f"{entry.dataset} is installed here with other images")
    from vgbench.descriptors.extraction import extract
    from vgbench.models import load_model

    try:
        made = extract(load_model(weights), dataset, resize=rule[0]).descriptors
    except VgbenchError as error:
        return Check("reproduced", FAILED, f"the weights cannot be run: {error}")
    cut = len(dataset.database_paths)
    if made.shape[1] != entry.dimension:
        message = f"the weights give {made.shape[1]} values for an image, not {entry.dimension}"
        return Check("reproduced", FAILED, message)
    found = compare(made[:cut], made[cut:], entry.distance or "l2", entry.rows, entry.distances)
    if not found.wrong.any():
        if not found.moved:
            return Check("reproduced", PASSED, "every prediction is the same")
        message = (
            f"{found.moved:,} of {entry.rows.size:,} predictions changed places with others at "
            f"almost the same distance"
        )
        return Check("reproduced", PASSED, message)
    lines = [
        f"query {i}, {clean_text(entry.query_paths[i])[:120]}"
        for i in np.flatnonzero(found.wrong).tolist()
    ]
    return Check(
        "reproduced",
        FAILED,
        f"the weights give other predictions for {len(lines):,} of {len(found.wrong):,} queries:\n"
        f"{first_ten(lines, 'queries')}",
    )


def compare(
    database: NDArray[np.float32],
    queries: NDArray[np.float32],
    distance: str,
    rows: NDArray[np.int32],
    distances: NDArray[np.float32],
) -> Comparison:
    """Hold predictions against descriptors made again.

    Parameters
    ----------
    database, queries
        float32 (N, D) and (Q, D).
    distance
        `"l2"`, `"cosine"` or `"ip"`.
    rows, distances
        The predictions, (Q, K).
    """
    top = rows.shape[1]
    again = search(database, queries, k=top + _MARGIN, distance=distance)
    scale = np.maximum(np.median(np.abs(again.distances), axis=1), np.finfo(np.float32).tiny)
    allowed = TOLERANCE * scale[:, None]
    moved = int((again.rows[:, :top] != rows).sum())
    # Where each stored row is among the neighbours found again; its distance there, else infinite.
    found = np.full(rows.shape, np.inf)
    for rank in range(again.rows.shape[1]):
        here = rows == again.rows[:, rank, None]
        found = np.where(here, again.distances[:, rank, None], found)
    apart = np.abs(found - distances)
    left_out = ~(again.rows[:, :, None] == rows[:, None, :]).any(axis=2)
    nearer = left_out & (again.distances < distances[:, -1:] - allowed)
    wrong = (apart > allowed).any(axis=1) | nearer.any(axis=1)
    finite = np.where(np.isfinite(apart), apart, 0.0)
    return Comparison(moved, wrong, float((finite / scale[:, None]).max()))


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do: the header's length in 8 bytes, then JSON."""
    with path.open("rb") as file:
        head = file.read(9)
    length = int.from_bytes(head[:8], "little")
    return len(head) == 9 and head[8:] == b"{" and 2 <= length <= path.stat().st_size - 8


def _resize(rule: str | None) -> tuple[int | tuple[int, int] | None] | None:
    """The resizing that a rule in words means, in a tuple; None where it is not understood."""
    from vgbench.descriptors.images import ResizeRule

    if rule is None or rule == str(ResizeRule(None)):
        return (None,)
    words = rule.partition(",")[0]
    sides = words.removeprefix("shorter side ").split("x")
    if not all(side.isascii() and side.isdigit() and len(side) <= 5 for side in sides):
        return None
    numbers = [int(side) for side in sides]
    size = numbers[0] if len(numbers) == 1 else (numbers[0], numbers[-1])
    try:
        return (size,) if str(ResizeRule.of(size)) == rule else None
    except UsageError:
        return None


def _unknown(why: str) -> Check:
    return Check("reproduced", WARNING, f"unknown: {why}")
