"""`vgbench submit`: from descriptors that somebody has to an entry on the leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from vgbench.cli import options


def submit(
    files: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Argument(
            metavar="FILE",
            help="One array, database rows first, then queries; or a folder or two files with "
            "database_descriptors.npy and queries_descriptors.npy.",
            show_default=False,
        ),
    ] = None,
    dataset: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "-d",
            "--dataset",
            metavar="NAME",
            help="What they describe; otherwise recognised by the number of rows.",
        ),
    ] = None,
    database: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--database", help="The file of the database's descriptors."),
    ] = None,
    queries: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--queries", help="The file of the queries' descriptors."),
    ] = None,
    distance: options.Distance = "l2",
    top: options.Top = 20,
    name: options.Name = None,
    method: options.Method = None,
    authors: options.Authors = None,
    link: options.Links = None,
    licence: options.Licence = None,
    training_data: options.TrainingData = None,
    backbone: options.Backbone = None,
    image_size: options.ImageSize = None,
    resize: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--resize-rule",
            metavar="TEXT",
            rich_help_panel=options.CARD,
            help="How images were resized, in words.",
        ),
    ] = None,
    notes: options.Notes = None,
    root: options.Root = None,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Validate and score descriptors, made in any language, and enter them on the leaderboard.

    Rows are in the order of `vgbench datasets info NAME --paths`: database
    images by path, then queries by path, which is what the field's own tools
    hold in memory. Nothing is written when anything is wrong. The new entry is
    then verified as `vgbench verify` does it, and on a board in a git
    repository the lines follow that propose it.

    [bold]Examples[/bold]

      vgbench submit descriptors.npy

      vgbench submit logs/default/2026-01-31_12-00-00/ --name cosplace-r18

      vgbench submit --database db.npy --queries q.npy --distance cosine
    """
    from vgbench.cli.evaluate import print_entered
    from vgbench.cli.printing import print_json, print_result
    from vgbench.cli.verify import print_verified, verify_entered
    from vgbench.descriptors.files import read_descriptors
    from vgbench.descriptors.recognising import recognise_dataset
    from vgbench.entering import submit as enter
    from vgbench.evaluation import score

    given = read_descriptors(files or [], database=database, queries=queries)
    split = recognise_dataset(given, dataset, data_root)
    result = score(given.split(split), split, distance=distance, top=top)
    entered = enter(
        result,
        name or given.stem,
        root=root,
        method=method,
        authors=authors,
        links=link or (),
        licence=licence,
        training_data=training_data,
        backbone=backbone,
        image_size=image_size,
        resize=resize,
        notes=notes,
    )
    report = verify_entered(entered, data_root)
    if as_json:
        print_json(entered.to_json() | {"checks": report.entries[0].to_json()["checks"]})
    else:
        print_result(result)
        typer.echo("")
        print_entered(entered)
        print_verified(entered, report)
    if not report.ok:
        raise typer.Exit(1)
