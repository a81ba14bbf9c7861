"""`vgbench datasets`: what there is, taking in what somebody has, and whether it is still right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vgbench.cli import download, keeping, options
from vgbench.cli.dataset_text import counts_text, pin_text, print_report, say
from vgbench.cli.keeping import bytes_text

if TYPE_CHECKING:
    from vgbench.datasets.catalogue import Description, SplitDescription

app = typer.Typer(
    no_args_is_help=True,
    help="List, import and verify datasets. Any folder with database/ and queries/ in it also "
    "works by its path, with no import.",
)

EXIT_CODES = {"verified": 0, "damaged": 3, "contradicts": 4, "unknown": 5}
"""What `verify` and `repair` tell scripts; 1 is any error, 2 wrong usage."""

Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]


def list_(data_root: options.DataRoot = None, as_json: options.Json = False) -> None:
    """List registered and installed datasets: edition, size on disk, and when it was verified.

    "not pinned" under VERIFIED is intact, with too little registered to say
    more. A dataset that changed since it was verified counts as not verified.
    """
    from vgbench.cli.printing import print_json
    from vgbench.datasets import list_datasets
    from vgbench.places import data_root as place_of_data

    found = list_datasets(data_root)
    if as_json:
        print_json([dataset.to_json() for dataset in found])
        return
    width = max(11, *(len(dataset.id) for dataset in found))
    typer.echo(
        f"{'NAME':<{width}} {'SPLIT':<5} {'DATABASE':>9} {'QUERIES':>7}  {'STATE':<13} "
        f"{'EDITION':<8} {'SIZE':>7}  VERIFIED"
    )
    for dataset in found:
        for split in dataset.splits:
            database = _number(split.database if split.train is None else split.train)
            row = (
                f"{dataset.id:<{width}} {split.name:<5} {database:>9} "
                f"{_number(split.queries):>7}  {_state(dataset, split):<13} "
            )
            if split.installed:
                row += (
                    f"{dataset.edition.name or '–':<8} {bytes_text(split.bytes):>7}  "
                    f"{_verified(dataset)}"
                )
            typer.echo(row.rstrip())
    typer.echo("For a split without queries, DATABASE is its training images.")
    typer.echo(f"Datasets are kept in {place_of_data(data_root)}")


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
    say(f"{dataset.id}: {dataset.title}")
    for text in (dataset.description, dataset.homepage):
        if text:
            say(text.strip())
    for split in dataset.splits:
        typer.echo("")
        say(f"{split.name}: {counts_text(split)} ({_state(dataset, split)})")
        if split.database_size or split.bytes:
            size = f"database images {split.database_size}, " if split.database_size else ""
            say(f"{size}{bytes_text(split.bytes)} on disk", "  ")
        for label, digest, pin in (
            ("ground truth", split.ground_truth, split.pin),
            ("content", split.content, split.content_pin),
        ):
            if digest:
                typer.echo(f"  {label} {pin_text(pin)}:\n    {digest}")
        if split.note:
            say(split.note.strip(), "  ")
    typer.echo("")
    for title, value in (
        ("Edition", str(dataset.edition) if dataset.installed and dataset.editions else None),
        ("Verified", _verified(dataset, words=True) if dataset.installed else None),
        ("Size on disk", bytes_text(dataset.bytes) if dataset.bytes is not None else None),
        ("Editions", _editions(dataset) if not dataset.installed else None),
        ("Archive", _archives(dataset) if not dataset.installed else None),
        ("UTM zone", dataset.utm_zone),
        ("Conditions", dataset.conditions),
        ("Folder", dataset.folder),
        ("Terms", dataset.terms),
        ("To get it", dataset.how_to_get),
        ("Problem", dataset.problem),
    ):
        if value:
            say(f"{title}: {str(value).strip()}")


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
            typer.echo(f"  {split.name}: {counts_text(split)}, ground truth {pin_text(split.pin)}")


def verify(
    name: Name,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read and decode every image, not only changed ones.")
    ] = False,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Hold a dataset's images against its manifest, and that against the registry.

    What the registry does not pin is unknown, never verified; when nothing is
    wrong, the date is kept and shown by list and info. Exit codes:

    0 verified: intact, and every split is the registered one

    1 it could not be verified, as it is not installed; 2 wrong usage

    3 damaged: images are missing, extra, changed or do not decode; to get them
    again: vgbench datasets repair NAME

    4 contradicts: it is not what the registry says, or its own records

    5 unknown: intact, and the registry pins too little of a split
    """
    from vgbench.cli.printing import print_json
    from vgbench.datasets import verify_dataset

    report = verify_dataset(name, deep=deep, data_root=data_root)
    if as_json:
        print_json(report.to_json())
    else:
        print_report(report)
    if code := EXIT_CODES[report.status]:
        raise typer.Exit(code)


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


def _verified(dataset: Description, words: bool = False) -> str:
    found = dataset.verified
    if found is None:
        return (
            f"never, or not since it changed: vgbench datasets verify {dataset.id}" * words or "–"
        )
    if not words:
        return found.date if found.status == "verified" else "not pinned"
    how = "every image read" if found.deep else "sizes and times of change compared"
    return (
        f"{found.at} ({how})"
        if found.status == "verified"
        else f"intact on {found.at} ({how}); too little is registered to say more"
    )


def _editions(dataset: Description) -> str:
    return "; ".join(f"{edition['name']} ({edition['images']})" for edition in dataset.editions)


def _archives(dataset: Description) -> str:
    """Tell where the archive is, how large, and what is known against it."""
    told = []
    for source in dataset.sources:
        where = "on Google Drive" if source["kind"] == "drive" else source["url"]
        told.append(", ".join(part for part in (source["file"], source["size"], where) if part))
        if source["note"]:
            told[-1] += f" ({source['note'].strip().rstrip('.')})"
    return "; ".join(told)


def _number(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def _state(dataset: Description, split: SplitDescription) -> str:
    from vgbench.datasets import load_registry

    if split.installed:
        return "installed" if dataset.registered or dataset.own else "unregistered"
    spec = load_registry().get(dataset.id)
    if spec is not None and spec.packaged and not dataset.installed and split.database:
        return "included"
    return "not installed"


# In the order in which they are needed, which is that of the help.
_COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_,
    "info": info,
    "download": download.download,
    "import": import_,
    "add": keeping.add,
    "verify": verify,
    "repair": keeping.repair,
    "conditions": keeping.conditions,
    "path": keeping.path,
    "pin": keeping.pin,
    "remove": keeping.remove,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
