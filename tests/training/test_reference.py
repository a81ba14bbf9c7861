"""The script that made the included model really trains."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pytorch_metric_learning")


@pytest.mark.slow
def test_a_short_training_lowers_the_loss_and_its_weights_evaluate(tmp_path: Path) -> None:
    from vgbench.demo_city import generate
    from vgbench.evaluation import evaluate
    from vgbench.models import load_model

    generate(tmp_path, ["train"], places=48)
    done = subprocess.run(
        [
            sys.executable, "-m", "vgbench.training.reference", tmp_path / "train",
            "-o", tmp_path / "model.safetensors", "--epochs", "4", "--places-per-batch", "12",
            "--learning-rate", "1e-3", "--augmentations", "1",
        ],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    curve = [json.loads(line) for line in done.stdout.splitlines()]
    assert [entry["epoch"] for entry in curve] == [0, 1, 2, 3]
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert json.loads((tmp_path / "model.curve.json").read_text()) == curve
    model = load_model(tmp_path / "model.safetensors")
    assert model.metadata["training_data"] == "demo-city train"
    best = max(entry["recall_1"] for entry in curve)
    assert evaluate(model, "demo-city/val").recalls[1] == pytest.approx(best, abs=2.0)
