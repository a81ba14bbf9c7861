"""`vgbench datasets download`: from a name to a verified dataset."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from vgbench.cli import options


def download(
    names: Annotated[list[str], typer.Argument(metavar="NAME", show_default=False)],
    from_url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--from",
            metavar="URL",
            help="Try this address first: of the archive, or, with a / at its end, of a folder "
            "that has it. $VGBENCH_MIRROR is such a folder for all datasets.",
        ),
    ] = None,
    keep_archive: Annotated[
        bool, typer.Option("--keep-archive", help="Leave the archive beside the data.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Download again what is installed.")
    ] = False,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Download datasets, unpack them and check them; an interrupted download goes on.

    [bold]Example[/bold]

      vgbench datasets download sf-xs tokyo-xs
    """
    from vgbench.cli.dataset_text import counts_text, pin_text
    from vgbench.cli.printing import print_json
    from vgbench.datasets import describe, download_datasets

    done = download_datasets(
        names,
        from_url=from_url,
        keep_archive=keep_archive,
        replace=replace,
        data_root=data_root,
    )
    if as_json:
        print_json([dataset.to_json() for dataset in done])
        return
    for dataset in done:
        typer.echo(f"{dataset.name}: {dataset.state}, {dataset.folder}")
        if dataset.bytes is not None and dataset.received is not None:
            earlier = dataset.bytes - dataset.received
            typer.echo(
                f"  {dataset.bytes / 1e6:,.1f} MB from {dataset.source}"
                + (f", {earlier / 1e6:,.1f} MB of them earlier" if earlier > 0 else "")
            )
            typer.echo(f"  SHA-256 {dataset.sha256}")
        for split in describe(dataset.name, data_root).splits:
            if split.installed:
                typer.echo(
                    f"  {split.name}: {counts_text(split)}, ground truth {pin_text(split.pin)}"
                )
        if dataset.archive:
            typer.echo(f"  archive kept: {dataset.archive}")
