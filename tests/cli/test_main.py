"""The command as a whole: help, exit codes, errors, pipes, and what it imports."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

Vgbench = Callable[..., object]


@pytest.mark.parametrize(
    "command",
    [
        [], ["evaluate"], ["extract"], ["submit"], ["leaderboard"], ["leaderboard", "show"],
        ["leaderboard", "build"], ["datasets"], ["datasets", "list"], ["datasets", "info"],
        ["datasets", "import"], ["datasets", "verify"],
    ],
)  # fmt: skip
def test_every_command_explains_itself_in_80_columns(vgbench: Vgbench, command: list[str]) -> None:
    ran = vgbench(*command, "--help")
    assert ran.code == 0
    assert "Usage: vgbench" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_the_version_is_the_packages(vgbench: Vgbench) -> None:
    from vgbench import __version__

    assert vgbench("--version").out == f"vgbench {__version__}\n"


def test_help_comes_in_the_time_of_a_blink() -> None:
    """The fastest of five, against the bare interpreter: other work may share the machine."""

    def fastest(*command: str) -> float:
        times = []
        for _ in range(5):
            started = time.perf_counter()
            subprocess.run([sys.executable, *command], capture_output=True, check=True)
            times.append(time.perf_counter() - started)
        return min(times)

    assert fastest("-m", "vgbench", "--help") < 5 * fastest("-c", "import typer, rich.panel")


def test_an_error_is_one_message_and_exit_code_1(vgbench: Vgbench) -> None:
    ran = vgbench("submit", "there-is-no-such.npy")
    assert ran.code == 1
    assert ran.out == ""
    assert ran.err.startswith("Error: ")
    assert "there-is-no-such.npy" in ran.err


def test_with_json_an_error_is_a_document_too(vgbench: Vgbench) -> None:
    ran = vgbench("submit", "there-is-no-such.npy", "--json")
    assert ran.code == 1
    assert ran.document["error"]["type"] == "DescriptorError"
    assert "there-is-no-such.npy" in ran.document["error"]["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["submit", "n" * 300 + ".npy"],
        ["datasets", "import", "x", "n" * 300],
        ["evaluate", "n" * 300],
        ["datasets", "info", "n" * 300],
        ["leaderboard", "--root", "n" * 300],
    ],
)
def test_a_name_too_long_for_a_file_is_an_error_like_others(
    vgbench: Vgbench, arguments: list[str]
) -> None:
    ran = vgbench(*arguments, "--json")
    assert ran.code == 1
    assert "n" * 300 in ran.document["error"]["message"]


def test_an_error_cannot_steer_the_terminal(vgbench: Vgbench) -> None:
    ran = vgbench("submit", "a\x1b]0;title\x07\u202eb.npy")
    assert ran.code == 1
    assert "a]0;titleb.npy" in ran.err


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8:strict"])
def test_output_does_not_depend_on_the_terminals_encoding(encoding: str) -> None:
    for arguments in (["datasets", "info", "sf-xs"], ["submit", b"\xff.npy", "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "vgbench", *arguments],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        assert b"Traceback" not in done.stderr, done.stderr
        assert done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate"],
        ["submit", "x.npy", "--no-such-option"],
        ["no-such-command"],
        ["leaderboard", "--sort", "beauty"],
        ["leaderboard", "--format", "xml"],
        ["submit"],
        ["extract", "reference", "-d", "demo-city", "--resize", "1", "2", "--resize-shorter", "3"],
    ],
)
def test_wrong_usage_exits_with_2(vgbench: Vgbench, arguments: list[str]) -> None:
    ran = vgbench(*arguments)
    assert ran.code == 2, ran
    assert ran.err
    ran = vgbench(*arguments, "--json")
    assert ran.code == 2
    assert ran.document["error"]["type"] == "UsageError"


def test_a_reader_that_goes_away_is_no_error(city: Path) -> None:
    command = f"{sys.executable} -m vgbench datasets info '{city}' --paths | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout.startswith("database/@")
    assert done.stderr == ""


@pytest.fixture
def descriptors(tmp_path: Path, good_descriptors: NDArray[np.float32]) -> Path:
    np.save(tmp_path / "good.npy", good_descriptors)
    return tmp_path / "good.npy"


def test_submitting_and_showing_import_neither_torch_nor_pandas(
    city: Path, descriptors: Path
) -> None:
    for arguments in (
        ["submit", str(descriptors), "-d", str(city), "--json"],
        ["leaderboard"],
        ["leaderboard", "--json"],
        ["leaderboard", "build"],
        ["datasets", "list"],
    ):
        code = (
            "import sys; from vgbench.cli.main import run\n"
            "try: run(sys.argv[1:])\n"
            "except SystemExit as end: assert not end.code, end.code\n"
            "heavy = {'torch', 'torchvision', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)\n"
            "assert not heavy, heavy"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True
        )
        assert done.returncode == 0, (arguments, done.stderr)


def test_output_in_a_pipe_has_no_colours_and_no_bars(
    vgbench: Vgbench, city: Path, descriptors: Path
) -> None:
    ran = vgbench("submit", descriptors, "-d", city)
    assert ran.code == 0
    assert "\x1b" not in ran.out + ran.err
    assert "\r" not in ran.out + ran.err
    assert "85.7 [48.7–97.4]" in ran.out


def test_an_interrupt_ends_with_130_and_a_word(city: Path) -> None:
    """It comes while the command waits for another process, so at no particular moment."""
    import signal

    from filelock import FileLock

    locks = Path(os.environ["VGBENCH_DATA"]) / ".locks"
    locks.mkdir(parents=True)
    with FileLock(locks / "mine.lock"):
        process = subprocess.Popen(
            [sys.executable, "-m", "vgbench", "datasets", "import", "mine", str(city)],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        assert "waiting" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.strip() == "Interrupted."
