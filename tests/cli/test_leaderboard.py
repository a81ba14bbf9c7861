"""`vgbench leaderboard`: showing the board, and making it again."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

Vgbench = Callable[..., object]


@pytest.fixture
def entries(vgbench: Vgbench, city: Path, tmp_path: Path, good_descriptors: NDArray) -> None:
    np.save(tmp_path / "good.npy", good_descriptors)
    random = np.random.default_rng(0).normal(size=(31, 16)).astype(np.float32)
    np.save(tmp_path / "worse.npy", random)
    for name in ("good", "worse"):
        ran = vgbench("submit", tmp_path / f"{name}.npy", "-d", city, "--image-size", "48x64")
        assert ran.code == 0, ran.err


def test_the_table_shows_ranks_intervals_dimension_size_and_status(
    vgbench: Vgbench, entries: None
) -> None:
    out = vgbench("leaderboard").out
    good = next(line for line in out.splitlines() if " good " in line)
    assert good.split()[0] == "1"
    assert "85.7 [48.7–97.4]" in good
    assert "unverified" in good
    assert "48x64" in good
    assert out.index(" good ") < out.index(" worse ")


def test_the_formats_hold_the_same_rows(vgbench: Vgbench, entries: None) -> None:
    rows = vgbench("leaderboard", "--json").document
    assert [row["slug"] for row in rows] == ["good", "worse"]
    assert rows == vgbench("leaderboard", "show", "--format", "json").document
    table = list(csv.DictReader(io.StringIO(vgbench("leaderboard", "--format", "csv").out)))
    assert [row["slug"] for row in table] == ["good", "worse"]
    assert "| good |" in vgbench("leaderboard", "--format", "markdown").out


def test_the_table_is_made_again_from_the_submissions_alone(
    vgbench: Vgbench, entries: None
) -> None:
    root = Path(os.environ["VGBENCH_ROOT"])
    before = (root / "leaderboard" / "leaderboard.parquet").read_bytes()
    (root / "leaderboard" / "leaderboard.parquet").unlink()
    ran = vgbench("leaderboard", "build", "--json")
    assert ran.code == 0
    assert ran.document["rows"] == 2
    assert (root / "leaderboard" / "leaderboard.parquet").read_bytes() == before


def test_a_damaged_submission_is_left_out_and_told(vgbench: Vgbench, entries: None) -> None:
    root = Path(os.environ["VGBENCH_ROOT"])
    document = root / "submissions" / "good" / "submission.json"
    document.write_text(document.read_text().replace('"1": 6', '"1": 7'))
    ran = vgbench("leaderboard", "build", "--json")
    assert ran.code == 1
    assert "good" in ran.document["left_out"]


def test_an_empty_board_says_how_to_begin(vgbench: Vgbench) -> None:
    assert "vgbench evaluate reference" in vgbench("leaderboard").out


def test_the_board_is_a_data_frame_in_python(entries: None) -> None:
    import vgbench

    frame = vgbench.load_leaderboard()
    assert frame["slug"].tolist() == ["good", "worse"]
    assert frame["recall_1"].iloc[0] == pytest.approx(600 / 7)


def test_options_count_before_a_subcommand_too(
    vgbench: Vgbench, entries: None, tmp_path: Path
) -> None:
    ran = vgbench("leaderboard", "--root", tmp_path / "elsewhere", "--json", "build")
    assert ran.code == 0, ran.err
    assert ran.document["leaderboard"].startswith(str(tmp_path / "elsewhere"))
    assert ran.document["rows"] == 0
    assert len(vgbench("leaderboard", "--format", "json", "show").document) == 2
    assert vgbench("leaderboard", "-d", "nowhere", "show").code == 2
    after = vgbench(
        "leaderboard", "--root", tmp_path / "elsewhere", "show", "--root",
        os.environ["VGBENCH_ROOT"], "--json",
    )  # fmt: skip
    assert len(after.document) == 2


def test_rows_are_filtered_and_cut_and_keep_their_ranks(vgbench: Vgbench, entries: None) -> None:
    out = vgbench("leaderboard", "--text", "WORSE", "--max-dimension", "16").out
    (line,) = [line for line in out.splitlines() if " worse " in line]
    assert line.split()[0] == "2"
    assert " good " not in out
    assert "… and 1 more: --limit 0 shows all" in vgbench("leaderboard", "--limit", "1").out
    slugs = [row["slug"] for row in vgbench("leaderboard", "--limit", "1", "--json").document]
    assert slugs == ["good"]
    assert len(vgbench("leaderboard", "--limit", "0", "--json").document) == 2
    after = vgbench("leaderboard", "--text", "worse", "show", "--json").document
    assert [row["slug"] for row in after] == ["worse"]


def test_when_nothing_is_what_was_asked_for_that_is_said_on_stderr(
    vgbench: Vgbench, entries: None
) -> None:
    ran = vgbench("leaderboard", "--status", "reproduced", "--status", "verified")
    assert (ran.code, ran.out) == (0, "")
    assert "None of the 2 rows is what was asked for" in ran.err
    ran = vgbench("leaderboard", "--status", "reproduced", "--json")
    assert (ran.code, ran.document) == (0, [])
    assert "No conditions are known" in vgbench("leaderboard", "--by", "condition").err


def test_latex_is_a_table(vgbench: Vgbench, entries: None) -> None:
    out = vgbench("leaderboard", "--format", "latex").out
    assert r"\begin{tabular}" in out
    assert r"85.7 {\scriptsize (48.7--97.4)}" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "html", "--text", "x"], "choose table, markdown, csv, json or latex"),
        (["--by", "weather"], "by condition"),
        (["--by", "condition", "--format", "latex"], "table, csv or json, not latex"),
        (["--status", "good"], "choose among reproduced"),
        (["--sort", "beauty"], "R@1"),
        (["--max-dimension", "0"], "max-dimension"),
        (["--limit", "-1"], "limit"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(
    vgbench: Vgbench, entries: None, arguments: list[str], message: str
) -> None:
    ran = vgbench("leaderboard", *arguments)
    assert ran.code == 2
    assert message in ran.err


def test_a_dataset_in_the_place_of_a_command_is_told_where_it_belongs(vgbench: Vgbench) -> None:
    ran = vgbench("leaderboard", "demo-city")
    assert ran.code == 2
    assert "has no command 'demo-city', only show, site, build" in ran.err
    assert "vgbench leaderboard -d demo-city" in ran.err
