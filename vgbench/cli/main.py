"""The `vgbench` command: its sub-commands, and how errors end up on a screen or in a pipe."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
from typing import Annotated

import typer

from vgbench._version import __version__
from vgbench.cli import (
    compare,
    datasets,
    evaluate,
    leaderboard,
    report,
    study,
    submit,
    train,
    verify,
    withdraw,
)
from vgbench.errors import UsageError, VgbenchError

_INTERRUPTED = 130

# Names in strangers' files end up in messages: they must not steer the reader's terminal.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

app = typer.Typer(
    name="vgbench",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Benchmark and leaderboard toolkit for visual geo-localization: where was this photo "
    "taken?\n\nThree daily commands: [bold]vgbench evaluate MODEL[/bold], "
    "[bold]vgbench submit descriptors.npy[/bold], [bold]vgbench leaderboard[/bold]. "
    "To see it work with nothing prepared: [bold]vgbench evaluate reference[/bold].",
)
app.command("evaluate")(evaluate.evaluate)
app.command("extract")(evaluate.extract)
app.command("submit")(submit.submit)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("verify")(verify.verify)
app.command("withdraw")(withdraw.withdraw)
app.command("train")(train.train)
app.command("study")(study.study)
app.add_typer(leaderboard.app, name="leaderboard")
app.add_typer(datasets.app, name="datasets")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vgbench {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print and exit."),
    ] = False,
) -> None:
    """Hold the options of `vgbench` itself."""


def run(arguments: list[str] | None = None) -> None:
    """Run the command line; errors of ours become a message and an exit code, never a traceback."""
    arguments = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in arguments or _names_json(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        # What a terminal's encoding lacks is written as \u2013, which JSON reads back.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = app(args=arguments, prog_name="vgbench", standalone_mode=False)
        sys.stdout.flush()
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(code if isinstance(code, int) else 0)
    except VgbenchError as error:
        _fail(type(error).__name__, str(error), as_json)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:  # the reader of our pipe has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:  # a name too long for any file, a folder that may not be looked into
        reason = error.strerror or str(error)
        where = "" if error.filename is None else f" {os.fspath(error.filename)}"
        _fail("OSError", f"Cannot use{where}: {reason}.", as_json)
        sys.exit(1)
    except ModuleNotFoundError as error:
        # Where only the board is kept, as the workflows do, there is neither of these.
        if error.name not in ("torch", "torchvision"):
            raise
        message = (
            f"This needs {error.name}, which is not installed: pip install torch torchvision. "
            f"Submitting descriptors, comparing and the leaderboard need neither."
        )
        _fail("ModuleNotFoundError", message, as_json)
        sys.exit(1)
    except MemoryError:
        _fail("MemoryError", "There is not enough memory for this.", as_json)
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):  # which of them depends on typer's version
        print("Interrupted.", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except Exception as error:
        if not hasattr(error, "format_message"):  # not one of the parser's: a bug of ours
            raise
        if as_json:
            _fail("UsageError", error.format_message(), as_json)
        else:
            error.show()  # type: ignore[attr-defined]
        sys.exit(getattr(error, "exit_code", 2))


def _names_json(arguments: list[str]) -> bool:
    return "--format=json" in arguments or any(
        pair == ("--format", "json") for pair in itertools.pairwise(arguments)
    )


def _fail(kind: str, message: str, as_json: bool) -> None:
    message = _STEERING.sub("", message)
    if as_json:
        print(json.dumps({"error": {"type": kind, "message": message}}, ensure_ascii=False))
    print(f"Error: {message}", file=sys.stderr)


if __name__ == "__main__":
    run()
