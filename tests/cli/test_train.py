"""`vgbench train`, as users run it."""

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

pytest.importorskip("lightning")
pytest.importorskip("pytorch_metric_learning")

Vgbench = Callable[..., Any]

SMALL = (
    "--set", "data.places_per_batch=4", "--set", "data.image_size=[32, 48]",
    "--set", "network.weights=random", "--set", "precision=float32",
)  # fmt: skip


@pytest.fixture
def streets(make_streets: Callable[[int], Path]) -> Path:
    """Eight places, and two more pictures of each as val/."""
    return make_streets(8)


def test_a_network_trains_and_its_weights_evaluate(
    vgbench: Vgbench, streets: Path, tmp_path: Path
) -> None:
    ran = vgbench(
        "train", "study", "--data", streets, "-o", tmp_path / "run", *SMALL, "--max-steps", 3,
        "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    document = ran.document
    assert document["finished"]
    assert [entry["epoch"] for entry in document["curve"]] == [0, 1]
    assert document["values"]["data.places_per_batch"] == 4
    assert document["validation"] == "streets/val"
    evaluated = vgbench("evaluate", document["model"], "-d", streets / "val", "--json")
    assert evaluated.code == 0, evaluated.err
    assert evaluated.document["results"][0]["queries"] == 8
    text = vgbench(
        "train", "study", "--data", streets, "-o", tmp_path / "run", *SMALL, "--max-steps", 3
    )
    assert "finished" in text.err
    assert max(map(len, text.out.splitlines()[:-2])) <= 80
    lines = text.out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["epoch", "1", "2"]
    marked = next(line for line in lines if line.endswith("best"))
    assert f"Weights of epoch {marked.split()[0]}: " in text.out
    assert int(marked.split()[0]) == document["best_epoch"] + 1
    assert f"vgbench evaluate {tmp_path / 'run' / 'model.safetensors'}" in text.out


def test_recipes_are_listed_and_shown(vgbench: Vgbench) -> None:
    listed = vgbench("train", "--list")
    assert listed.code == 0
    assert "reduce-on-plateau" in listed.out
    assert max(map(len, listed.out.splitlines())) <= 80
    assert len(vgbench("train", "--list", "--json").document) == 18
    shown = vgbench("train", "flip", "--offline", "--set", "optimizer.lr=1e-4", "--show")
    assert "offline = true" in shown.out
    assert "lr = 0.0001" in shown.out


def test_mistakes_are_explained_without_a_traceback(vgbench: Vgbench, tmp_path: Path) -> None:
    for arguments, said in (
        (["train"], "Name a recipe"),
        (["train", "studdy"], "Did you mean study?"),
        (["train", "study", "--set", "lr=1"], "Did you mean optimizer.lr?"),
        (["train", "study", "--offline"], "augmentation none has no augmentation.offline"),
    ):
        ran = vgbench(*arguments)
        assert (ran.code, said in ran.err) == (2, True), ran.err
    ran = vgbench(
        "train", "study", "--device", "tpux", "-o", tmp_path / "run", "--data-root", tmp_path
    )
    assert (ran.code, "Choose auto, cpu, cuda or mps" in ran.err) == (2, True), ran.err
    assert not list(tmp_path.iterdir())  # nothing was drawn before
    missing = vgbench("train", "study", "--data", tmp_path / "nowhere", "--json")
    assert missing.code == 1
    assert missing.document["error"]["type"] == "DatasetNotFound"


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "class Without:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('lightning', 'tensorboard'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Without())\n"
        "u.find_spec = lambda name, package=None: (\n"
        "    None if name in ('lightning', 'tensorboard') else find(name, package))\n"
        "from vgbench.cli.main import run; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "train", "study"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Training needs lightning, tensorboard" in done.stderr
    assert "pip install 'vgbench[train]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_says_how_to_go_on(streets: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "vgbench", "train", "study", "--data", streets, "-o",
         tmp_path / "run", *SMALL, "--set", "epochs=500"],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    while not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on from the last whole epoch" in said
    assert "Traceback" not in said
