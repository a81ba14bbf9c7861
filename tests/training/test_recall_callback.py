"""`RecallCallback` validates in anybody's Lightning training."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("lightning")
pytest.importorskip("pytorch_metric_learning")

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn

from vgbench.descriptors.images import normalise
from vgbench.errors import UsageError
from vgbench.evaluation import evaluate
from vgbench.models import build
from vgbench.training import RecallCallback
from vgbench.training.places import Places

SIZE = (48, 64)


def layers() -> nn.Module:
    """A network that vgbench does not know, and that knows whether it is trained."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(4),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(128, 16),
    )  # fmt: skip


class Theirs(LightningModule):
    """A stranger's module, with a loss of its own, around any network."""

    def __init__(self, net: nn.Module, rate: float = 1e-3) -> None:
        super().__init__()
        self.net, self.rate = net, rate
        self.modes: set[bool] = set()

    def forward(self, images: Tensor) -> Tensor:
        descriptors: Tensor = self.net(images)
        return descriptors

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        self.modes |= {part.training for part in self.net.modules()}
        images, places = batch
        descriptors = self(normalise(images))
        same = (places[:, None] == places[None]).float()
        return ((torch.cdist(descriptors, descriptors) - 2 * (1 - same)) ** 2).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), self.rate)


def fit(module: LightningModule, city: Path, *callbacks: Callback, **settings: Any) -> Trainer:
    """Train as a stranger does."""
    settings = {"max_epochs": 3, "logger": False, "enable_checkpointing": False} | settings
    trainer = Trainer(
        accelerator="cpu", callbacks=[*callbacks], enable_progress_bar=False,
        enable_model_summary=False, **settings,
    )  # fmt: skip
    batches = Places(city / "train", lambda image: image, size=SIZE).loader(5, 0, workers=0)
    trainer.fit(module, batches)
    return trainer


def test_recalls_are_logged_after_each_epoch_and_are_those_of_an_evaluation(
    tiny_city: Path, tmp_path: Path
) -> None:
    module = Theirs(layers())
    recall = RecallCallback(tiny_city / "val", resize=SIZE)
    logger = CSVLogger(tmp_path, name="", version="")
    trainer = fit(module, tiny_city, recall, logger=logger, log_every_n_steps=1)
    found = evaluate(module.net, tiny_city / "val", resize=SIZE).recalls
    assert recall.recalls == found
    assert recall.result is not None
    assert recall.result.queries == 20
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert logged == pytest.approx({f"val/recall_{n}": value for n, value in found.items()})
    rows = list(csv.DictReader((tmp_path / "metrics.csv").read_text().splitlines()))
    assert len([row for row in rows if row["val/recall_1"]]) == 3
    assert module.modes == {True}  # back in training mode after each evaluation


def test_a_part_of_the_module_is_evaluated_by_its_attribute(tiny_city: Path) -> None:
    class Wrapped(Theirs):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) * torch.rand(16)  # no function of the image

    torch.manual_seed(0)
    module = Wrapped(layers())
    recall = RecallCallback(tiny_city / "val", resize=SIZE, network="net", prefix="city/")
    trainer = fit(module, tiny_city, recall, max_epochs=1)
    found = evaluate(module.net, tiny_city / "val", resize=SIZE).recalls
    assert recall.recalls == found
    assert float(trainer.callback_metrics["city/recall_1"]) == pytest.approx(found[1])


def test_epochs_between_are_not_evaluated_but_the_last_is(tiny_city: Path) -> None:
    seen: list[tuple[int, bool]] = []

    class Watch(Callback):
        def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            seen.append((trainer.current_epoch, bool(recall.recalls)))

    recall = RecallCallback(tiny_city / "val", resize=SIZE, every=2)
    fit(Theirs(layers()), tiny_city, recall, Watch())
    assert seen == [(0, False), (1, True), (2, True)]
    seen.clear()
    fit(Theirs(layers()), tiny_city, recall, Watch(), max_epochs=-1, max_steps=2)  # in one epoch
    assert seen == [(0, True)]


def test_the_best_checkpoint_is_kept_and_an_early_stop_works_by_the_recall(
    tiny_city: Path, tmp_path: Path
) -> None:
    best = ModelCheckpoint(tmp_path, monitor="val/recall_1", mode="max", filename="{epoch}")
    stop = EarlyStopping("val/recall_1", mode="max", patience=2)
    recall = RecallCallback(tiny_city / "val", resize=SIZE)
    # Without a change of the weights no recall is above the first.
    frozen = Theirs(nn.Sequential(nn.AvgPool2d(16), nn.Flatten(), nn.Linear(36, 8)), rate=1e-30)
    trainer = fit(frozen, tiny_city, recall, stop, best, enable_checkpointing=True, max_epochs=9)
    assert trainer.current_epoch == 3
    assert best.best_model_score is not None
    assert float(best.best_model_score) == pytest.approx(recall.recalls[1])
    assert Path(best.best_model_path).name == "epoch=0.ckpt"


def test_an_early_stop_that_comes_before_the_recall_is_explained(tiny_city: Path) -> None:
    stop = EarlyStopping("val/recall_1", mode="max")
    with pytest.raises(UsageError, match="before EarlyStopping"):
        fit(Theirs(layers()), tiny_city, stop, RecallCallback(tiny_city / "val"))


def test_a_strangers_checkpoint_of_a_network_of_ours_evaluates(
    tiny_city: Path, tmp_path: Path
) -> None:
    best = ModelCheckpoint(tmp_path, monitor="val/recall_1", mode="max", filename="best")
    recall = RecallCallback(tiny_city / "val", resize=SIZE)
    module = Theirs(build("resnet18(layer2)+gem+fc32"))
    fit(module, tiny_city, recall, best, enable_checkpointing=True, max_epochs=1)
    ran = subprocess.run(
        [sys.executable, "-m", "vgbench", "evaluate", tmp_path / "best.ckpt", "-d",
         tiny_city / "val", "--resize", *map(str, SIZE), "--json"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    hits = json.loads(ran.stdout)["results"][0]["hits"]
    assert recall.result is not None
    assert hits == {str(n): count for n, count in recall.result.hits.items()}
