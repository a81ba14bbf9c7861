"""The study's training as a Lightning module: one step, one optimizer, one scheduler."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader

from vgbench.errors import VgbenchError
from vgbench.models.networks import DescriptorNetwork
from vgbench.training.ingredients import (
    Scheduler,
    make_loss,
    make_miner,
    make_optimizer,
    make_scheduler,
)
from vgbench.training.measuring import Way, in_layout
from vgbench.training.places import Places
from vgbench.training.recipes import Recipe

MONITORED = "val/recall_1"
"""What chooses the best epoch, stops early and lowers the rate on a plateau."""


class PlaceTraining(LightningModule):
    """Trains a descriptor network on places, as a recipe says.

    The scheduler is stepped here and not by Lightning, at the end of an epoch and before its
    checkpoint is written: a run that is continued then has had every step that an uninterrupted one
    had.
    """

    def __init__(
        self, network: DescriptorNetwork, recipe: Recipe, places: Places, way: Way, workers: int
    ) -> None:
        super().__init__()
        self.network, self.recipe, self.places = network, recipe, places
        self.way, self.workers = way, workers
        self.loss, self.miner = make_loss(recipe.loss), make_miner(recipe.miner)
        self.scheduler: Scheduler | None = None
        self._scheduler_state: dict[str, Any] | None = None
        self.losses: list[Tensor] = []
        self.batches: DataLoader[Any] | None = None
        if way.channels_last:
            self.network.to(memory_format=torch.channels_last)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Give the loss of a batch: images, uint8 (B, H, W, 3), and the place of each."""
        images, labels = batch
        descriptors = self.network(in_layout(images, self.way))
        with torch.autocast(images.device.type, enabled=False):
            descriptors = descriptors.float()
            pairs = self.miner(descriptors.detach(), labels) if self.miner else None
            loss: Tensor = self.loss(descriptors, labels, pairs)
        self.losses.append(loss.detach())
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.log("loss", loss, on_step=True, on_epoch=True, batch_size=len(labels))
        self.log("learning_rate", rate, on_step=True)
        return loss

    def configure_optimizers(self) -> Optimizer:
        """Make the optimizer; the scheduler is stepped in `on_train_epoch_end`."""
        optimizer = make_optimizer(self.recipe.optimizer, self.network.parameters())
        self.scheduler = make_scheduler(self.recipe.scheduler, optimizer)
        if self.scheduler is not None and self._scheduler_state is not None:
            self.scheduler.load_state_dict(self._scheduler_state)
        return optimizer

    def train_dataloader(self) -> DataLoader[Any]:
        """Give the batches of the present epoch, which depend on the seed and its number alone."""
        if self.batches is None:
            self.batches = self.places.loader(
                self.recipe.places_per_batch,
                self.current_epoch,
                self.workers,
                self.trainer.global_rank,
                self.trainer.world_size,
            )
        # Asked for again at each epoch, the same loader keeps its workers.
        self.batches.sampler.epoch = self.current_epoch  # type: ignore[attr-defined]
        return self.batches

    def on_train_epoch_start(self) -> None:
        """Forget the losses of the epoch before; batch normalisation goes by the batch."""
        self.losses = []
        self.network.train()  # models come in evaluation mode, and Lightning leaves them in it

    @property
    def mean_loss(self) -> float:
        """Of the steps of this epoch so far."""
        return float(torch.stack(self.losses).mean()) if self.losses else float("nan")

    def on_train_epoch_end(self) -> None:
        """Step the scheduler: plateau by the validation's R@1, when there is one.

        Raises
        ------
        VgbenchError
            When the weights have become NaN or infinite, which no further epoch mends.
        """
        if not all(bool(value.isfinite().all()) for value in self.network.state_dict().values()):
            raise VgbenchError(
                f"Training diverged in epoch {self.current_epoch + 1}: weights are NaN or infinite."
                " Try a lower learning rate (--set optimizer.lr=1e-4), or precision=float32."
            )
        if isinstance(self.scheduler, ReduceLROnPlateau):
            recall = self.trainer.callback_metrics.get(MONITORED)
            if recall is not None:
                self.scheduler.step(float(recall))
        elif self.scheduler is not None:
            self.scheduler.step()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the scheduler's state beside Lightning's own."""
        if self.scheduler is not None:
            checkpoint["scheduler"] = self.scheduler.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember the scheduler's state until there is a scheduler."""
        self._scheduler_state = checkpoint.get("scheduler")
