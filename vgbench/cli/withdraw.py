"""`vgbench withdraw`: take an entry out of the rankings, and keep its history."""

from __future__ import annotations

from typing import Annotated

import typer

from vgbench.cli import options


def withdraw(
    entry: Annotated[str, typer.Argument(metavar="SLUG", show_default=False)],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why, in a sentence; it is shown.")
    ],
    root: options.Root = None,
    as_json: options.Json = False,
) -> None:
    """Withdraw an entry: it leaves the rankings, and stays in the repository with the reason.

    Nothing of it is deleted; `vgbench leaderboard --all` still shows it. To
    replace an entry by a better one, submit again under the same name: the new
    revision supersedes it.

      vgbench withdraw my-method --reason "Trained on part of the test set."
    """
    from vgbench.cli.printing import print_json
    from vgbench.leaderboard.proposing import next_steps
    from vgbench.leaderboard.table import read_board
    from vgbench.leaderboard.withdrawing import withdraw as withdraw_entry
    from vgbench.places import board_root

    place = board_root(root)
    path = withdraw_entry(entry, reason, place)
    read_board(place)  # brings the table up to date
    if as_json:
        print_json({"submission": entry, "withdrawn": str(path)})
        return
    typer.echo(f"Withdrew {entry}: {path}")
    for line in next_steps(path.parent, f"withdraw-{entry}", f"Withdraw {entry}"):
        typer.echo(line)
