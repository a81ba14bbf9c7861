"""`vgbench leaderboard`: show the board, make its table again, and write it as a page."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer
from typer.core import TyperGroup

from vgbench.cli import options


class _Commands(TyperGroup):
    """The sub-commands; a dataset in the place of one is told where it belongs."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        from vgbench.errors import UsageError

        if args[0] not in self.commands and not ctx.resilient_parsing:  # completion asks too
            raise UsageError(
                f"vgbench leaderboard has no command {args[0]!r}, only "
                f"{', '.join(self.commands)}. For one dataset: vgbench leaderboard -d {args[0]}"
            )
        return super().resolve_command(ctx, args)


app = typer.Typer(invoke_without_command=True, cls=_Commands)

Dataset = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("-d", "--dataset", metavar="DATASET[/SPLIT]", help="This dataset only."),
]
Sort = Annotated[
    str,
    typer.Option("--sort", help="R@1, R@5, R@10, R@20, dimension, parameters, name or submitted."),
]
Format = Annotated[
    str,
    typer.Option("--format", help="table, markdown, csv, json or latex.", metavar="FORMAT"),
]
Everything = Annotated[
    bool, typer.Option("--all", help="Withdrawn entries and earlier revisions, too.")
]
Limit = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(
        "--limit",
        metavar="N",
        min=0,
        help="The first N of each ranking; 0 for all. The table shows 100, the others all.",
    ),
]
By = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--by", metavar="condition", help="One recall by condition: day, night, …"),
]
ROWS = "Which rows (ranks stay those among all)"
Status = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--status",
        metavar="STATUS",
        rich_help_panel=ROWS,
        help="reproduced, verified, unverified or published. Several may be given.",
    ),
]
Backbone = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--backbone", metavar="TEXT", rich_help_panel=ROWS, help="Whose backbone contains this."
    ),
]
TrainingData = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--training-data", metavar="TEXT", rich_help_panel=ROWS, help="Trained on this."),
]
MaxDimension = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(
        "--max-dimension",
        metavar="D",
        min=1,
        rich_help_panel=ROWS,
        help="Descriptors of at most so many numbers.",
    ),
]
ImageSize = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--image-size", metavar="HxW", rich_help_panel=ROWS, help="Given images of this size."
    ),
]
Text = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--text",
        metavar="WORDS",
        rich_help_panel=ROWS,
        help="With all of these words in name, method, backbone, authors, notes or source.",
    ),
]

TABLE_LIMIT = 100
"""Rows of each ranking that the table shows unless told otherwise."""


@app.callback()
def leaderboard(
    context: typer.Context,
    dataset: Dataset = None,
    sort: Sort = "R@1",
    by: By = None,
    form: Format = "table",
    limit: Limit = None,
    everything: Everything = False,
    status: Status = None,
    backbone: Backbone = None,
    training_data: TrainingData = None,
    max_dimension: MaxDimension = None,
    image_size: ImageSize = None,
    text: Text = None,
    root: options.Root = None,
    as_json: options.Json = False,
) -> None:
    """Show the leaderboard; `build` makes its table again, `site` writes it as a page.

    Ranks are the ranges that the data allows; recalls have 95 % intervals. Only
    rows on the same images, with the same threshold and protocol, are ranked
    together; published numbers stand below and are never ranked. For example:

    vgbench leaderboard -d demo-city --max-dimension 512 --sort R@5

    vgbench leaderboard --status verified --status reproduced --by condition

    vgbench leaderboard --format latex > table.tex
    """
    # `leaderboard --root HERE build` means that root as much as `leaderboard build --root HERE`.
    given = {
        "dataset": dataset, "sort": sort, "by": by, "form": form, "limit": limit,
        "everything": everything, "status": status, "backbone": backbone,
        "training_data": training_data, "max_dimension": max_dimension, "image_size": image_size,
        "text": text, "root": root, "as_json": as_json,
    }  # fmt: skip
    if context.invoked_subcommand is None:
        context.invoke(show, **given)
    else:
        context.default_map = dict.fromkeys(("show", "build", "site"), given)


@app.command()
def show(
    dataset: Dataset = None,
    sort: Sort = "R@1",
    by: By = None,
    form: Format = "table",
    limit: Limit = None,
    everything: Everything = False,
    status: Status = None,
    backbone: Backbone = None,
    training_data: TrainingData = None,
    max_dimension: MaxDimension = None,
    image_size: ImageSize = None,
    text: Text = None,
    root: options.Root = None,
    as_json: options.Json = False,
) -> None:
    """Show the leaderboard, as `vgbench leaderboard` alone does."""
    from vgbench.leaderboard.asking import Question, ask
    from vgbench.leaderboard.exports import render, render_conditions
    from vgbench.leaderboard.filters import Filter
    from vgbench.leaderboard.views import show as show_table
    from vgbench.leaderboard.wording import left_out_notes
    from vgbench.places import board_root
    from vgbench.progress import note

    _check_choices(form, by)
    form = "json" if as_json else form
    if limit is None and form == "table":
        limit = TABLE_LIMIT
    chosen = Filter(status or (), backbone, training_data, max_dimension, image_size, text)
    question = Question(dataset, sort, everything, chosen, by is not None, limit or None)
    answer = ask(board_root(root), question)
    notes = [*answer.notes, *left_out_notes(answer.left_out)]
    if answer.none is not None:
        note(answer.none)
        if form not in ("csv", "json"):
            return
    if form == "table":
        show_table(answer.rankings, notes, by=by)
    elif by:
        typer.echo(render_conditions(answer.rankings, form), nl=False)
    else:
        typer.echo(render(answer.rankings, form, notes), nl=False)
    if form in ("csv", "json"):  # nothing but rows belongs on stdout
        for line in notes:
            note(line)


def _check_choices(form: str, by: str | None) -> None:
    from vgbench.errors import UsageError

    if form not in ("table", "markdown", "csv", "json", "latex"):
        raise UsageError(f"Unknown format {form!r}: choose table, markdown, csv, json or latex.")
    if by not in (None, "condition"):
        raise UsageError(f"Unknown --by {by!r}: the board can be shown by condition.")
    if by and form in ("markdown", "latex"):
        raise UsageError(f"--by condition goes with --format table, csv or json, not {form}.")


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
        typer.echo(f"Open it: {written[0].absolute().as_uri()}")


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
