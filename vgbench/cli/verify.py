"""`vgbench verify`: whether the entries of a board can be believed, as a list of ✓, ⚠ and ✗."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from vgbench.cli import options

if TYPE_CHECKING:
    from vgbench.entering import Entered
    from vgbench.leaderboard.findings import Report


def verify(
    entries: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(
            metavar="SLUG|FOLDER",
            help="Entries by name, or their folders; otherwise all of the board.",
            show_default=False,
        ),
    ] = None,
    changed_since: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--changed-since",
            metavar="REF",
            help="What the commits since a git ref add, and whether they may: nobody else's entry "
            "changed, no score moved, nothing in leaderboard/.",
        ),
    ] = None,
    reproduce: Annotated[
        bool,
        typer.Option(
            "--reproduce/--no-reproduce",
            help="Run the weights of entries that say reproduced, and compare. Needs torch.",
        ),
    ] = False,
    record: Annotated[
        bool,
        typer.Option("--record", help="Write what was found to leaderboard/verified.json."),
    ] = False,
    read: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--read", metavar="FILE", help="Show what --json printed; verify nothing."),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="text, markdown or json.")
    ] = "text",
    root: options.Root = None,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Verify entries: everything that their folders let anybody check, without image or model.

    Types and ranges, digests, the dataset's fingerprints and queries; hits
    counted again from the predictions; copies of other entries. ✓ holds, ⚠
    could not be checked or wants a look, ✗ is wrong, and the exit code is 1.

    [bold]Examples[/bold]

      vgbench verify

      vgbench verify my-method --reproduce

      vgbench verify --changed-since origin/main --format markdown
    """
    from vgbench.cli.printing import print_json
    from vgbench.errors import UsageError
    from vgbench.leaderboard.findings import read_report
    from vgbench.leaderboard.findings_views import markdown, text
    from vgbench.leaderboard.pull_requests import verify_change
    from vgbench.leaderboard.verification import verify_board
    from vgbench.leaderboard.verified import record as write_record
    from vgbench.progress import note

    form = "json" if as_json else form
    if form not in ("text", "markdown", "json"):
        raise UsageError(f"Unknown format {form!r}: choose text, markdown or json.")
    if read is not None and (entries or changed_since or record):
        raise UsageError("--read shows a file: it takes no entries, --changed-since or --record.")
    if changed_since is not None and entries:
        raise UsageError("Name entries, or --changed-since REF, which finds them itself.")
    if changed_since is not None and record:
        raise UsageError("--record is for what is on the board already, not for a proposal.")
    report: Report
    if read is not None:
        report = read_report(read)
    else:
        place, slugs = _entries(entries or [], root)
        if changed_since is not None:
            report = verify_change(place, changed_since, data_root=data_root, reproduce=reproduce)
        else:
            report = verify_board(place, slugs, data_root=data_root, reproduce=reproduce)
        if record:
            note(f"Recorded in {write_record(place, report)}")
    if form == "json":
        print_json(report.to_json())
    else:
        typer.echo(markdown(report) if form == "markdown" else text(report), nl=False)
    if not report.ok:
        raise typer.Exit(1)


def verify_entered(entered: Entered, data_root: Path | None = None) -> Report:
    """Verify an entry that was just made, as its pull request will be."""
    from vgbench.leaderboard.verification import verify_board

    root = entered.folder.parent.parent
    newcomers = [entered.slug] if entered.new else []
    return verify_board(root, [entered.slug], data_root=data_root, newcomers=newcomers)


def print_verified(entered: Entered, report: Report) -> None:
    """Print the checks of an entry that was just made, and how to propose it."""
    from vgbench.leaderboard.findings_views import entry_lines
    from vgbench.leaderboard.proposing import next_steps

    typer.echo("")
    for line in [line for entry in report.entries for line in entry_lines(entry)]:
        typer.echo(line)
    if not report.ok:
        typer.echo(
            f"A pull request with it would be refused. It is on your board all the same; to take "
            f"it back, remove {entered.folder}",
            err=True,
        )
        return
    for line in next_steps(entered.folder, f"add-{entered.slug}", f"Add {entered.slug}"):
        typer.echo(line)


def _entries(given: list[str], root: Path | None) -> tuple[Path, list[str] | None]:
    """The board, and the slugs that names and folders mean; None for all."""
    from vgbench.errors import UsageError
    from vgbench.leaderboard.slugs import SLUG
    from vgbench.places import board_root

    if not given:
        return board_root(root), None
    folders = {text: Path(text).absolute() for text in given if not SLUG.fullmatch(text)}
    boards = {folder.parent.parent for folder in folders.values()}
    for text, folder in folders.items():
        if folder.parent.name != "submissions" or not folder.is_dir():
            raise UsageError(
                f"{text} is neither the name of an entry nor its folder, submissions/NAME."
            )
    if root is None and len(boards) == 1 and len(folders) == len(given):
        place = boards.pop()
    else:
        place = board_root(root)
    strangers = [text for text, folder in folders.items() if folder.parent.parent != place]
    if strangers:
        raise UsageError(
            f"{strangers[0]} is not of the board {place}: give --root, or one board's."
        )
    return place, [folders[text].name if text in folders else text for text in given]
