"""`vgbench datasets path`, `remove` and `conditions`: what is done with a dataset that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from vgbench.cli import options


def path(
    name: Annotated[str, typer.Argument(metavar="NAME[/SPLIT]", show_default=False)],
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Print the folder of a dataset or of one split, for scripts."""
    from vgbench.cli.printing import print_json
    from vgbench.datasets import dataset_path

    found = str(dataset_path(name, data_root))
    if as_json:
        print_json({"dataset": name, "path": found})
    else:
        typer.echo(found)


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Remove a dataset from the data root; images that it only links to stay."""
    from vgbench.cli.printing import print_json
    from vgbench.datasets import remove_dataset

    where = remove_dataset(name, data_root)
    if as_json:
        print_json({"dataset": name, "removed": str(where)})
    else:
        typer.echo(f"Removed {name} from {where}")


def conditions(
    name: Annotated[str, typer.Argument(metavar="NAME[/SPLIT]", show_default=False)],
    file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(metavar="CSV", show_default=False, help="Rows of query,condition."),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Go back to the conditions that the names give.")
    ] = False,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Print the conditions of a dataset's queries as CSV, or state them in a CSV of your own."""
    import csv
    import sys

    from vgbench.cli.printing import print_json
    from vgbench.datasets import load_dataset, override_conditions
    from vgbench.datasets.overrides import reset_conditions
    from vgbench.errors import UsageError

    if file and reset:
        raise UsageError("--reset and a CSV file exclude each other.")
    dataset = load_dataset(name, data_root=data_root)
    if reset and not dataset.folder_given:
        from vgbench.places import data_root as place_of_data

        reset_conditions(f"{dataset.id}/{dataset.split}", place_of_data(data_root))
    if file:
        override_conditions(name, file, data_root)
    dataset = load_dataset(name, data_root=data_root)
    labels = dataset.query_conditions or [None] * len(dataset.query_paths)
    if as_json:
        rows = dict(zip(dataset.query_paths, labels, strict=True))
        print_json({"from": dataset.conditions_from, "conditions": rows})
    elif file or reset:
        typer.echo(f"{dataset.id}/{dataset.split}: conditions {dataset.conditions_from or 'none'}")
    else:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["query", "condition"])
        writer.writerows(zip(dataset.query_paths, [x or "" for x in labels], strict=True))
