"""`vgbench evaluate` and `vgbench extract`: from a model to recalls, or to descriptors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from vgbench.cli import options

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A checkpoint (.safetensors, .pth, .pt, .ckpt); or 'reference', the included model; "
        "or a baseline that needs no torch: 'thumbnail', 'rgb-histogram', 'hsv-histogram' or "
        "'hog-grid'.",
        show_default=False,
    ),
]
Pooling = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--pooling",
        metavar="NAME",
        help="gem or avg: pool in another way than the weights were trained with. The entry "
        "says so.",
    ),
]


def evaluate(
    model: Model,
    dataset: options.Datasets = None,
    arch: options.Architecture = None,
    pooling: Pooling = None,
    distance: options.Distance = "l2",
    resize: options.Resize = None,
    resize_shorter: options.ShorterSide = None,
    top: options.Top = 20,
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    submit: Annotated[
        bool,
        typer.Option(
            "--submit/--no-submit",
            rich_help_panel=options.CARD,
            help="Enter the result on your board, or only print it.",
        ),
    ] = True,
    name: options.Name = None,
    method: options.Method = None,
    authors: options.Authors = None,
    link: options.Links = None,
    licence: options.Licence = None,
    training_data: options.TrainingData = None,
    backbone: options.Backbone = None,
    notes: options.Notes = None,
    root: options.Root = None,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Evaluate a model: recall@1/5/10/20 with intervals, and an entry on the leaderboard.

    Without -d, every registered test set that is installed is taken;
    demo-city, which comes with vgbench, always is.

    [bold]Examples[/bold]

      vgbench evaluate reference

      vgbench evaluate hog-grid

      vgbench evaluate best_model.pth -d tokyo-xs --resize 480 640

      vgbench evaluate model.pt -d my/folder --arch 'resnet18(layer2)+gem'
    """
    from vgbench.cli.printing import print_json, print_result
    from vgbench.datasets import load_dataset
    from vgbench.entering import Entered, already_entered, check_submission, weakest_status
    from vgbench.entering import submit as enter
    from vgbench.evaluation import evaluate as evaluate_model
    from vgbench.leaderboard.submission import check_writable
    from vgbench.models.included import open_model
    from vgbench.places import board_root
    from vgbench.progress import note

    size = _resize(resize, resize_shorter)
    if submit:
        check_writable(board_root(root))  # before the long work, not after it
    loaded = open_model(model, arch=arch, pooling=pooling)
    names = dataset or default_test_sets(data_root)
    splits = [load_dataset(one, data_root=data_root) for one in names]
    card: dict[str, Any] = {
        "name": name or _entry_name(model, pooling),
        "method": method or loaded.metadata.get("method"),
        "authors": authors,
        "links": link or (),
        "licence": licence or loaded.metadata.get("licence"),
        "training_data": training_data or loaded.metadata.get("training_data"),
        "backbone": backbone or _backbone(loaded.architecture),
        "notes": notes,
    }
    if submit:
        check_submission(splits, **card)
    for split in splits:  # of several, the last must not fail after hours of work on the first
        split.check_unchanged()
    results = [
        evaluate_model(
            loaded,
            split,
            distance=distance,
            top=top,
            resize=size,
            device=device,
            precision=precision,
        )
        for split in splits
    ]
    entered: Entered | None = None
    if submit:
        entered = None if name else already_entered(results, root)
        entered = entered or enter(results, root=root, **card)
    if as_json:
        document: dict[str, Any] = (
            entered.to_json()
            if entered
            else {
                "submission": None,
                "status": weakest_status(results),
                "results": [result.to_json() for result in results],
            }
        )
        print_json(document)
        return
    counted = f"{loaded.parameters:,} parameters, from {model}"
    typer.echo(f"{loaded.architecture}, {counted if loaded.parameters else 'nothing is learned'}")
    for result in results:
        typer.echo("")
        print_result(result)
    typer.echo("")
    if entered is None:
        note("Not entered on a board (--no-submit).")
    else:
        print_entered(entered)
        if entered.new:
            from vgbench.cli.verify import print_verified, verify_entered

            print_verified(entered, verify_entered(entered, data_root))


def extract(
    model: Model,
    dataset: Annotated[
        str,
        typer.Option("-d", "--dataset", metavar="NAME", help="What to describe."),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The .npy file to write, rows in dataset order.")
    ] = Path("descriptors.npy"),
    arch: options.Architecture = None,
    pooling: Pooling = None,
    resize: options.Resize = None,
    resize_shorter: options.ShorterSide = None,
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Make descriptors of a dataset and keep them: one float32 array, database rows first.

    The rows are in the order that `vgbench datasets info NAME --paths`
    prints, and the file submits as it is: vgbench submit descriptors.npy
    """
    from vgbench.cli.printing import print_json
    from vgbench.datasets import load_dataset
    from vgbench.descriptors.extracted import Extraction
    from vgbench.errors import UsageError
    from vgbench.models.classical import ClassicalModel
    from vgbench.models.included import open_model

    if output.is_dir():
        raise UsageError(f"{output} is a folder: name the .npy file to write, -o {output}/NAME.npy")
    if output.suffix != ".npy":
        output = output.with_name(output.name + ".npy")
    size = _resize(resize, resize_shorter)
    loaded = open_model(model, arch=arch, pooling=pooling)
    split = load_dataset(dataset, data_root=data_root)
    how: dict[str, Any] = {
        "resize": size, "device": device, "precision": precision, "out": output,
    }  # fmt: skip
    made: Extraction
    if isinstance(loaded, ClassicalModel):
        from vgbench.descriptors.classical import extract_classical

        made = extract_classical(loaded, split, **how)
    else:
        from vgbench.descriptors.extraction import extract as extract_with_network

        made = extract_with_network(loaded, split, **how)
    rows, dimension = made.descriptors.shape
    seconds = made.seconds["extraction"]
    if as_json:
        print_json(
            {
                "descriptors": str(output),
                "dataset": split.id,
                "split": split.split,
                "fingerprint": split.ground_truth,
                "rows": rows,
                "dimension": dimension,
                "architecture": loaded.architecture,
                "image_size": made.image_size,
                "resize": made.resize,
                "device": made.device,
                "seconds": made.seconds,
                "settings": made.settings,
            }
        )
        return
    typer.echo(
        f"{output}: {rows:,} × {dimension} float32 ({len(split.database_paths):,} database, then "
        f"{len(split.query_paths):,} queries) of {split.id}/{split.split}, "
        f"{rows / seconds:.1f} images/s"
    )


def default_test_sets(data_root: Path | None) -> list[str]:
    """Every registered dataset whose test split is here; demo-city is, since it comes along."""
    from vgbench.datasets import installed
    from vgbench.datasets.registry import load_registry

    registered = load_registry()
    here = {name for name, split in installed(data_root) if split == "test"}
    return [name for name in registered if name == "demo-city" or name in here]


def print_entered(entered: Any) -> None:
    """Say where the entry is and how to see it among the others."""
    if entered.new:
        typer.echo(f"Entered as {entered.slug} ({entered.status}): {entered.folder}")
        if entered.revision_of:
            typer.echo(f"It is a revision of {entered.revision_of} and takes its place.")
            typer.echo(
                "Is it another method? Enter it with --name, and take this one back:\n"
                f"  vgbench withdraw {entered.slug} --reason 'entered under a wrong name'"
            )
    else:
        typer.echo(
            f"The same predictions of the same weights are on the board already, as "
            f"{entered.slug} ({entered.status}); give --name to enter them again."
        )
    typer.echo("See it among the others: vgbench leaderboard")
    typer.echo(f"Look at what it got wrong: vgbench report {entered.slug}")


def _entry_name(model: str, pooling: str | None) -> str:
    """What an entry is called for want of a name; another pooling is no revision of the model."""
    return f"{Path(model).stem}-{pooling}-pooling" if pooling else Path(model).stem


def _backbone(architecture: str) -> str | None:
    """The first part of a network's architecture; a classical baseline's has no parts."""
    backbone, plus, _ = architecture.partition("+")
    return backbone if plus else None


def _resize(exact: tuple[int, int] | None, shorter: int | None) -> int | tuple[int, int] | None:
    from vgbench.errors import UsageError

    if exact and shorter:
        raise UsageError("--resize and --resize-shorter exclude each other.")
    return exact or shorter
