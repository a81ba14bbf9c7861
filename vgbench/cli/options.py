"""Options that several commands share, each with the help that teaches it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

# Typer reads these at run time, where Python 3.10 wants Optional[…] for its own parsing of them.
DataRoot = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--data-root", help="Where datasets are. [default: $VGBENCH_DATA, else the user's cache]"
    ),
]
Root = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--root",
        help="The board's folder, with submissions/ and leaderboard/. [default: $VGBENCH_ROOT, "
        "else the nearest parent that has both, else the user's data folder]",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Datasets = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "-d",
        "--dataset",
        metavar="DATASET[/SPLIT]",
        help="A registered dataset, or the path of a folder with database/ and queries/. "
        "May be given several times.",
    ),
]
Distance = Annotated[
    str,
    typer.Option(
        "--distance", help="l2 (on the descriptors as given), cosine, or ip (inner product)."
    ),
]
Top = Annotated[int, typer.Option("--top", min=20, help="Predictions kept for each query.")]
Architecture = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--arch",
        metavar="ARCHITECTURE",
        help="Only where a checkpoint's keys do not tell it: 'resnet18(layer2)+gem+fc512', "
        "'resnet50+l2+gem+fc2048+l2', …",
    ),
]
Resize = Annotated[
    Optional[tuple[int, int]],  # noqa: UP045
    typer.Option(
        "--resize",
        metavar="H W",
        help="Resize every image to this height and width. [default: the images' own size]",
    ),
]
ShorterSide = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--resize-shorter", metavar="S", help="Resize so that the shorter side is S."),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
Precision = Annotated[
    str, typer.Option("--precision", help="float32, or bfloat16 or float16 where that is faster.")
]
Name = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--name", help="The entry's name on the board. [default: the file's name]"),
]
Method = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--method", help="What the method is called in print."),
]
Authors = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--authors", help="Whom to credit."),
]
Links = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--link", help="An http(s) link to paper, code or weights; several allowed."),
]
Licence = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--licence", "--license", help="Of the weights."),
]
TrainingData = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--training-data", help="What the model was trained on."),
]
Backbone = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--backbone", help="ResNet50, DINOv2-B, …"),
]
ImageSize = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--image-size",
        metavar="HxW",
        help="The size of the images that the model was given: the same weights score very "
        "differently with it.",
    ),
]
Notes = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--notes", help="Anything a reader should know, in a sentence."),
]
