"""`vgbench study`, as users run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Vgbench = Callable[..., Any]

SMALL = (
    "--set", "data.places_per_batch=4", "--set", "data.image_size=[32, 48]",
    "--set", "network.weights=random", "--set", "precision=float32", "--set", "layout=contiguous",
)  # fmt: skip


@pytest.fixture
def streets(make_streets: Callable[[int], Path]) -> Path:
    """Four places, and two more pictures of each as val/."""
    return make_streets(4)


def test_one_that_fails_stops_no_other_and_the_same_command_repeats_nothing(
    vgbench: Vgbench, streets: Path, tmp_path: Path
) -> None:
    pytest.importorskip("lightning")
    command = (
        "study", "adam", "base", "--data", streets, "--on", streets / "val", "-o",
        tmp_path / "study", *SMALL, "--set", "epochs=1", "--set", "optimizer.momentum=0.5",
    )  # fmt: skip
    first = vgbench(*command, "--json")
    assert first.code == 1
    assert "1 of 2 recipes failed" in first.err
    assert "adam has no optimizer.momentum" in first.err
    document = first.document
    assert list(document["runs"]) == ["base"]
    evaluation = document["runs"]["base"]["evaluations"][0]
    assert (evaluation["dataset"], len(evaluation["first_hits"])) == ("streets", 4)
    assert (tmp_path / "study" / "figures" / "table-1.svg").is_file()
    weights = tmp_path / "study" / "base" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    again = vgbench(*command)
    assert again.code == 1
    assert weights.stat().st_mtime_ns == before
    assert "Epoch" not in again.err
    assert "Table 1" in again.out
    assert max(map(len, again.out.splitlines())) <= 80
    other = vgbench("study", "base", "-o", tmp_path / "study", "--data", streets, *SMALL)
    assert other.code == 2
    assert "holds a study that was told otherwise" in other.err


def test_results_are_shown_and_a_page_written_without_torch(
    vgbench: Vgbench, tmp_path: Path
) -> None:
    from vgbench.study.results import Study, write_study

    write_study(Study("demo-city", None, ("epochs=2",)), tmp_path / "results.json")
    code = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['lightning'] = None\n"
        "from vgbench.cli.main import run; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "study", "--results", tmp_path / "results.json", "--page",
         tmp_path / "docs" / "study.md"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Table 7: augmentations" in done.stdout
    assert "28.32" in (tmp_path / "docs" / "study.md").read_text()
    for given in (["base"], ["--data", "demo-city"], ["-o", "here"], ["--device", "cpu"]):
        mixed = vgbench("study", *given, "--results", tmp_path / "results.json")
        named = given[0] if given[0].startswith("-") else "naming recipes"
        assert (mixed.code, f"and {named} would change that" in mixed.err) == (2, True)
    (tmp_path / "broken.json").write_text("{}")
    broken = vgbench("study", "--results", tmp_path / "broken.json", "--json")
    assert broken.code == 1
    assert "cannot be read as a study's results" in broken.document["error"]["message"]


def test_an_interrupt_says_how_to_go_on(streets: Path, tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    process = subprocess.Popen(
        [sys.executable, "-m", "vgbench", "study", "base", "base-gem", "--data", streets, "--on",
         streets / "val", "-o", tmp_path / "study", *SMALL, "--set", "epochs=500"],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    while not (tmp_path / "study" / "base" / "checkpoints" / "last.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "The same command goes on from here" in said
    assert "Traceback" not in said
    assert not (tmp_path / "study" / "base-gem").exists()


def test_mistakes_are_explained_before_anything_is_trained(
    vgbench: Vgbench, city: Path, tmp_path: Path
) -> None:
    for arguments, said, code in (
        (["studdy"], "Did you mean study?", 2),
        (["--set", "lr=1"], "Did you mean optimizer.lr?", 2),
        (["--page", tmp_path / "study.txt"], "names the Markdown file", 2),
        (["--data", tmp_path / "nowhere"], "no dataset and no folder", 1),
        (["--data", city, "--on", "tokio-xs"], "Did you mean tokyo-xs", 1),
    ):
        ran = vgbench("study", *arguments, "-o", tmp_path / "study")
        assert (ran.code, said in ran.err) == (code, True), ran.err
    assert not (tmp_path / "study").exists()


def test_the_help_teaches_how_to_go_on(vgbench: Vgbench) -> None:
    ran = vgbench("study", "--help")
    assert ran.code == 0
    assert "vgbench study --data gsv-xs" in ran.out
    assert "one that was stopped goes on" in " ".join(ran.out.split())
