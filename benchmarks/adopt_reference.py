"""Make a finished run of `vgbench train reference` the model that vgbench includes.

    python benchmarks/adopt_reference.py runs/reference

Copies the run's weights, as they are, and its curve beside them, and writes MODEL_CARD.md: its
numbers come from the run, from the recipe and from fresh evaluations on demo-city. Afterwards,
everything that was made with the old weights is to be made again; CONTRIBUTING.md lists how.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import vgbench
from vgbench.demo_city.captures import PER_PLACE
from vgbench.demo_city.generation import GENERATOR
from vgbench.demo_city.photograph import HEIGHT, WIDTH
from vgbench.durable import atomic_write
from vgbench.errors import UsageError
from vgbench.evaluation import Result
from vgbench.models import load_model, untrained_model
from vgbench.models.included import reference_file
from vgbench.training.measuring import Way
from vgbench.training.recipes import load_recipe
from vgbench.training.run import Run, read_run

CARD = "MODEL_CARD.md"

TEXT = """\
# The reference model

`{file}`: the network of "Image Geo-localization Through Retrieval" (F. Yousefi
Razin, H. Goldoust, S. Bagherpour; Politecnico di Torino, 2024), trained by us on demo-city.

**These are not the study's own weights.** Those were never published, only the recipe; and this model
has never seen a photograph. It is here so that everything can be tried, taught and tested without
data. Do not expect it to localize photographs.

| | |
|---|---|
| Architecture | `{architecture}`: torchvision's ResNet-18 to layer2, GeM (p learnable, 3 at the start), linear layer to 512; not L2-normalised |
| Parameters | {parameters:,} |
| SHA-256 | `{digest}` |
| Licence | MIT, as vgbench |
| Input | RGB in [0, 1], ImageNet mean and deviation, native size ({size} in demo-city) |
| Training data | demo-city's train split, made larger: {places:,} places × {per_place} images of {size} (day, dusk and night), drawn by `python -m vgbench.demo_city`, generator {generator}; files' digest `{training_digest}` |
| Initial weights | {initial_weights} |
| Recipe | [reference.toml](../../training/recipes/reference.toml), which inherits from [study.toml](../../training/recipes/study.toml); the weights carry all of it in their metadata |
| Seed | {seed} |
| Made with | {versions}; on {device}, {way} |

## How it was trained

    vgbench train reference -o runs/reference

It draws the {places:,} places first; {epochs} epochs took {minutes:.0f} minutes then. On another kind of
processor rounding differs, and so will the weights; the recall should not by much.

The recipe is the study's, the epoch chosen by R@1 on the validation split as there. **What differs**,
because it starts from random weights and had a small machine:

| | the study | here |
|---|---|---|
{differences}
| precision | float16 | {precision} |
| images | GSV-XS, photographs | rendered |

## What it scores

On demo-city test ({database} database images, {queries} queries, {without} of them without a positive), 95 % Wilson
intervals:

| | R@1 | R@5 | R@10 | R@20 |
|---|---|---|---|---|
{scores}

Circle loss trains cosine similarity while the study ranks raw descriptors by L2; the difference is in
the table.

Validation on demo-city val ({validation_queries} queries, L2) by epoch, as in [curve.csv](curve.csv), which counts from
0. Epoch {best} is the one kept:

| epoch | loss | R@1 | R@5 |
|---|---|---|---|
{curve}
"""  # noqa: E501


def adopt(run: Run, target: Path) -> None:
    """Copy a run's weights and curve to `target`'s folder and write the card there.

    Raises
    ------
    UsageError
        When the run is not finished, or is not what the recipe `reference` gives on demo-city.
    """
    recipe = load_recipe("reference")
    expected = {
        "values": recipe.json_values(),
        "finished": True,
        "training_data": f"demo-city train, {recipe.drawn_places:,} places",
        "validation": "demo-city/val",
        "max_steps": None,
        "devices": 1,
    }
    for key, value in expected.items():
        if run.about.get(key) != value:
            raise UsageError(
                f"{run.folder} is not what `vgbench train reference` ends with: its {key} is "
                f"{run.about.get(key)!r}, not {value!r}."
            )
    text = card(run, target.name)
    shutil.copyfile(run.model, target)
    shutil.copyfile(run.folder / "curve.csv", target.with_name("curve.csv"))
    with atomic_write(target.with_name(CARD)) as file:
        file.write(text.encode())


def card(run: Run, name: str) -> str:
    """Give the model card of a run whose weights are to be called `name`."""
    model = load_model(run.model)
    recipe, study = load_recipe("reference"), load_recipe("study")
    dataset, validation = (vgbench.load_dataset(f"demo-city/{s}") for s in ("test", "val"))
    results = {
        "L2 on the descriptors as given (the study's way)": vgbench.evaluate(model, dataset),
        "cosine": vgbench.evaluate(model, dataset, distance="cosine"),
        "L2, with average pooling instead of GeM (the study's mistake)": vgbench.evaluate(
            load_model(run.model, pooling="avg"), dataset
        ),
        "the same network untrained, L2": vgbench.evaluate(
            untrained_model(model.architecture, seed=recipe.seed), dataset
        ),
    }
    first = next(iter(results.values()))
    versions = run.about["versions"]
    way = Way(run.about["way"]["precision"], run.about["way"]["channels_last"])
    ours, theirs = recipe.values(), study.values()
    return TEXT.format(
        file=name,
        architecture=model.architecture,
        parameters=model.parameters,
        digest=model.digest,
        places=recipe.drawn_places,
        training_digest=run.about["training_digest"],
        initial_weights=run.about["initial_weights"],
        seed=recipe.seed,
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
        device=run.about.get("device", "cpu"),
        way=way,
        precision=way.precision,
        epochs=len(run.curve),
        minutes=sum(entry["seconds"] for entry in run.curve) / 60,
        per_place=PER_PLACE,
        size=f"{HEIGHT}×{WIDTH}",
        generator=GENERATOR,
        differences="\n".join(
            f"| {key} | {theirs.get(key, '–')} | {value} |"
            for key, value in ours.items()
            if theirs.get(key) != value and key not in ("title", "table", "data.drawn_places")
        ),
        database=len(dataset.database_paths),
        queries=first.queries,
        without=first.queries_without_positives,
        scores="\n".join(
            [*(f"| {name} | {_recalls(one)} |" for name, one in results.items()),
             *_by_condition(first)]
        ),
        validation_queries=len(validation.query_paths),
        best=run.best_epoch,
        curve="\n".join(
            f"| {int(entry['epoch'])} | {entry['loss']:.2f} | {entry['recall_1']:.1f} | "
            f"{entry['recall_5']:.1f} |"
            for entry in run.curve
        ),
    )  # fmt: skip


def _recalls(result: Result) -> str:
    return " | ".join(
        f"{recall:.1f} [{low:.1f}–{high:.1f}]"
        for recall, (low, high) in zip(
            result.recalls.values(), result.intervals.values(), strict=True
        )
    )


def _by_condition(result: Result) -> list[str]:
    parts: dict[str, dict[str, Any]] = result.conditions or {}
    return [
        f"| {name}, L2 | "
        + " | ".join(f"{100 * count / part['queries']:.1f}" for count in part["hits"].values())
        + " |"
        for name, part in parts.items()
    ]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", type=Path, help="the folder of a finished `vgbench train reference`")
    options = parser.parse_args()
    run = read_run(options.run)
    if run is None:
        raise SystemExit(f"{options.run} holds no run.")
    try:
        adopt(run, reference_file())
    except UsageError as error:
        raise SystemExit(str(error)) from None
    print(f"{reference_file()}: {run.about['digest']}")


if __name__ == "__main__":
    main()
