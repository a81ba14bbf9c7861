"""`vgbench compare`: whether one method is better than another, query by query."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from vgbench.cli import options


def compare(
    a: Annotated[
        str, typer.Argument(metavar="A", help="An entry of the board, or a submission's folder.")
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    datasets: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "-d",
            "--dataset",
            metavar="NAME[/SPLIT]",
            help="Only this dataset; several may be given. Otherwise all that both have.",
        ),
    ] = None,
    ns: Annotated[
        Optional[list[int]],  # noqa: UP045
        typer.Option(
            "--at",
            metavar="N",
            min=1,
            help="Only recall@N; several may be given. Fewer tests need less correction: choose "
            "before you look.",
        ),
    ] = None,
    html: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--html",
            metavar="FILE",
            rich_help_panel=options.PLACES,
            help="Also write a page of the queries where they disagree, side by side; with images "
            "where the dataset is installed.",
        ),
    ] = None,
    root: options.Root = None,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Compare two methods: is B better than A, or can the data not tell?

    On the same queries, only those count that exactly one of the two
    localizes: their exact McNemar test is adjusted by Holm's method over the
    Ns and datasets shown. Then: under which conditions and at which places
    the two differ, and a verdict in one sentence. Needs neither images nor
    torch. Other images, another threshold or protocol: refused.

    [bold]Examples[/bold]

      vgbench compare reference-avg reference-gem

      vgbench compare mine theirs -d tokyo-xs --at 1

      vgbench compare mine theirs --html compare.html

      vgbench compare submissions/mine ../theirs/submissions/model --json
    """
    from vgbench.cli.printing import print_json
    from vgbench.leaderboard.comparing import compare as compare_methods
    from vgbench.leaderboard.comparison_text import text
    from vgbench.progress import note

    found = compare_methods(a, b, root, datasets=datasets or (), ns=ns or (), data_root=data_root)
    for opponent in (found.a, found.b):
        if opponent.withdrawn is not None:
            note(f"{opponent.label} was withdrawn: {opponent.withdrawn}")
    for skipped in found.skipped:
        note(f"Not compared on {skipped.dataset}: {skipped.reason}.")
    if html is not None:
        from vgbench.leaderboard.comparison_page import write_page

        note(f"Wrote {write_page(found, html, data_root)}")
    if as_json:
        print_json(found.to_json())
    else:
        typer.echo(text(found), nl=False)
