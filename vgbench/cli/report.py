"""`vgbench report`: a page of what one method got wrong on one dataset, to be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from vgbench.cli import options


def report(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN|SLUG|FILE",
            help="An entry of the board by its slug; a submission's folder or a .parquet of "
            "predictions in it; or descriptors (.npy), which are scored and not entered.",
            show_default=False,
        ),
    ],
    dataset: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "-d",
            "--dataset",
            metavar="NAME[/SPLIT]",
            help="Which of its results; or the folder that was evaluated, for its images. Of "
            "descriptors: what they describe, otherwise recognised by the number of rows.",
        ),
    ] = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "-o",
            "--output",
            metavar="FILE|FOLDER",
            help="The .html to write, or the folder for it; otherwise SLUG-DATASET.html here.",
        ),
    ] = None,
    queries: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            "--queries", metavar="N", min=1, help="List only the N worst queries; otherwise all."
        ),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", metavar="K", min=1, help="Predictions shown of each query.")
    ] = 5,
    images: Annotated[
        str,
        typer.Option(
            "--images",
            metavar="WAY",
            help="embed: small copies in the page, which can be sent to others. link: the "
            "dataset's own files, for this machine only. none: names only.",
        ),
    ] = "embed",
    distance: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--distance",
            metavar="NAME",
            help="Of descriptors only: l2 (the default), cosine, or ip (inner product).",
        ),
    ] = None,
    root: options.Root = None,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Make a page of one evaluation: where does it fail, and what did it see instead?

    The worst queries come first, each with its predictions framed in green or
    red, their metres and ranks; with a map of the queries, recall by condition,
    threshold and N, and the histogram of distances. One file that opens in any
    browser, also without a network. Where the dataset's images are not
    installed it shows names. Needs no torch.

    [bold]Examples[/bold]

      vgbench report study-reference

      vgbench report mine -d tokyo-xs -o pages/

      vgbench report descriptors.npy --queries 50 --top 10

      vgbench report submissions/mine/my-city-test.parquet -d my/city
    """
    from vgbench.cli.printing import print_json
    from vgbench.leaderboard.report.opening import open_evaluation
    from vgbench.leaderboard.report.pictures import check_kind
    from vgbench.leaderboard.report.writing import check_page, write_report
    from vgbench.progress import note

    check_kind(images)
    check_page(output)
    evaluation = open_evaluation(
        run, dataset, distance=distance, top=max(20, top), root=root, data_root=data_root,
        pictures=images != "none",
    )  # fmt: skip
    written = write_report(evaluation, output, queries=queries, top=top, images=images)
    for line in written.notes:
        note(line)
    if as_json:
        pictures = written.pictures
        document: dict[str, Any] = {
            "report": str(written.page),
            "name": evaluation.name,
            "dataset": evaluation.dataset,
            "split": evaluation.split,
            "queries": written.of,
            "listed": written.queries,
            "not_localized_at_1": written.missed,
            "images": pictures.kind,
            "pictures": len(pictures.sources),
            "unreadable": list(pictures.unreadable),
            "left_out": pictures.over_budget,
            "bytes": written.bytes,
        }
        print_json(document)
        return
    typer.echo(
        f"{evaluation.name} on {evaluation.title}: {written.missed:,} of {written.of:,} queries "
        "are not localized at 1"
    )
    typer.echo(f"Wrote {written.page} ({written.bytes / 1e6:.1f} MB)")
    typer.echo(f"Open it in a browser: {written.page.absolute().as_uri()}")
