"""Where data and boards are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from vgbench.places import board_root, data_root


def test_an_option_wins_over_the_environment(tmp_path: Path) -> None:
    assert data_root(tmp_path) == tmp_path
    assert board_root(tmp_path) == tmp_path


def test_the_environment_wins_over_the_users_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VGBENCH_DATA", str(tmp_path / "d"))
    monkeypatch.setenv("VGBENCH_ROOT", str(tmp_path / "b"))
    assert data_root() == tmp_path / "d"
    assert board_root() == tmp_path / "b"


def test_a_board_is_the_nearest_parent_with_both_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VGBENCH_ROOT")
    (tmp_path / "submissions").mkdir()
    (tmp_path / "leaderboard").mkdir()
    below = tmp_path / "some" / "where"
    (below / "submissions").mkdir(parents=True)  # one of the two is not a board
    assert board_root(start=below) == tmp_path


def test_without_anything_the_users_own_folders_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VGBENCH_ROOT")
    monkeypatch.delenv("VGBENCH_DATA")
    assert board_root(start=tmp_path).name == "vgbench"
    assert data_root().name == "vgbench"
