"""What the study did not ask of its network, asked of the included model: poolings and sizes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vgbench.models.included import REFERENCE, reference_file
from vgbench.progress import note
from vgbench.study.results import Evaluation, Study, update
from vgbench.training.run import Entry, read_curve

SPLIT = "demo-city/test"
SIZES = ((72, 96), (96, 128), (144, 192), (192, 256), (240, 320), (288, 384), (384, 512))
"""(height, width) in pixels that demo-city's images are resized to."""

OWN_SIZE = (192, 256)
"""That of demo-city's images, which the included model was trained at."""


def ask(
    folder: Path, *, data_root: str | os.PathLike[str] | None = None, device: str = "auto"
) -> Study:
    """Evaluate the included model on demo-city test, and keep the answers with a study's results.

    At every one of `SIZES` with its own pooling, and at the images' own size with average pooling;
    each by L2 and by cosine. What was measured of the same weights and images is kept.

    Parameters
    ----------
    folder
        Of the study; results.json must be there.
    """
    from vgbench.datasets import load_dataset
    from vgbench.models.loading import load_model
    from vgbench.study.running import evaluate_at

    split = load_dataset(SPLIT, data_root=data_root)
    own = load_model(REFERENCE)

    def keep(study: Study) -> Study:
        fits = [e for e in study.reference if (e.weights, e.content) == (own.digest, split.content)]
        return replace(study, reference=tuple(fits), reference_curve=reference_curve())

    study = update(folder, keep)
    averaged = load_model(REFERENCE, pooling="avg")
    for model, size in [*((own, size) for size in SIZES), (averaged, OWN_SIZE)]:
        label = f"{size[0]}x{size[1]}"
        if any((e.architecture, e.image_size) == (model.architecture, label)
               for e in study.reference):  # fmt: skip
            continue
        note(f"The included model as {model.architecture}, images {label}")
        found = evaluate_at(model, split, size, device=device)
        study = update(folder, lambda now, new=found: _with(now, new))  # type: ignore[misc]
    return study


def reference_curve() -> tuple[Entry, ...]:
    """The included model's validation recalls by epoch, as its training left them beside it."""
    return tuple(
        {key: value for key, value in entry.items() if key != "seconds"}
        for entry in read_curve(reference_file().parent / "curve.csv")
    )


def _with(study: Study, found: Sequence[Evaluation]) -> Study:
    return replace(study, reference=(*study.reference, *found))
