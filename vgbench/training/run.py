"""A run's folder: what training writes there, and reading it again without torch.

recipe.toml              the whole recipe, as it was resolved
run.json                 data, seed, versions, seconds, the way it trained, digest of the model
curve.csv                one row an epoch, counted from 0: loss, seconds, validation recalls
model.safetensors        weights of the best epoch; there when the run has finished
checkpoints/last.ckpt    the state after the last epoch, from which a run goes on
checkpoints/best.safetensors
tensorboard/, steps/     logs of every step
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vgbench.durable import atomic_write
from vgbench.errors import VgbenchError

RECALLS = (1, 5, 10, 20)
COLUMNS = ("epoch", "loss", "seconds", *(f"recall_{n}" for n in RECALLS))

Entry = dict[str, float]
"""One epoch of the curve, under `COLUMNS`; recalls are missing where nothing was validated."""


@dataclass(frozen=True)
class Run:
    """What a run has come to.

    Attributes
    ----------
    folder
        Where it is.
    best_epoch
        The epoch with the highest R@1 (the first of several), counted from 0; None without any.
    curve
        One entry an epoch: `epoch`, `loss`, `seconds`, and `recall_1` … `recall_20` in percent.
    model
        The weights file; it exists when the run has finished.
    finished
        Whether it has.
    about
        What run.json says.
    """

    folder: Path
    best_epoch: int | None
    curve: list[Entry]
    model: Path
    finished: bool
    about: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The run as `vgbench train --json` prints it."""
        return {
            "folder": str(self.folder),
            "finished": self.finished,
            "best_epoch": self.best_epoch,
            "model": str(self.model) if self.finished else None,
            "curve": self.curve,
            **self.about,
        }


def read_run(folder: str | os.PathLike[str]) -> Run | None:
    """Read a run's folder; None when there is no run in it.

    Raises
    ------
    VgbenchError
        When its files cannot be read.
    """
    folder = Path(folder)
    if not (folder / "run.json").is_file():
        return None
    try:
        about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        curve = read_curve(folder / "curve.csv")
        finished = bool(about["finished"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VgbenchError(
            f"The run in {folder} cannot be read ({error}). Name another folder for a new one."
        ) from error
    return Run(
        folder=folder,
        best_epoch=best_epoch(curve),
        curve=curve,
        model=folder / "model.safetensors",
        finished=finished,
        about=about,
    )


def best_epoch(curve: Sequence[Entry]) -> int | None:
    """The first epoch with the highest R@1; without validation the last one.

    >>> best_epoch([{"epoch": 0, "recall_1": 5.0}, {"epoch": 1, "recall_1": 5.0}])
    0
    """
    validated = [entry for entry in curve if "recall_1" in entry]
    if validated:
        return int(max(validated, key=lambda entry: entry["recall_1"])["epoch"])
    return int(curve[-1]["epoch"]) if curve else None


def write_curve(path: Path, curve: Sequence[Entry]) -> None:
    """Write the curve as CSV, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for entry in curve:
        writer.writerow(entry | {"epoch": int(entry["epoch"])})
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document, whole or not at all."""
    with atomic_write(path) as file:
        file.write((json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())


def read_curve(path: Path) -> list[Entry]:
    """Read a curve that `write_curve` wrote; empty where there is none yet."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        {key: int(value) if key == "epoch" else float(value) for key, value in row.items() if value}
        for row in rows
    ]
