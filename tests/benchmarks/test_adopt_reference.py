"""Only what the recipe `reference` gives becomes the included model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from vgbench.errors import UsageError
from vgbench.models.included import reference_file
from vgbench.training.recipes import load_recipe
from vgbench.training.run import read_run

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def adopting(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    import adopt_reference

    yield adopt_reference
    sys.modules.pop("adopt_reference")


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run as `vgbench train reference` leaves it, with the weights that are included."""
    recipe = load_recipe("reference")
    about = {
        "recipe": "reference",
        "values": recipe.values(),
        "finished": True,
        "training_data": f"demo-city train, {recipe.drawn_places:,} places",
        "training_digest": "d" * 64,
        "validation": "demo-city/val",
        "max_steps": None,
        "devices": 1,
        "initial_weights": "random, seed 0",
        "versions": {"torch": "2.0"},
        "way": {"precision": "bfloat16", "channels_last": True},
    }
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "curve.csv").write_bytes(reference_file().with_name("curve.csv").read_bytes())
    (folder / "model.safetensors").write_bytes(reference_file().read_bytes())
    return folder


def test_weights_curve_and_a_card_with_their_numbers_are_put_in_place(
    adopting: Any, run_folder: Path, tmp_path: Path
) -> None:
    target = tmp_path / "reference" / "weights.safetensors"
    target.parent.mkdir()
    adopting.adopt(read_run(run_folder), target)
    assert target.read_bytes() == reference_file().read_bytes()
    card = target.with_name("MODEL_CARD.md").read_text()
    shipped = reference_file().with_name("MODEL_CARD.md").read_text()

    def scores(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith("| L2 on the descriptors")]

    assert scores(card) == scores(shipped)
    assert "| optimizer.lr | 0.0025 | 0.001 |" in card


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("finished", False),
        ("training_data", "my-folder"),
        ("validation", None),
        ("max_steps", 20),
        ("devices", 2),
        ("values", {}),
    ],
)
def test_another_run_is_refused_and_nothing_is_written(
    adopting: Any, run_folder: Path, tmp_path: Path, key: str, value: Any
) -> None:
    about = json.loads((run_folder / "run.json").read_text())
    (run_folder / "run.json").write_text(json.dumps(about | {key: value}))
    target = tmp_path / "reference" / "weights.safetensors"
    target.parent.mkdir()
    with pytest.raises(UsageError, match=f"its {key} is"):
        adopting.adopt(read_run(run_folder), target)
    assert list(target.parent.iterdir()) == []
