"""Options that several commands share, each with the help that teaches it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

CARD = "The entry on the board"
PLACES = "Places and output"

# Typer reads these at run time, where Python 3.10 wants Optional[…] for its own parsing of them.
DataRoot = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--data-root",
        metavar="FOLDER",
        rich_help_panel=PLACES,
        help="Where datasets are; otherwise $VGBENCH_DATA, or the user's cache folder.",
    ),
]
Root = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--root",
        metavar="FOLDER",
        rich_help_panel=PLACES,
        help="The board's folder, with submissions/ and leaderboard/ in it; otherwise "
        "$VGBENCH_ROOT, the nearest parent that has both, or the user's data folder.",
    ),
]
Datasets = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "-d",
        "--dataset",
        metavar="NAME",
        help="A dataset, NAME or NAME/SPLIT, or the path of a folder with database/ and "
        "queries/ in it. Several may be given.",
    ),
]
Architecture = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--arch",
        metavar="ARCH",
        help="Only where a checkpoint's keys do not tell it: 'resnet18(layer2)+gem+fc512', "
        "'resnet50+l2+gem+fc2048+l2', …",
    ),
]
Resize = Annotated[
    Optional[tuple[int, int]],  # noqa: UP045
    typer.Option(
        "--resize",
        metavar="H W",
        help="Resize every image to this height and width; otherwise images keep their size.",
    ),
]
ShorterSide = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(
        "--resize-shorter",
        metavar="S",
        help="Resize so that the shorter side is S.",
    ),
]
Name = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--name",
        metavar="TEXT",
        rich_help_panel=CARD,
        help="The entry's name on the board; otherwise the file's.",
    ),
]
Method = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--method",
        metavar="TEXT",
        rich_help_panel=CARD,
        help="What the method is called in print.",
    ),
]
Authors = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--authors",
        metavar="TEXT",
        rich_help_panel=CARD,
        help="Whom to credit.",
    ),
]
Links = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--link",
        metavar="URL",
        rich_help_panel=CARD,
        help="An http(s) link to paper, code or weights; several may be given.",
    ),
]
Licence = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--licence",
        "--license",
        metavar="TEXT",
        rich_help_panel=CARD,
        help="Of the weights.",
    ),
]
TrainingData = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--training-data",
        metavar="TEXT",
        rich_help_panel=CARD,
        help="What the model was trained on.",
    ),
]
Backbone = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--backbone",
        metavar="TEXT",
        rich_help_panel=CARD,
        help="ResNet50, DINOv2-B, …",
    ),
]
ImageSize = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--image-size",
        metavar="HxW",
        rich_help_panel=CARD,
        help="The size of the images that the model was given: the same weights score very "
        "differently with it.",
    ),
]
Notes = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--notes",
        metavar="TEXT",
        rich_help_panel=CARD,
        help="Anything a reader should know, in a sentence.",
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", rich_help_panel=PLACES, help="Print one JSON document on stdout."),
]
Distance = Annotated[
    str,
    typer.Option(
        "--distance",
        metavar="NAME",
        help="l2 (on the descriptors as given), cosine, or ip (inner product).",
    ),
]
Top = Annotated[
    int, typer.Option("--top", metavar="K", min=20, help="Predictions kept for each query.")
]
Device = Annotated[
    str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")
]
Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="NAME",
        help="float32, or bfloat16 or float16 where that is faster, or auto to measure it.",
    ),
]
