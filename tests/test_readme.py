"""The README says what is so: its commands exist, and what it shows is what they print."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest
import typer.main

from vgbench.cli.main import app

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text("utf-8")
PAGES = {
    "README.md": README,
    "CONTRIBUTING.md": (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8"),
    "MODEL_CARD.md": (REPOSITORY / "vgbench/models/reference/MODEL_CARD.md").read_text("utf-8"),
}


def commands_in(text: str) -> list[str]:
    """What follows `vgbench` in code, up to a comment or the end of the code."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    blocks += re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]
    found = [re.match(r"\s*vgbench ([a-z][^#]*)", line) for line in lines]
    return [match[1].strip() for match in found if match]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_shown_exists_with_its_options(page: str) -> None:
    shown = commands_in(PAGES[page])
    assert shown or page == "MODEL_CARD.md"
    for line in shown:
        command: Any = typer.main.get_command(app)  # typer may bring a click of its own
        words = shlex.split(line)
        while hasattr(command, "commands") and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        # A group stands for itself only where it does something by itself.
        assert not hasattr(command, "commands") or command.invoke_without_command, line
        known = {name for parameter in command.params for name in parameter.opts}
        for word in words:
            if word.startswith("-"):
                assert word.partition("=")[0] in {*known, "-h", "--help"}, f"{line}: {word}"


def block_after(heading: str) -> list[str]:
    """The lines of the first block of code after some text."""
    found = re.search(r"^```\w*\n(.*?)^```", README[README.index(heading) :], re.M | re.S)
    assert found is not None
    return found[1].splitlines()


def in_a_terminal(*arguments: str) -> list[str]:
    """What a command prints in a terminal of 80 columns, without its colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
    plain = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    process = subprocess.Popen(
        [sys.executable, "-m", "vgbench", *arguments], stdout=theirs, stderr=theirs, env=plain
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        said += part
    os.close(ours)
    assert process.wait() == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", said.decode()).splitlines()


@pytest.mark.parametrize(
    ("before", "start", "arguments"),
    [
        ("`make demo` needs no data", "demo-city/test · ", ("leaderboard", "-d", "demo-city")),
        ("<!-- compare -->", "A  ", ("compare", "study-reference", "study-reference-cosine")),
    ],
)
def test_what_it_shows_of_the_board_is_what_the_board_shows(
    before: str, start: str, arguments: tuple[str, ...]
) -> None:
    shown = block_after(before)
    shown = shown[next(i for i, line in enumerate(shown) if line.startswith(start)) :]
    printed = in_a_terminal(*arguments, "--root", str(REPOSITORY))
    assert len(shown) > 5
    for line in shown:
        assert not line or line == "…" or line in printed, line


def test_the_query_it_shows_runs_on_the_boards_file(monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb = pytest.importorskip("duckdb")
    monkeypatch.chdir(REPOSITORY)
    query = re.search(r"^```sql\n(.*?)^```", README, re.M | re.S)
    assert query is not None
    rows = duckdb.sql(query[1]).fetchall()
    assert len(rows) >= 8
    assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)
