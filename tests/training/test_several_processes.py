"""Training in several processes, as on several GPUs, here on the CPU."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("lightning")
pytest.importorskip("pytorch_metric_learning")

from vgbench.models import load_model
from vgbench.training.run import read_run

pytestmark = pytest.mark.slow

EPOCHS = 6
SMALL = [
    "network.weights=random", "data.places_per_batch=5", "data.image_size=[48,64]",
    "rand_augment=1", "precision=float32", "layout=channels-last", f"epochs={EPOCHS}",
]  # fmt: skip


def start(city: Path, output: Path) -> subprocess.Popen[str]:
    changes = [word for one in SMALL for word in ("--set", one)]
    return subprocess.Popen(
        [sys.executable, "-m", "vgbench", "train", "study", "--data", str(city), "-o", str(output),
         "--device", "cpu", "--devices", "2", "--json", *changes],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def finish(city: Path, output: Path) -> bytes:
    process = start(city, output)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    document = json.loads(out)  # one, though two processes trained
    assert [entry["epoch"] for entry in document["curve"]] == list(range(EPOCHS))
    assert err.count(f"Epoch {EPOCHS}/{EPOCHS}:") == 1
    run = read_run(output)
    assert run is not None
    assert run.finished
    return run.model.read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(tiny_city: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return finish(tiny_city, tmp_path_factory.mktemp("two") / "run")


def stopped(city: Path, output: Path, sent: signal.Signals) -> int:
    """Train until the first checkpoint, then send a signal to all processes; their exit code."""
    process = start(city, output)
    while not (output / "checkpoints" / "last.ckpt").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, sent)
    process.communicate(timeout=120)
    run = read_run(output)
    assert run is not None
    assert not run.finished
    return process.returncode


def test_two_processes_train_one_model_and_end_alike_each_time(
    tiny_city: Path, tmp_path: Path, uninterrupted: bytes
) -> None:
    assert finish(tiny_city, tmp_path / "again") == uninterrupted
    model = load_model(tmp_path / "again" / "model.safetensors")
    assert model.architecture == "resnet18(layer2)+gem+fc512"


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_what_was_stopped_goes_on_and_ends_alike(
    tiny_city: Path, tmp_path: Path, uninterrupted: bytes, sent: signal.Signals
) -> None:
    code = stopped(tiny_city, tmp_path / "run", sent)
    assert code == (130 if sent == signal.SIGINT else -sent)
    assert finish(tiny_city, tmp_path / "run") == uninterrupted
