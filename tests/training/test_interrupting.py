"""Wherever a run is stopped, the same command ends with the bytes of an uninterrupted run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("lightning")
pytest.importorskip("pytorch_metric_learning")

from vgbench.durable import TEMPORARY_PREFIX
from vgbench.training.recipes import load_recipe
from vgbench.training.run import read_run
from vgbench.training.running import train

EPOCHS = 4

SMALL = [
    "network.weights=random", "data.places_per_batch=5", "data.image_size=[48,64]",
    "rand_augment=1", "precision=float32", "layout=channels-last", f"epochs={EPOCHS}",
]  # fmt: skip

# The process tells on stdout where it is, and goes on only when it is told to: so a signal comes
# exactly there. What trains is the package's own `train`.
TRAINING = """
import os, sys
from pathlib import Path
from vgbench.training import keeping, module, recall_callback, running
from vgbench.durable import TEMPORARY_PREFIX
from vgbench.training.recipes import load_recipe

city, output, moment = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
EPOCHS = int(sys.argv[-1].removeprefix("epochs="))

def stop_at(owner, name, after=False, count=2):
    original, left = getattr(owner, name), [count]
    def replacement(*arguments, **named):
        result = original(*arguments, **named) if after else None
        left[0] -= 1
        if left[0] == 0:
            print(moment, flush=True)
            sys.stdin.readline()
        return result if after else original(*arguments, **named)
    setattr(owner, name, replacement)

if moment == "validation":
    stop_at(recall_callback, "evaluate")
elif moment == "last validation":
    stop_at(recall_callback, "evaluate", count=EPOCHS)
elif moment == "best weights":
    stop_at(keeping, "save_model", count=1)
elif moment == "curve":
    stop_at(keeping, "write_curve", after=True)
elif moment == "checkpoint":
    stop_at(keeping.SafeCheckpoints, "save_checkpoint")
elif moment == "checkpoint written":
    stop_at(keeping.SafeCheckpoints, "save_checkpoint", after=True)
elif moment == "batch":
    stop_at(module, "in_layout", count=4)
elif moment == "half written":
    stop_at(os, "replace", count=9)
elif moment == "finish":
    stop_at(running, "write_json", count=3)
running.train(load_recipe("study", sys.argv[4:]), city, output, device="cpu")
"""


def start(city: Path, output: Path, moment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TRAINING, city, output, moment, *SMALL],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def finish(city: Path, output: Path) -> bytes:
    """Train to the end, here; the weights."""
    run = train(load_recipe("study", SMALL), city, output, device="cpu")
    assert run.finished
    assert [entry["epoch"] for entry in run.curve] == list(range(EPOCHS))
    assert not list(output.rglob(f"{TEMPORARY_PREFIX}*"))
    return run.model.read_bytes()


@pytest.fixture(scope="session")
def uninterrupted(tiny_city: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights of a run that nothing disturbed."""
    return finish(tiny_city, tmp_path_factory.mktemp("whole") / "run")


def stopped_at(
    moment: str, city: Path, output: Path, send: Callable[[subprocess.Popen[str]], None]
) -> tuple[int, str]:
    """Run until a moment, send signals to the whole group of processes, and let it go on."""
    process = start(city, output, moment)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == moment, process.communicate()[1]
    send(process)
    said = process.communicate("\n", timeout=60)[1]
    assert not (output / "model.safetensors").exists() or moment in ("finish", "last validation")
    return process.returncode, said


def interrupt(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGINT)


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)


MOMENTS = (
    "batch", "validation", "best weights", "curve", "half written", "checkpoint",
    "checkpoint written", "finish",
)  # fmt: skip


@pytest.mark.parametrize(
    "moment",
    [m if m == "half written" else pytest.param(m, marks=pytest.mark.slow) for m in MOMENTS],
)
def test_killed_at_any_moment_it_ends_with_the_same_bytes(
    moment: str, tiny_city: Path, tmp_path: Path, uninterrupted: bytes
) -> None:
    code, _ = stopped_at(moment, tiny_city, tmp_path / "run", kill)
    assert code == -signal.SIGKILL
    left = list((tmp_path / "run").rglob(f"{TEMPORARY_PREFIX}*"))
    assert bool(left) == (moment == "half written")
    assert finish(tiny_city, tmp_path / "run") == uninterrupted


@pytest.mark.parametrize(
    "moment",
    [m if m == "validation" else pytest.param(m, marks=pytest.mark.slow) for m in MOMENTS[:-1]],
)
def test_interrupted_at_any_moment_it_says_so_and_ends_with_the_same_bytes(
    moment: str, tiny_city: Path, tmp_path: Path, uninterrupted: bytes
) -> None:
    code, said = stopped_at(moment, tiny_city, tmp_path / "run", interrupt)
    assert code == -signal.SIGINT
    assert "goes on from the last whole epoch" in said
    stopped = read_run(tmp_path / "run")
    assert stopped is not None
    assert finish(tiny_city, tmp_path / "run") == uninterrupted
    done = read_run(tmp_path / "run")
    assert done is not None
    assert 0 < stopped.about["seconds"] < done.about["seconds"]


def test_interrupted_when_nothing_is_left_to_end_it_finishes_and_then_stops(
    tiny_city: Path, tmp_path: Path, uninterrupted: bytes
) -> None:
    code, said = stopped_at("last validation", tiny_city, tmp_path / "run", interrupt)
    assert code == -signal.SIGINT
    assert "is finished" in said
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == uninterrupted


@pytest.mark.slow
def test_two_interrupts_end_a_validation_at_once(
    tiny_city: Path, tmp_path: Path, uninterrupted: bytes
) -> None:
    def twice(process: subprocess.Popen[str]) -> None:
        interrupt(process)
        time.sleep(0.5)
        interrupt(process)

    code, said = stopped_at("validation", tiny_city, tmp_path / "run", twice)
    assert code == -signal.SIGINT
    assert "goes on from the last whole epoch" in said
    assert finish(tiny_city, tmp_path / "run") == uninterrupted


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_kills_at_random_moments_change_nothing(
    tiny_city: Path, tmp_path: Path, uninterrupted: bytes
) -> None:
    def begun(output: Path) -> subprocess.Popen[str]:
        process = start(tiny_city, output, "")
        assert process.stderr is not None
        assert process.stderr.readline()  # its first note: imports are done, training begins
        return process

    drawn = random.Random(0)
    process, began = begun(tmp_path / "timed"), time.monotonic()
    process.communicate(timeout=120)
    whole = time.monotonic() - began
    output, kills, done = tmp_path / "run", 0, 0
    while kills < 20:
        process = begun(output)
        try:
            process.communicate(timeout=drawn.uniform(0, 0.7) * whole)
            done += 1  # it came to its end before it was killed
            assert (output / "model.safetensors").read_bytes() == uninterrupted
            output = tmp_path / f"run-{done}"
        except subprocess.TimeoutExpired:
            (kill if drawn.random() < 0.6 else interrupt)(process)
            process.communicate(timeout=60)
            kills += 1
    assert finish(tiny_city, output) == uninterrupted
