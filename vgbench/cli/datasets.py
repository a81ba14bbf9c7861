"""`vgbench datasets`: what there is, taking in what somebody has, and whether it is still right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vgbench.cli import download, keeping, options

if TYPE_CHECKING:
    from vgbench.datasets.catalogue import Description, SplitDescription
    from vgbench.datasets.verification import SplitReport

app = typer.Typer(
    no_args_is_help=True,
    help="List, import and verify datasets. Any folder with database/ and queries/ in it also "
    "works by its path, with no import.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]

app.command("download")(download.download)
app.command("add")(keeping.add)
app.command("path")(keeping.path)
app.command("pin")(keeping.pin)
app.command("remove")(keeping.remove)
app.command("conditions")(keeping.conditions)


@app.command("list")
def list_(data_root: options.DataRoot = None, as_json: options.Json = False) -> None:
    """List registered and installed datasets."""
    from vgbench.cli.printing import print_json
    from vgbench.datasets import list_datasets
    from vgbench.places import data_root as place_of_data

    found = list_datasets(data_root)
    if as_json:
        print_json([dataset.to_json() for dataset in found])
        return
    typer.echo(f"{'NAME':<12} {'SPLIT':<6} {'DATABASE':>9} {'QUERIES':>8} {'TRAIN':>9}  STATE")
    for dataset in found:
        for split in dataset.splits:
            typer.echo(
                f"{dataset.id:<12} {split.name:<6} {_number(split.database):>9} "
                f"{_number(split.queries):>8} {_number(split.train):>9}  {_state(dataset, split)}"
            )
    typer.echo(f"Datasets are kept in {place_of_data(data_root)}")


@app.command()
def info(
    name: Annotated[str, typer.Argument(metavar="NAME[/SPLIT] | FOLDER", show_default=False)],
    paths: Annotated[
        bool, typer.Option("--paths", help="Print the images in the order of descriptor rows.")
    ] = False,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Show what is known of a dataset, or with --paths the order that descriptors must have."""
    from vgbench.cli.printing import print_json
    from vgbench.datasets import describe, load_dataset

    if paths:
        order = load_dataset(name, data_root=data_root).paths
        if as_json:
            print_json(order)
        else:
            typer.echo("\n".join(order))
        return
    if Path(name).is_dir():
        _folder_info(name, data_root, as_json)
        return
    dataset = describe(name.partition("/")[0], data_root)
    if as_json:
        print_json(dataset.to_json())
        return
    typer.echo(f"{dataset.id}: {dataset.title}")
    for text in (dataset.description, dataset.homepage):
        if text:
            typer.echo(text.strip())
    for split in dataset.splits:
        typer.echo("")
        typer.echo(f"{split.name}: {_counts(split)} ({_state(dataset, split)})")
        if split.ground_truth:
            typer.echo(f"  ground truth {split.ground_truth}  {_pin(split.pin)}")
        if split.content:
            typer.echo(f"  content      {split.content}  {_pin(split.content_pin)}")
        if split.note:
            typer.echo(f"  {split.note.strip()}")
    typer.echo("")
    for label, value in (
        ("UTM zone", dataset.utm_zone),
        ("Conditions", dataset.conditions),
        ("Folder", dataset.folder),
        ("Terms", dataset.terms),
        ("To get it", dataset.how_to_get),
        ("Problem", dataset.problem),
    ):
        if value:
            typer.echo(f"{label}: {str(value).strip()}")


@app.command("import")
def import_(
    name: Name,
    source: Annotated[
        Path, typer.Argument(metavar="FOLDER|ARCHIVE", help="A folder, or a zip or tar archive.")
    ],
    link: Annotated[
        bool, typer.Option("--link", help="Leave a folder's images where they are.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of one of that name.")
    ] = False,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Take in a dataset that you have, and hold it against what the registry says of it.

    The layout may be <split>/database and <split>/queries, or database and
    queries alone, with whatever wrapper folders the archive has.

    [bold]Example[/bold]

      vgbench datasets import tokyo-xs ~/Downloads/tokyo_xs.zip
    """
    from vgbench.cli.printing import print_json
    from vgbench.datasets import describe, import_dataset

    folder = import_dataset(name, source, data_root=data_root, link=link, replace=replace)
    dataset = describe(name, data_root)
    if as_json:
        print_json(dataset.to_json())
        return
    typer.echo(f"{name}: {folder}")
    for split in dataset.splits:
        if split.installed:
            typer.echo(f"  {split.name}: {_counts(split)}, ground truth {_pin(split.pin)}")


@app.command()
def verify(
    name: Name,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read and decode every image, not only changed ones.")
    ] = False,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Hold a dataset's images against its manifest, and that against the registry.

    Exits with 1 when anything is missing, extra, changed, undecodable, or
    contradicts the registry.
    """
    from vgbench.cli.printing import print_json
    from vgbench.datasets import verify_dataset

    report = verify_dataset(name, deep=deep, data_root=data_root)
    if as_json:
        print_json(report.to_json())
    else:
        how = "every image read and decoded" if deep else "sizes and times of change compared"
        typer.echo(f"{name}: {report.folder} ({how})")
        for split in report.splits:
            _print_split_report(split)
    if not report.ok:
        raise typer.Exit(1)


def _folder_info(name: str, data_root: Path | None, as_json: bool) -> None:
    from vgbench.cli.printing import print_json
    from vgbench.datasets import load_dataset

    split = load_dataset(name, data_root=data_root)
    counts = {"database": len(split.database_paths), "queries": len(split.query_paths)}
    if as_json:
        print_json(
            {"id": split.id, "split": split.split, "folder": str(split.folder)}
            | counts
            | {"ground_truth": split.ground_truth, "content": split.content}
        )
        return
    typer.echo(f"{split.id}/{split.split}: {split.folder}")
    typer.echo(f"  {counts['database']:,} database images, {counts['queries']:,} queries")
    typer.echo(f"  ground truth {split.ground_truth}")
    typer.echo(f"  content      {split.content}")


def _print_split_report(split: SplitReport) -> None:
    from vgbench.errors import first_ten

    typer.echo(
        f"{'✓' if split.ok else '✗'} {split.split}: {split.images:,} images, ground truth "
        f"{_pin(split.ground_truth)}, content {_pin(split.content)}"
    )
    for label in ("missing", "extra", "changed", "undecodable", "mismatches"):
        found = getattr(split, label)
        if found:
            typer.echo(f"  {label}: {len(found):,}")
            typer.echo(first_ten([f"  {line}" for line in found], "of them"))
    if split.duplicates:
        typer.echo(f"  {len(split.duplicates):,} groups of identical images (no failure)")
        typer.echo(first_ten([f"  {' = '.join(group)}" for group in split.duplicates], "groups"))


def _number(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def _counts(split: SplitDescription) -> str:
    parts = [
        f"{count:,} {label}"
        for count, label in (
            (split.database, "database images"),
            (split.queries, "queries"),
            (split.train, "training images"),
        )
        if count is not None
    ]
    return ", ".join(parts) or "counts unknown"


def _state(dataset: Description, split: SplitDescription) -> str:
    from vgbench.datasets import load_registry

    if split.installed:
        return "installed" + ("" if dataset.registered else ", unregistered")
    spec = load_registry().get(dataset.id)
    if spec is not None and spec.packaged and not dataset.installed and split.database:
        return "comes with vgbench"
    return "not installed"


def _pin(state: str) -> str:
    return {
        "agrees": "as pinned",
        "differs": "NOT as pinned",
        "unknown": "(nothing pinned)",
    }[state]
