"""`vgbench study`, as users run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Vgbench = Callable[..., Any]


def test_mistakes_are_explained_before_anything_is_trained(
    vgbench: Vgbench, city: Path, tmp_path: Path
) -> None:
    for arguments, said, code in (
        (["studdy"], "Did you mean study?", 2),
        (["--set", "lr=1"], "Did you mean optimizer.lr?", 2),
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
