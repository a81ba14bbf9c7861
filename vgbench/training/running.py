"""Training from a recipe to a folder with weights: `train`, which goes on where it was stopped."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgbench._version import __version__
from vgbench.datasets import Dataset
from vgbench.durable import atomic_write, explained, remove_unfinished
from vgbench.errors import VgbenchError, first_ten
from vgbench.kept_memory import kept_memory
from vgbench.places import data_root as place_of_data
from vgbench.progress import note
from vgbench.training.extra import require_extra
from vgbench.training.ingredients import make_network, make_transform
from vgbench.training.recipes import Recipe, load_recipe
from vgbench.training.run import Run, read_run, write_json
from vgbench.training.sources import DEMO, TrainingData, find_training_data

if TYPE_CHECKING:
    from lightning.pytorch import Callback, Trainer

    from vgbench.training.measuring import Way
    from vgbench.training.places import Places

MOST_WORKERS = 8
LOG_EVERY = 10
"""Steps from one logged loss to the next; fewer when an epoch has fewer."""


def train(
    recipe: Recipe | str | os.PathLike[str],
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    validation: str | os.PathLike[str] | Dataset | None = None,
    max_steps: int | None = None,
    seed: int | None = None,
    data_root: str | os.PathLike[str] | None = None,
    device: str = "auto",
    devices: int = 1,
) -> Run:
    """Train a network and leave its weights, its curve and its logs in a folder.

    A folder that holds an unfinished run of the same recipe, data and seed is continued from its
    last whole epoch, and ends with the weights of an uninterrupted run. A finished one is given
    back as it is.

    Parameters
    ----------
    recipe
        A `Recipe`, or what `load_recipe` takes.
    data, validation
        As for `vgbench.training.sources.find_training_data`.
    output
        The run's folder; `vgbench.training.run` lists what is in it.
    max_steps
        Stop after as many optimizer steps, to try something out.
    seed
        In place of the recipe's.
    device
        "auto", "cpu", "cuda" or "mps".
    devices
        How many of them; several train with Lightning's DDP, each on batches of its own places.
        Lightning starts the program again for each but the first.

    Returns
    -------
    Run
        Finished; in the processes that Lightning started, as it is when their part is done.

    Raises
    ------
    UsageError, DatasetError
        When recipe or data cannot be used.
    VgbenchError
        When the folder holds another run, naming what differs; when another process trains there;
        when a package of the extra is missing; when the weights are no longer
        numbers.
    KeyboardInterrupt
        After an interrupt; what was finished of the run stays.
    """
    require_extra()
    from filelock import FileLock, Timeout

    from vgbench.descriptors.extraction import choose_device

    choose_device(device)  # refused now, and not after minutes of drawing pictures
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(Path(recipe))
    recipe = recipe if seed is None else replace(recipe, seed=seed)
    folder = Path(output).expanduser().absolute()
    if os.fspath(data) == DEMO:  # known before it is drawn
        _check_enough(f"{DEMO} (data.drawn_places)", recipe.drawn_places, recipe, devices)
    found = find_training_data(
        data, validation, drawn_places=recipe.drawn_places, data_root=data_root
    )
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    memory = place_of_data(data_root) / ".fastest-training.json"
    training = _Training(recipe, found, folder, max_steps, device, devices, memory)
    try:
        with FileLock(folder / ".lock", timeout=0):
            for place in (folder, folder / "checkpoints"):  # nobody else writes under the lock
                remove_unfinished(place)
            return training.run()
    except Timeout:
        if not training.leads:  # the process that started this one has the lock
            return training.run()
        raise VgbenchError(
            f"Another process is training in {folder}. Wait for it, or name another folder."
        ) from None


def leads(devices: int) -> bool:
    """Whether this is the process that was asked to train, and not one that Lightning started.

    Lightning numbers the processes of a training on several devices; with one device such a number
    is somebody else's.
    """
    return devices == 1 or os.environ.get("LOCAL_RANK", "0") == "0"


class _Training:
    """One call of `train`."""

    def __init__(
        self,
        recipe: Recipe,
        data: TrainingData,
        folder: Path,
        max_steps: int | None,
        device: str,
        devices: int,
        memory: Path,
    ) -> None:
        self.memory = memory
        self.recipe, self.data, self.folder = recipe, data, folder
        self.max_steps, self.device, self.devices = max_steps, device, devices
        self.leads = leads(devices)

    def run(self) -> Run:
        from vgbench.training.keeping import LAST

        places = self._places()
        identity = self._identity(places)
        before = read_run(self.folder)
        if before is not None:
            _same_run(before, identity)
            if before.finished:
                note(f"{self.folder} holds this run already, finished.")
                return before
        about = dict(before.about) if before else self._begin(identity)
        checkpoint = self.folder / LAST
        continued = checkpoint if checkpoint.is_file() else None
        if continued and before:
            self._tell(f"Continuing after epoch {len(before.curve)} of {self.recipe.epochs}.")
        network, weights = make_network(self.recipe)
        if before is None and "could not be fetched" in weights:
            self._tell(f"Note: training starts from scratch. Its weights are {weights}.")
        about["initial_weights"] = about.get("initial_weights", weights)
        if continued is None and about["initial_weights"] != weights:
            about["initial_weights"] = weights  # nothing was trained yet from the others
        with kept_memory():
            way = self._way(network, places, about)
        if not self.leads:
            self._fit(network, places, way, continued)
            run = read_run(self.folder)
            assert run is not None  # the first process wrote it before it started this one
            return run
        write_json(self.folder / "run.json", about)
        started = time.perf_counter()
        try:
            interrupted = self._fit(network, places, way, continued)
        finally:  # a run that goes on later has taken this long already
            about["seconds"] = about.get("seconds", 0.0) + time.perf_counter() - started
            write_json(self.folder / "run.json", about)
        run = self._finish(about)
        if interrupted:  # during the last epoch, when there was nothing left to end
            note(f"Stopped; the run in {self.folder} is finished.")
            raise KeyboardInterrupt
        return run

    def _tell(self, text: str) -> None:
        if self.leads:
            note(text)

    def _places(self) -> Places:
        from vgbench.training.places import Places

        recipe, folder = self.recipe, self.data.folder
        chosen = recipe.augmentation
        if chosen.settings.get("offline"):
            folder = self._augmented()
        places = Places(
            folder,
            make_transform(recipe),
            recipe.seed,
            recipe.images_per_place,
            recipe.size,
            sharers=self.devices,
            silent=not self.leads,
        )
        if places.dropped:
            self._tell(
                f"{places.dropped:,} places with fewer than {recipe.images_per_place} images are "
                f"left out; {len(places):,} remain."
            )
        _check_enough(str(folder), len(places), recipe, self.devices)
        return places

    def _augmented(self) -> Path:
        from vgbench.training.augmentations import augment_folder

        chosen = self.recipe.augmentation
        target = self.folder / "augmented"
        if read_run(self.folder) is None and target.is_dir():
            shutil.rmtree(target)  # of a run that never began, which may have been another
        if not target.is_dir():
            cities: Any = (
                chosen.settings["cities"]
                or sorted(path.name for path in self.data.folder.iterdir() if path.is_dir())[::2]
            )
            count = augment_folder(
                self.data.folder, target, chosen.name, list(cities), self.recipe.seed
            )
            note(f"{count:,} images of {', '.join(cities)} augmented beforehand: {chosen.name}.")
        return target

    def _identity(self, places: Places) -> dict[str, Any]:
        """What must agree for a run to be continued."""
        validation = self.data.validation
        return {
            "recipe": self.recipe.name,
            "values": self.recipe.json_values(),
            "training_data": self.data.name,
            "training_digest": places.digest(),
            "validation": f"{validation.id}/{validation.split}" if validation else None,
            "validation_fingerprint": validation.ground_truth if validation else None,
            "max_steps": self.max_steps,
            "devices": self.devices,
        }  # fmt: skip

    def _begin(self, identity: Mapping[str, Any]) -> dict[str, Any]:
        with atomic_write(self.folder / "recipe.toml") as file:
            file.write(self.recipe.to_toml().encode())
        return {**identity, "finished": False, "versions": _versions()}

    def _way(self, network: Any, places: Places, about: dict[str, Any]) -> Way:
        """The way of the run that is continued, or else the fastest here."""
        import torch

        from vgbench.descriptors.extraction import choose_device
        from vgbench.training.measuring import Way, choose_way

        if kept := about.get("way"):
            return Way(kept["precision"], kept["channels_last"])
        per_place = self.recipe.images_per_place
        few = range(min(len(places), max(1, 16 // per_place)))
        images = torch.cat([places[place] for place in few])
        place = choose_device(self.device)
        way, rates = choose_way(
            network, images, place, self.recipe.precision, self.recipe.layout, self.memory
        )
        about["device"] = (
            torch.cuda.get_device_name(place)
            if place.type == "cuda"
            else f"{place.type}, {torch.get_num_threads()} threads"
        )
        about["way"] = {
            "precision": way.precision,
            "channels_last": way.channels_last,
            "images_per_second_measured": rates,
        }
        note(f"Training {self.recipe.name} on {place.type}: {way}.")
        return way

    def _fit(self, network: Any, places: Places, way: Way, checkpoint: Path | None) -> bool:
        """Train to the end, and tell whether an interrupt came too late to stop it."""
        import torch

        from vgbench.training.interrupting import Interrupts
        from vgbench.training.module import PlaceTraining

        torch.manual_seed(self.recipe.seed)
        workers = min(MOST_WORKERS, os.cpu_count() or 1)
        module = PlaceTraining(network, self.recipe, places, way, workers)
        interrupts = Interrupts()
        try:
            with _quiet_lightning(), interrupts.watched(), kept_memory():
                self._trainer(way, interrupts, len(places)).fit(module, ckpt_path=checkpoint)
        except KeyboardInterrupt:
            self._tell(
                f"Stopped. The same command goes on from the last whole epoch in {self.folder}."
            )
            raise
        return interrupts.arrived

    def _trainer(self, way: Way, interrupts: Callback, places: int) -> Trainer:
        from lightning.pytorch import Trainer
        from lightning.pytorch.callbacks import EarlyStopping
        from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

        from vgbench.training.keeping import EpochBar, Keeping, SafeCheckpoints
        from vgbench.training.measuring import LIGHTNING
        from vgbench.training.module import MONITORED
        from vgbench.training.recall_callback import RecallCallback

        validation = self.data.validation
        recall = None
        if validation:
            recall = RecallCallback(validation, network="network", resize=self.recipe.size)
        callbacks: list[Callback] = [interrupts, EpochBar()]
        if recall:
            callbacks.append(recall)
            if self.recipe.early_stop:
                callbacks.append(
                    EarlyStopping(
                        MONITORED,
                        patience=self.recipe.early_stop,
                        mode="max",
                        check_on_train_epoch_end=True,
                    )
                )
        callbacks.append(Keeping(self.folder, recall))
        precision: Any = LIGHTNING[way.precision]
        starts = len(list((self.folder / "steps").glob("*")))
        batches = places // (self.recipe.places_per_batch * self.devices)
        return Trainer(
            accelerator={"cuda": "gpu"}.get(self.device, self.device),
            devices=self.devices,
            strategy="ddp" if self.devices > 1 else "auto",
            precision=precision,
            max_epochs=self.recipe.epochs,
            max_steps=-1 if self.max_steps is None else self.max_steps,
            callbacks=callbacks,
            plugins=[SafeCheckpoints()],
            logger=[
                TensorBoardLogger(self.folder, name="tensorboard", version=""),
                CSVLogger(self.folder, name="steps", version=f"start_{starts}"),
            ],
            log_every_n_steps=min(LOG_EVERY, batches),
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            reload_dataloaders_every_n_epochs=1,
        )

    def _finish(self, about: dict[str, Any]) -> Run:
        """Give the best weights their name and their metadata, then call the run finished."""
        from vgbench.models.loading import load_model
        from vgbench.models.saving import save_model
        from vgbench.training.keeping import BEST

        run = read_run(self.folder)
        assert run is not None
        best = load_model(self.folder / BEST)
        loss = self.recipe.loss.name
        metadata = {
            "method": f"vgbench train {self.recipe.name}: {loss} loss",
            "training_data": self.data.name,
            "recipe": self.recipe.to_toml(),
            "seed": str(self.recipe.seed),
            "initial_weights": str(about["initial_weights"]),
            "best_epoch": str(run.best_epoch),
        }
        about |= {"finished": True, "best_epoch": run.best_epoch}
        about["digest"] = save_model(best, run.model, metadata)
        write_json(self.folder / "run.json", about)
        finished = read_run(self.folder)
        assert finished is not None
        return finished


def _check_enough(source: str, places: int, recipe: Recipe, devices: int) -> None:
    needed = recipe.places_per_batch * devices
    if places < needed:
        raise VgbenchError(
            f"{source} has {places:,} places, a batch takes {needed:,}. Take fewer: "
            f"--set data.places_per_batch={places // devices}"
        )


def _same_run(before: Run, identity: Mapping[str, Any]) -> None:
    """Refuse to continue another run."""
    now = dict(identity) | identity["values"]
    then = dict(before.about) | dict(before.about.get("values", {}))
    lines = [
        f"{key}: {then.get(key)!r} there, {value!r} now"
        for key, value in now.items()
        if key not in ("values", "recipe", "title", "table") and then.get(key) != value
    ]
    if lines:
        raise VgbenchError(
            f"{before.folder} holds another run:\n{first_ten(lines, 'differences')}\n"
            "Name another folder (-o), or delete this one."
        )


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    packages = ("torch", "torchvision", "lightning", "pytorch-metric-learning", "numpy", "pillow")
    found = {package: version(package) for package in packages}
    return {"vgbench": __version__, "python": platform.python_version(), **found}


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep advertisements and advice for beginners off the terminal; errors still come through."""
    loggers = [logging.getLogger(n) for n in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            warnings.filterwarnings("ignore", message=".*isinstance.treespec.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
