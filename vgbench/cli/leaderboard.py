"""`vgbench leaderboard`: show the board, make its table again, and write it as a page."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from vgbench.cli import options

app = typer.Typer(
    invoke_without_command=True,
    help="Show the leaderboard; `build` makes its table again, `site` writes it as a page.",
)

Dataset = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("-d", "--dataset", metavar="DATASET[/SPLIT]", help="This dataset only."),
]
Sort = Annotated[
    str,
    typer.Option("--sort", help="R@1, R@5, R@10, R@20, dimension, parameters, name or submitted."),
]
Format = Annotated[
    str, typer.Option("--format", help="table, markdown, csv or json.", metavar="FORMAT")
]

Everything = Annotated[
    bool, typer.Option("--all", help="Withdrawn entries and earlier revisions, too.")
]


@app.callback()
def leaderboard(
    context: typer.Context,
    dataset: Dataset = None,
    sort: Sort = "R@1",
    form: Format = "table",
    everything: Everything = False,
    root: options.Root = None,
    as_json: options.Json = False,
) -> None:
    """Show the leaderboard: rank, recalls with 95 % intervals, dimension, image size, status.

    Only rows on the same images, with the same threshold and protocol, are
    ranked together.
    """
    if context.invoked_subcommand is None:
        show(dataset, sort, form, everything, root, as_json)
        return
    # `leaderboard --root HERE build` means that root as much as `leaderboard build --root HERE`.
    given = {
        "dataset": dataset, "sort": sort, "form": form, "everything": everything, "root": root,
        "as_json": as_json,
    }  # fmt: skip
    context.default_map = dict.fromkeys(("show", "build", "site"), given)


@app.command()
def show(
    dataset: Dataset = None,
    sort: Sort = "R@1",
    form: Format = "table",
    everything: Everything = False,
    root: options.Root = None,
    as_json: options.Json = False,
) -> None:
    """Show the leaderboard, as `vgbench leaderboard` alone does."""
    from vgbench.errors import UsageError
    from vgbench.leaderboard.exports import render
    from vgbench.leaderboard.ranking import rank_rows
    from vgbench.leaderboard.standing import is_current
    from vgbench.leaderboard.table import read_board
    from vgbench.leaderboard.views import show as show_table
    from vgbench.leaderboard.wording import left_out_notes
    from vgbench.places import board_root
    from vgbench.progress import note

    if form not in ("table", "markdown", "csv", "json"):
        raise UsageError(f"Unknown format {form!r}: choose table, markdown, csv or json.")
    form = "json" if as_json else form
    table = read_board(board_root(root))
    rows = table.rows if everything else [row for row in table.rows if is_current(row)]
    rankings = rank_rows(rows, dataset, sort)
    notes = left_out_notes(table.left_out)
    if form == "table":
        show_table(rankings, notes)
    else:
        typer.echo(render(rankings, form, notes), nl=False)
        if form in ("csv", "json"):  # nothing but rows belongs on stdout
            for line in notes:
                note(line)


@app.command()
def site(
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "-o",
            "--output",
            metavar="FOLDER|FILE.html",
            help="Default: ROOT/leaderboard/index.html.",
        ),
    ] = None,
    root: options.Root = None,
    as_json: options.Json = False,
) -> None:
    """Write the board as one self-contained page that works offline and without JavaScript.

    Sorting, filters, single entries and comparisons of two are in the page's
    address: copy it to show somebody what you see.
    """
    from vgbench.cli.printing import print_json
    from vgbench.leaderboard.site import write_site
    from vgbench.places import board_root

    written = write_site(board_root(root), output)
    if as_json:
        print_json({"page": str(written[0]), "files": [str(path) for path in written]})
    else:
        for path in written:
            typer.echo(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


@app.command()
def build(root: options.Root = None, as_json: options.Json = False) -> None:
    """Make leaderboard.parquet again from submissions/ alone; every submission is checked."""
    from vgbench.cli.printing import print_json
    from vgbench.leaderboard.board import table_path
    from vgbench.leaderboard.table import build as build_table
    from vgbench.leaderboard.wording import left_out_notes
    from vgbench.places import board_root
    from vgbench.progress import note

    place = board_root(root)
    table = build_table(place)
    submissions = len({row["slug"] for row in table.rows if row["submission_digest"]})
    published = sum(row["status"] == "published" for row in table.rows)
    if as_json:
        print_json(
            {
                "leaderboard": str(table_path(place)),
                "submissions": submissions,
                "rows": len(table.rows),
                "published": published,
                "left_out": {slug: left.problem for slug, left in table.left_out.items()},
            }
        )
    else:
        typer.echo(
            f"{table_path(place)}: {len(table.rows):,} rows, of {submissions:,} submissions"
            + (f" and {published:,} published numbers" if published else "")
        )
        for line in left_out_notes(table.left_out):
            note(line)
    if table.left_out:
        raise typer.Exit(1)
