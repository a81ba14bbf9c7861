"""Training trains, keeps what it should, and goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
import torch

pytest.importorskip("lightning")
pytest.importorskip("pytorch_metric_learning")

from vgbench.errors import DatasetNotFound, UsageError, VgbenchError
from vgbench.models import load_model
from vgbench.training.keeping import _mean
from vgbench.training.recipes import load_recipe
from vgbench.training.run import read_run
from vgbench.training.running import train

SMALL = [
    "network.weights=random", "data.places_per_batch=5", "data.image_size=[48,64]",
    "rand_augment=1", "precision=float32", "layout=channels-last",
]  # fmt: skip

TRAINING = f"""
import sys
from vgbench.training.recipes import load_recipe
from vgbench.training.running import train
small = {SMALL!r}
train(load_recipe(sys.argv[1], [*small, "epochs=6"]), sys.argv[2], sys.argv[3])
"""
"""Six epochs as a process of their own, to be killed."""


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_run_leaves_weights_curve_and_logs(tiny_city: Path, tmp_path: Path) -> None:
    recipe = load_recipe("study", [*SMALL, "epochs=2"])
    run = train(recipe, tiny_city, tmp_path / "run")
    assert run.finished
    assert [entry["epoch"] for entry in run.curve] == [0, 1]
    best = max(entry["recall_1"] for entry in run.curve)
    assert run.best_epoch == [entry["recall_1"] for entry in run.curve].index(best)
    model = load_model(run.model)
    assert model.architecture == "resnet18(layer2)+gem+fc512"
    assert model.metadata["training_data"] == "tiny-city"
    assert model.digest == run.about["digest"] == digest(run.model)
    assert load_recipe(tmp_path / "run" / "recipe.toml").values() == recipe.values()
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))
    assert "loss" in (tmp_path / "run" / "steps" / "start_0" / "metrics.csv").read_text()
    written = (tmp_path / "run" / "curve.csv").read_text().splitlines()
    assert written[0] == "epoch,loss,seconds,recall_1,recall_5,recall_10,recall_20"
    assert read_run(tmp_path / "run") == run

    before = digest(run.model)
    with mock.patch("vgbench.training.places._decode_all", side_effect=AssertionError):
        assert train(recipe, tiny_city, tmp_path / "run") == run  # finished: nothing is done again
    assert digest(run.model) == before
    with pytest.raises(VgbenchError, match=r"(?s)another run.*optimizer.lr: 0.0025 there"):
        train(load_recipe("study", [*SMALL, "epochs=2", "optimizer.lr=1"]), tiny_city, run.folder)


@pytest.mark.slow
def test_the_best_epochs_recall_is_that_of_the_weights_kept(
    tiny_city: Path, tmp_path: Path
) -> None:
    from vgbench.evaluation import evaluate

    run = train(load_recipe("study", [*SMALL, "epochs=3"]), tiny_city, tmp_path)
    found = evaluate(str(run.model), tiny_city / "val", resize=(48, 64)).recalls
    assert run.best_epoch is not None
    assert found[1] == pytest.approx(run.curve[run.best_epoch]["recall_1"])


@pytest.mark.slow  # test_interrupting.py has quick ones
@pytest.mark.parametrize("recipe", ["study", "reduce-on-plateau"])
def test_killed_and_started_again_it_ends_with_the_same_weights(
    recipe: str, tiny_city: Path, tmp_path: Path
) -> None:
    whole = train(load_recipe(recipe, [*SMALL, "epochs=6"]), tiny_city, tmp_path / "whole")
    for after, how in ((1, signal.SIGINT), (3, signal.SIGKILL)):
        process = subprocess.Popen(
            [sys.executable, "-c", TRAINING, recipe, tiny_city, tmp_path / "cut"],
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        while _epochs(tmp_path / "cut") < after:
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            time.sleep(0.01)
        time.sleep(0.1)  # into the midst of an epoch
        os.killpg(process.pid, how)
        process.communicate(timeout=60)
        assert process.returncode != 0
        assert not (tmp_path / "cut" / "model.safetensors").exists()
        unfinished = read_run(tmp_path / "cut")
        assert unfinished is not None
        assert not unfinished.finished
    done = train(load_recipe(recipe, [*SMALL, "epochs=6"]), tiny_city, tmp_path / "cut")
    assert [e["loss"] for e in done.curve] == [e["loss"] for e in whole.curve]
    for a, b in zip(*(map(_last, (done.folder, whole.folder))), strict=True):
        assert torch.equal(a, b)
    assert digest(done.model) == digest(whole.model)


def _epochs(folder: Path) -> int:
    """Epochs in the checkpoint, from the curve that is written just before it."""
    path = folder / "curve.csv"
    if not (folder / "checkpoints" / "last.ckpt").is_file() or not path.is_file():
        return 0
    return len(path.read_text().splitlines()) - 1


def _last(folder: Path) -> list[torch.Tensor]:
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return [state[key] for key in sorted(state)]


def test_batch_normalisation_learns_what_images_are_like(tiny_city: Path, tmp_path: Path) -> None:
    run = train(load_recipe("study", [*SMALL, "epochs=2"]), tiny_city, tmp_path / "run")
    norms = [
        module for module in load_model(run.model).module.modules()
        if isinstance(module, torch.nn.BatchNorm2d)
    ]  # fmt: skip
    assert len(norms) > 4
    assert all(norm.num_batches_tracked for norm in norms)
    assert all(norm.state_dict()["running_mean"].abs().sum() > 0 for norm in norms)


def test_other_seeds_give_other_weights(tiny_city: Path, tmp_path: Path) -> None:
    recipe = load_recipe("study", SMALL)
    runs = [
        train(recipe, tiny_city, tmp_path / str(n), max_steps=1, seed=seed, validation="none")
        for n, seed in enumerate((0, 0, 1))
    ]
    first, again, other = (digest(run.model) for run in runs)
    assert first == again != other
    assert [set(run.curve[0]) for run in runs] == [{"epoch", "loss", "seconds"}] * 3


def test_early_stop_ends_before_the_last_epoch(tiny_city: Path, tmp_path: Path) -> None:
    # At this rate nothing changes, so R@1 never rises above the first epoch's.
    recipe = load_recipe(
        "base", [*SMALL, "epochs=9", "early_stop=2", "optimizer.lr=1e-30", "rand_augment=0"]
    )
    stopped = train(recipe, tiny_city, tmp_path)
    assert 3 <= len(stopped.curve) < 9

    # As a kill leaves it after the last checkpoint: what is left is to finish, not to train on.
    (tmp_path / "run.json").write_text(json.dumps({**stopped.about, "finished": False}))
    again = train(recipe, tiny_city, tmp_path)
    assert again.curve == stopped.curve
    assert again.about["digest"] == stopped.about["digest"]


def test_weights_that_are_no_numbers_are_an_error(tiny_city: Path, tmp_path: Path) -> None:
    recipe = load_recipe("base", [*SMALL, "epochs=3", "optimizer.lr=1e30"])
    with pytest.raises(VgbenchError, match=r"diverged in epoch 1.*optimizer\.lr"):
        train(recipe, tiny_city, tmp_path, validation="none")
    assert not (tmp_path / "curve.csv").exists()


def test_images_augmented_for_a_run_that_never_began_are_made_again(
    tiny_city: Path, tmp_path: Path
) -> None:
    city = next(path.name for path in (tiny_city / "train").iterdir() if path.is_dir())
    small = [*SMALL, f"augmentation.cities=['{city}']", "augmentation.offline=true", "epochs=1"]
    with pytest.raises(VgbenchError, match="a batch takes 500"):
        train(load_recipe("flip", [*small, "data.places_per_batch=500"]), tiny_city, tmp_path)
    flipped = {p.name: p.read_bytes() for p in (tmp_path / "augmented" / city).iterdir()}
    train(load_recipe("jitter", small), tiny_city, tmp_path, max_steps=1, validation="none")
    jittered = {p.name: p.read_bytes() for p in (tmp_path / "augmented" / city).iterdir()}
    assert flipped.keys() == jittered.keys()
    assert all(flipped[name] != jittered[name] for name in flipped)


def test_what_cannot_be_trained_on_is_explained(tiny_city: Path, tmp_path: Path) -> None:
    recipe = load_recipe("study", SMALL)
    with pytest.raises(DatasetNotFound, match="place ids"):
        train(recipe, tmp_path / "nowhere", tmp_path / "run")
    with pytest.raises(DatasetNotFound, match="gsv-xs is not installed"):
        train(recipe, "gsv-xs", tmp_path / "run")
    with pytest.raises(UsageError, match="validation"):
        train(recipe, next((tiny_city / "train").iterdir()), tmp_path / "run")
    with pytest.raises(VgbenchError, match=r"10 places, a batch takes 128.*places_per_batch=10"):
        train(load_recipe("study", ["data.image_size=[48,64]"]), tiny_city, tmp_path / "run")


def test_a_batch_larger_than_what_is_drawn_is_refused_before_anything_is_drawn(
    tmp_path: Path,
) -> None:
    recipe = load_recipe("study", ["data.drawn_places=100"])
    with pytest.raises(VgbenchError, match=r"100 places, a batch takes 128"):
        train(recipe, "demo-city", tmp_path / "run", data_root=tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_a_job_gives_its_processes_does_not_matter_to_a_run_on_one_device(
    tiny_city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "3")
    run = train(load_recipe("study", [*SMALL, "epochs=1"]), tiny_city, tmp_path / "run")
    assert run.finished
    assert run.model.is_file()
    assert run.about["device"].startswith("cpu, ")


def test_the_losses_of_several_gpus_are_averaged_on_them() -> None:
    class Strategy:
        root_device = torch.device("meta")

        def reduce(self, value: torch.Tensor, reduce_op: str) -> torch.Tensor:
            assert (value.device, reduce_op) == (self.root_device, "mean")
            return torch.tensor(2.5)

    assert _mean(mock.Mock(strategy=Strategy()), 1.0) == 2.5


def test_a_damaged_or_unsafe_checkpoint_is_refused(tiny_city: Path, tmp_path: Path) -> None:
    train(load_recipe("study", [*SMALL, "epochs=1"]), tiny_city, tmp_path)
    about = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(about | {"finished": False}))
    torch.save({"state_dict": subprocess.Popen}, tmp_path / "checkpoints" / "last.ckpt")
    for damaged in (None, b"", b"no checkpoint"):
        if damaged is not None:
            (tmp_path / "checkpoints" / "last.ckpt").write_bytes(damaged)
        with pytest.raises(VgbenchError, match="cannot be read safely"):
            train(load_recipe("study", [*SMALL, "epochs=1"]), tiny_city, tmp_path)
