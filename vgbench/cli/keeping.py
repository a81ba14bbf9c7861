"""`vgbench datasets add`, `path`, `pin`, `repair`, `remove`, `conditions`: what becomes of them."""

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
    """Remove a dataset from the data root, with archives and records that are kept beside it.

    Images that it only links to stay. Also takes away what a download that
    was broken off has left.
    """
    from vgbench.cli.printing import print_json
    from vgbench.datasets import remove_dataset

    removed = remove_dataset(name, data_root)
    if as_json:
        print_json(
            {"dataset": removed.name, "removed": str(removed.folder), "bytes": removed.bytes}
        )
    else:
        typer.echo(f"Removed {removed.name} from {removed.folder}")
        typer.echo(f"  {bytes_text(removed.bytes)} freed")


def repair(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    source: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--from", metavar="FILE|URL", help="Try this archive first."),
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read and decode every image to find what is damaged.")
    ] = False,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Get again the images that are missing, changed or do not decode, and verify.

    From an archive that was kept; else only what is needed, out of the archive
    where it is on a server; else from the whole archive, downloaded anew. An
    image is replaced only by the very bytes that the dataset was imported with.
    Extra images are named and stay.

    Exits with 0 when all is well afterwards, with 3 or 4 when something is
    left that it cannot put right: see vgbench datasets verify --help.
    """
    from vgbench.cli.printing import print_json
    from vgbench.datasets.repairing import repair_dataset
    from vgbench.errors import first_ten

    done = repair_dataset(name, source=source, deep=deep, data_root=data_root)
    if as_json:
        print_json(done.to_json())
    elif done.needed:
        typer.echo(f"{done.dataset}: {done.repaired:,} of {done.needed:,} images repaired")
        typer.echo(f"  {bytes_text(done.fetched)} fetched; from {', '.join(done.sources)}")
    else:
        typer.echo(f"{done.dataset}: no image is missing, changed or undecodable")
    if done.report.ok:
        return
    if not as_json:
        for split in done.report.splits:
            problems = [*split.extra, *split.changed, *split.undecodable, *split.mismatches]
            kinds = f"{len(split.extra):,} extra" if split.extra else "see below"
            if problems:
                typer.echo(f"  {split.split} is still not as it should be ({kinds}):")
                typer.echo(first_ten(problems, "of them"))
    raise typer.Exit(3 if done.report.status == "damaged" else 4)


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


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    source: Annotated[str, typer.Argument(metavar="FOLDER|ARCHIVE|URL", show_default=False)],
    link: Annotated[
        bool, typer.Option("--link", help="Leave a folder's images where they are.")
    ] = False,
    condition: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--condition", metavar="RULE", help="note or pano_id_mod_3."),
    ] = None,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Take in a dataset of your own, pinned in registry.toml of the data root."""
    from vgbench.cli.dataset_text import counts_text
    from vgbench.cli.printing import print_json
    from vgbench.datasets import describe
    from vgbench.datasets.adding import add_dataset
    from vgbench.datasets.conditions import RULES
    from vgbench.errors import UsageError

    if condition is not None and condition not in RULES:
        raise UsageError(f"--condition must be one of {', '.join(RULES)}, not {condition!r}.")
    folder = add_dataset(name, source, data_root, link=link, condition=condition)
    added = describe(name, data_root)
    if as_json:
        print_json(added.to_json())
        return
    typer.echo(f"Added {name}: {folder}")
    for split in added.splits:
        typer.echo(f"  {split.name}: {counts_text(split)}")
    typer.echo(f"Use it as any other: -d {name}")


def pin(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="For the ground truths.")
    ] = Path("ground_truth"),
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Print the registry's block for an installed dataset, and write its ground truths.

    The block holds what the registry says of it already, and all that can be
    measured: numbers of images, UTM zone, box, queries with a positive,
    fingerprints, image sizes, and the archive's digest where it was
    downloaded. In a registry, it makes verify say verified. Refused where the
    images are not what the manifest says.
    """
    from vgbench.cli.printing import print_json
    from vgbench.datasets import load_dataset, verify_dataset
    from vgbench.datasets.ground_truth import write_ground_truth
    from vgbench.datasets.pinning import pin_dataset
    from vgbench.errors import DatasetError

    report = verify_dataset(name, data_root=data_root)
    name = report.dataset
    if not report.ok:
        raise DatasetError(f"{name} is not as it should be. See: vgbench datasets verify {name}")
    pins = pin_dataset(name, data_root)
    written = {}
    for split in report.splits:
        if "queries" not in {fact.what for fact in split.facts}:
            continue  # for training
        dataset = load_dataset(f"{name}/{split.split}", data_root=data_root)
        written[split.split] = str(write_ground_truth(dataset, output))
    if as_json:
        print_json(pins.to_json() | {"ground_truths": written})
        return
    typer.echo(pins.toml)
    for path in written.values():
        typer.echo(path, err=True)


def bytes_text(count: int | None) -> str:
    """Write bytes as people do.

    >>> bytes_text(0), bytes_text(1_230_000_000), bytes_text(None)
    ('0 kB', '1.23 GB', '–')
    """
    if count is None:
        return "–"
    for unit, bytes_of in (("GB", 1e9), ("MB", 1e6)):
        if count >= bytes_of:
            digits = 2 if count < 10 * bytes_of else 1 if count < 100 * bytes_of else 0
            return f"{count / bytes_of:.{digits}f} {unit}"
    return f"{count / 1e3:.0f} kB"
