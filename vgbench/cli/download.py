"""`vgbench datasets download`: from a name to a verified dataset."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from vgbench.cli import options

_STATUS = {
    "verified": "Verified: numbers of images, UTM zone and box are as registered.",
    "unknown": "Intact; not verified, as too little of it is registered.",
}


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
    """Download, unpack and verify datasets; an interrupted download goes on.

    [bold]Example[/bold]

      vgbench datasets download sf-xs tokyo-xs
    """
    from vgbench.cli.dataset_text import counts_text, pin_text
    from vgbench.cli.printing import print_json
    from vgbench.datasets import describe, download_datasets, verify_dataset

    done = download_datasets(
        names,
        from_url=from_url,
        keep_archive=keep_archive,
        replace=replace,
        data_root=data_root,
    )
    # An archive that contradicts the registry was refused: this records that it was verified.
    status = {
        dataset.name: verify_dataset(dataset.name, data_root=data_root).status
        for dataset in done
        if dataset.state == "downloaded"
    }
    if as_json:
        print_json([d.to_json() | {"status": status.get(d.name)} for d in done])
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
        if said := _STATUS.get(status.get(dataset.name, "")):
            typer.echo(f"  {said}")
        if dataset.archive:
            typer.echo(f"  archive kept: {dataset.archive}")
