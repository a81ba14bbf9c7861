"""What training leaves behind after each epoch: checkpoint, best weights, curve, a line to read."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from vgbench.durable import atomic_write
from vgbench.errors import VgbenchError
from vgbench.models.saving import save_model
from vgbench.progress import note, progress
from vgbench.training.module import PlaceTraining
from vgbench.training.recall_callback import RecallCallback
from vgbench.training.run import RECALLS, Entry, best_epoch, write_curve

LAST = "checkpoints/last.ckpt"
BEST = "checkpoints/best.safetensors"


class SafeCheckpoints(TorchCheckpointIO):
    """Writes checkpoints so that a kill leaves the old one or the new one; reads without pickle."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write a checkpoint to a local path."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with atomic_write(path) as file:
            file.write(content.getbuffer())

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint, tensors and plain values only, whatever `weights_only` says.

        Raises
        ------
        VgbenchError
            When it holds anything that would run code, or is damaged.
        """
        try:
            loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises what it likes on a damaged file
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise VgbenchError(
                f"The checkpoint {path} cannot be read safely ({reason}). "
                "Name another folder to start again."
            ) from error
        return loaded


class Keeping(Checkpoint):
    """After each epoch: the curve's entry, best weights when they are, then the checkpoint.

    Lightning calls callbacks of this kind after all others, so recalls and rates are known. Best
    weights and curve are written before the checkpoint that counts them; after a kill in between
    the epoch is trained again and writes the same.
    """

    def __init__(self, folder: Path, recall: RecallCallback | None) -> None:
        self.folder, self.recall = folder, recall
        self.curve: list[Entry] = []
        self.started = time.perf_counter()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Train no further where the checkpoint is that of an early stop."""
        if any(one.stopped_epoch for one in trainer.early_stopping_callbacks):
            trainer.should_stop = True

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write everything."""
        assert isinstance(pl_module, PlaceTraining)
        # Validation is no part of an epoch's seconds, as in the field's throughputs.
        seconds = time.perf_counter() - self.started - (self.recall.seconds if self.recall else 0)
        entry: Entry = {
            "epoch": trainer.current_epoch, "loss": _mean(trainer, pl_module.mean_loss),
            "seconds": seconds,
        }  # fmt: skip
        recalls = self.recall.recalls if self.recall else {}
        entry |= {f"recall_{n}": recalls[n] for n in RECALLS if n in recalls}
        self.curve = [*self.curve, entry]
        best = best_epoch(self.curve) == trainer.current_epoch
        if trainer.is_global_zero:
            if best:
                save_model(pl_module.network, self.folder / BEST)
            write_curve(self.folder / "curve.csv", self.curve)
            said = f", R@1 {recalls[1]:.1f}{' (best)' if best else ''}" if recalls else ""
            note(
                f"Epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: "
                f"loss {entry['loss']:.4f}{said}, {seconds:.1f} s"
            )
        trainer.save_checkpoint(self.folder / LAST)

    def state_dict(self) -> dict[str, Any]:
        """Keep the curve in the checkpoint, so that both are of one epoch."""
        return {"curve": self.curve}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the curve back."""
        self.curve = list(state_dict["curve"])


def _mean(trainer: Trainer, value: float) -> float:
    """Of what each process has; GPUs reduce what is on them."""
    own = torch.tensor(value, device=trainer.strategy.root_device)
    return float(trainer.strategy.reduce(own, reduce_op="mean"))


class EpochBar(Callback):
    """A progress bar of each epoch's batches, on stderr, gone before validation draws its own."""

    def __init__(self) -> None:
        self.open = ExitStack()
        self.advance: Callable[[int], None] = lambda count: None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar."""
        if trainer.is_global_zero:
            title = f"Epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            bar = progress(title, int(trainer.num_training_batches), "batches")
            self.advance = self.open.enter_context(bar)

    def on_train_batch_end(self, *arguments: Any) -> None:
        """Move it on."""
        self.advance(1)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close it."""
        self.open.close()

    def on_exception(self, *arguments: Any) -> None:
        """Close it."""
        self.open.close()
