"""Where training images come from, and what the recall is measured on meanwhile."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from vgbench.datasets import Dataset, load_dataset
from vgbench.datasets.layout import find_layout
from vgbench.datasets.loading import is_installed
from vgbench.datasets.manifest_file import MANIFEST, read_manifest
from vgbench.datasets.registry import load_registry
from vgbench.durable import atomic_folder
from vgbench.errors import DatasetError, DatasetNotFound, UsageError
from vgbench.places import data_root as place_of_data
from vgbench.progress import note, progress

DEMO = "demo-city"
WITHOUT = "none"
"""As the validation: train without one, and keep the last epoch."""

STUDYS_VALIDATION = {"gsv-xs": "sf-xs/val"}
"""Training sets without a validation split of their own → what the study validated on."""


@dataclass(frozen=True)
class TrainingData:
    """Training images, and the split to validate on.

    `name` is what a model card says; `folder` holds the images; `validation` is None without one.
    """

    name: str
    folder: Path
    validation: Dataset | None


def find_training_data(
    data: str | os.PathLike[str],
    validation: str | os.PathLike[str] | Dataset | None = None,
    *,
    drawn_places: int = 1500,
    data_root: str | os.PathLike[str] | None = None,
) -> TrainingData:
    """Find the training images of a dataset or a folder; demo-city's are drawn when first used.

    Parameters
    ----------
    data
        An installed dataset with a train split (``"gsv-xs"``), ``"demo-city"``, or a folder: of
        images with place ids in their names, or with ``train/`` in it.
    validation
        A dataset or folder to measure recall on after each epoch, or ``"none"``. By default the
        dataset's own val split; with gsv-xs, sf-xs/val, as in the study.
    drawn_places
        How many places of demo-city to draw, eight images each.

    Raises
    ------
    DatasetNotFound
        When there is no such dataset or folder.
    DatasetError
        When it has no training images.
    UsageError
        When it is not clear what to validate on.
    """
    root = place_of_data(data_root)
    text = os.fspath(data)
    if text == DEMO:
        name, folder = f"{DEMO} train, {drawn_places:,} places", _drawn(root, drawn_places)
        own: str | Path | None = f"{DEMO}/val"
    elif "/" not in text and (text in load_registry() or is_installed(text, root)):
        name, (folder, own) = f"{text} train", _installed(text, root)
    else:
        folder = Path(text).expanduser().resolve()
        if not folder.is_dir():
            raise DatasetNotFound(
                f"There is no dataset and no folder {text!r} to train on. Give demo-city, gsv-xs, "
                "or a folder of images with place ids in their names."
            )
        name, (folder, own) = folder.name, _given(folder)
    chosen = validation if validation is not None else own
    if isinstance(chosen, Dataset):
        return TrainingData(name, folder, chosen)
    if chosen is None:
        raise UsageError(
            f"{text} has no validation split of its own: name a dataset or folder to measure "
            f"recall on after each epoch (--validation sf-xs/val), or go without (--validation "
            f"{WITHOUT})."
        )
    if chosen == WITHOUT:
        return TrainingData(name, folder, None)
    return TrainingData(name, folder, load_dataset(chosen, data_root=root))


def _drawn(root: Path, places: int) -> Path:
    from vgbench.demo_city.generation import GENERATOR, generate

    folder = root / ".drawn" / f"{DEMO}-{GENERATOR}-{places}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # two runs that start together draw it once
        if not folder.is_dir():
            note(f"Drawing {places:,} places of demo-city, eight images each, into {folder}.")
            drawn = 0

            def so_far(done: int, total: int) -> None:
                nonlocal drawn
                advance(done - drawn)
                drawn = done

            with atomic_folder(folder) as unfinished, progress("Drawing", 8 * places) as advance:
                try:
                    generate(unfinished, ["train"], places, progress=so_far)
                except ValueError as error:
                    raise UsageError(f"data.drawn_places: {error}.") from error
    return folder / "train"


def _installed(name: str, root: Path) -> tuple[Path, str | None]:
    if not is_installed(name, root):
        raise DatasetNotFound(
            f"{name} is not installed in {root}. {load_registry()[name].how_to_get}"
        )
    splits = read_manifest(root / name / MANIFEST).splits
    if "train" not in splits or "train" not in splits["train"].folders:
        raise DatasetError(f"{name} has no training images, only {', '.join(splits)}.")
    own = f"{name}/val" if "val" in splits else STUDYS_VALIDATION.get(name)
    return root / name / splits["train"].folders["train"], own


def _given(folder: Path) -> tuple[Path, Path | None]:
    try:
        layout = find_layout(folder)
    except DatasetError:  # then it simply holds the images
        layout = {}
    train = layout.get("train", {}).get("train")
    if train is not None:
        val = layout.get("val", {}).get("database")
        return train, val.parent if val else None
    beside = folder.parent / "val"  # CITY/train, as the generator leaves it
    has_own = folder.name == "train" and (beside / "queries").is_dir()
    return folder, beside if has_own else None
