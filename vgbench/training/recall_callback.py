"""Validation recall in anybody's Lightning training: `RecallCallback`."""

from __future__ import annotations

import os
import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor, nn

from vgbench.datasets import Dataset, load_dataset
from vgbench.errors import UsageError
from vgbench.evaluation import Result, evaluate
from vgbench.models.networks import DescriptorNetwork


class RecallCallback(Callback):
    """Evaluate a module on a split after each epoch, and log its recalls.

    Logs ``val/recall_1``, ``val/recall_5``, ``val/recall_10`` and ``val/recall_20``, in percent,
    where `ModelCheckpoint` and `EarlyStopping` can monitor them; give it before `EarlyStopping`.
    With several processes the first evaluates and the others wait for its numbers.

    Parameters
    ----------
    dataset
        A `Dataset`, the name of one (``"sf-xs/val"``), or the path of a folder.
    network
        The attribute of the module that maps normalised images, float (B, 3, H, W), to descriptors
        (B, D); None takes the module's own `forward`.
    distance, resize
        As for `vgbench.evaluate`.
    every
        Epochs from one evaluation to the next; the last epoch is always evaluated.
    prefix
        What the logged names begin with.

    Attributes
    ----------
    result
        The last evaluation, a `vgbench.evaluation.Result`; None before the first, and in all
        processes but one.
    recalls
        Its recalls, ``{1: 56.2, …}``, in every process; empty when the epoch was not evaluated.

    Raises
    ------
    UsageError
        When training starts and an `EarlyStopping` that monitors these recalls would come first.

    Examples
    --------
    >>> from lightning.pytorch import Trainer
    >>> recall = RecallCallback("demo-city/val", every=2)
    >>> trainer = Trainer(max_epochs=10, callbacks=[recall], logger=False, accelerator="cpu")
    """

    def __init__(
        self,
        dataset: Dataset | str | os.PathLike[str],
        *,
        network: str | None = None,
        distance: str = "l2",
        resize: int | tuple[int, int] | None = None,
        every: int = 1,
        prefix: str = "val/",
    ) -> None:
        super().__init__()
        self.dataset = dataset if isinstance(dataset, Dataset) else load_dataset(dataset)
        self.network, self.distance, self.resize = network, distance, resize
        self.every, self.prefix = every, prefix
        self.result: Result | None = None
        self.recalls: dict[int, float] = {}
        self.seconds = 0.0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """See that nobody looks for a recall before it is there."""
        callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
        for callback in callbacks[: callbacks.index(self)]:
            if isinstance(callback, EarlyStopping) and callback.monitor.startswith(
                f"{self.prefix}recall_"
            ):
                raise UsageError(
                    f"Name RecallCallback before EarlyStopping({callback.monitor!r}) in the "
                    "trainer's callbacks: Lightning calls them in this order, and the recall of an "
                    "epoch must be known first."
                )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluate, and log the recalls."""
        last = (
            trainer.should_stop
            or trainer.current_epoch + 1 == trainer.max_epochs
            or trainer.global_step == trainer.max_steps
        )
        if not last and (trainer.current_epoch + 1) % self.every:
            self.recalls, self.seconds = {}, 0.0
            return
        started = time.perf_counter()
        recalls: dict[int, float] = {}
        if trainer.is_global_zero:
            self.result = evaluate(
                _describer(pl_module, self.network),
                self.dataset,
                distance=self.distance,
                resize=self.resize,
                device=str(pl_module.device),
            )
            recalls = self.result.recalls
        self.recalls = dict(trainer.strategy.broadcast(recalls))
        self.seconds = time.perf_counter() - started
        for n, recall in self.recalls.items():
            # Every process logs the same number, so there is nothing to reduce.
            pl_module.log(f"{self.prefix}recall_{n}", recall, rank_zero_only=False, sync_dist=False)


def _describer(module: LightningModule, attribute: str | None) -> nn.Module:
    """The part that makes descriptors, in a form that evaluation does not copy with its trainer."""
    part: Any = module if attribute is None else getattr(module, attribute)
    return part if isinstance(part, DescriptorNetwork) else _Uncopied(part)


class _Uncopied(nn.Module):
    """A module as it is: a Lightning module holds its trainer, which is no good copied."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Any:
        parameter = next(self.module.parameters(), None)
        kind = torch.float32 if parameter is None else parameter.dtype
        return self.module(images.to(kind))

    def __deepcopy__(self, memo: dict[int, Any]) -> _Uncopied:
        raise TypeError("not to be copied")
