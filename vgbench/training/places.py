"""Training images by place: an item is a place with a few of its images, drawn at random.

Images are decoded once and kept as bytes in memory where they fit, since on few cores decoding them
again every epoch would cost as much as training on them does.
"""

from __future__ import annotations

import hashlib
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vgbench.datasets.layout import is_hidden, is_image
from vgbench.datasets.names import place_id
from vgbench.descriptors.images import read_image
from vgbench.errors import DatasetError, ImageError, first_ten
from vgbench.progress import progress

IMAGES_PER_PLACE = 4
"""Images drawn of a place for one item, as in the study (and in GSV-Cities)."""

START = "fork" if sys.platform == "linux" else "spawn"
"""How the processes that augment are started. Forked ones have all of the parent's memory at once;
elsewhere that is not safe."""

MEMORY_SHARE = 0.5
"""Decoded images may take this much of the memory that is free; else they are decoded each time."""


class Places(Dataset[Tensor]):
    """The places of a folder whose image names carry a place id, as GSV-XS has them.

    An item is a uint8 tensor (I, H, W, 3): I images of a place. Which ones, and how they are
    augmented, depends on `seed`, `epoch` and the place alone, whatever process makes the item.

    Parameters
    ----------
    folder
        Searched recursively for JPEG and PNG files, all of one size unless `size` is given; places
        with fewer than `images_per_place` are dropped.
    transform
        From a Pillow image to another of its size, using torch's random numbers.
    images_per_place
        I above.
    size
        (height, width) in pixels to resize to, bilinear and antialiased; None leaves the images.
    in_memory
        Whether to decode everything once, when the first image is asked for; None asks how much
        memory is free.
    sharers
        Processes on this machine that keep the images in memory, this one and others like it.
    silent
        Whether to decode without a progress bar.
    """

    def __init__(
        self,
        folder: Path,
        transform: Callable[[Image.Image], Image.Image],
        seed: int = 0,
        images_per_place: int = IMAGES_PER_PLACE,
        size: tuple[int, int] | None = None,
        in_memory: bool | None = None,
        sharers: int = 1,
        silent: bool = False,
    ) -> None:
        self.folder, self.per_place, self.size = folder, images_per_place, size
        grouped = _by_place(folder)
        kept = {place: paths for place, paths in grouped.items() if len(paths) >= images_per_place}
        if not kept:
            raise DatasetError(
                f"{folder} holds no place with at least {images_per_place} images. The place id is "
                f"the last field but one of a name, between '@'."
            )
        self.dropped = len(grouped) - len(kept)
        self.paths = [path for paths in kept.values() for path in paths]
        ends = np.cumsum([len(paths) for paths in kept.values()])
        self.places = [np.arange(*pair) for pair in zip([0, *ends[:-1]], ends, strict=True)]
        height, width = size or _size_of(self.paths[0])
        self.height, self.width = height, width
        needed = len(self.paths) * height * width * 3
        if in_memory is None:
            in_memory = sharers * needed <= MEMORY_SHARE * _free_memory()
        self.in_memory, self.silent = in_memory, silent
        self.transform, self.seed, self.epoch = transform, seed, 0

    def __len__(self) -> int:
        return len(self.places)

    @cached_property
    def images(self) -> Tensor | None:
        """All images decoded, uint8 (images, H, W, 3), or None where they are not kept."""
        if not self.in_memory:
            return None
        return _decode_all(self.paths, self._decode, self.height, self.width, self.silent)

    def __getitem__(self, item: int | tuple[int, int]) -> Tensor:
        epoch, place = item if isinstance(item, tuple) else (self.epoch, item)
        random = np.random.default_rng([self.seed, epoch, place])
        torch.manual_seed(int(random.integers(2**62)))
        chosen = random.choice(self.places[place], self.per_place, replace=False)
        # Pillow's operations take a tenth of the time of the same on tensors.
        images = [np.asarray(self.transform(Image.fromarray(self._image(i)))) for i in chosen]
        return torch.from_numpy(np.stack(images))

    def digest(self) -> str:
        """SHA-256 over names and sizes of the files, which tells one training set from another."""
        found = hashlib.sha256()
        for path in self.paths:
            name = path.relative_to(self.folder).as_posix()
            found.update(f"{name}\0{path.stat().st_size}\0".encode())
        return found.hexdigest()

    def batches(self, places: int, epoch: int, workers: int = 2) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch: images, uint8 (I × places, H, W, 3), and the place of each, int64.

        Every place comes once, in an order drawn from the seed and the epoch. An incomplete last
        batch is left out, since the losses compare places within a batch.
        """
        yield from self.loader(places, epoch, workers)

    def loader(
        self, places: int, epoch: int, workers: int = 2, rank: int = 0, ranks: int = 1
    ) -> DataLoader[Any]:
        """The batches of one epoch, as `batches` gives them, for one of several processes.

        Each of `ranks` processes gets the same number of batches of its own places. The epoch is an
        attribute of the loader's `sampler`: set it, and the loader goes on with another one in the
        same workers. Starting workers for each epoch would cost as much as a few batches, since
        every page of memory that is written after a fork is copied first.
        """
        self.epoch = epoch
        _ = self.images  # decoded here, so that workers find them
        mine = _Order(len(self), self.seed, epoch, rank, ranks, places)
        parallel: dict[str, Any] = {"num_workers": min(workers, max(1, len(mine) // places))}
        parallel["persistent_workers"] = workers > 0
        if workers:
            parallel["multiprocessing_context"] = START
        labels = torch.arange(places).repeat_interleave(self.per_place)
        return DataLoader(
            self,
            batch_size=places,
            sampler=mine,
            drop_last=True,
            collate_fn=partial(_collate, labels),
            worker_init_fn=_ignore_interrupts,
            **parallel,
        )

    def _image(self, index: int) -> NDArray[np.uint8]:
        if self.images is not None:
            image: NDArray[np.uint8] = self.images[index].numpy()
            return image
        return self._decode(self.paths[index])

    def _decode(self, path: Path) -> NDArray[np.uint8]:
        pixels = read_image(path)
        if self.size is not None and pixels.shape[:2] != self.size:
            resized = Image.fromarray(pixels).resize(
                (self.width, self.height), Image.Resampling.BILINEAR
            )
            return np.asarray(resized)
        if pixels.shape[:2] != (self.height, self.width):
            raise DatasetError(
                f"{path} has {pixels.shape[1]}×{pixels.shape[0]} pixels, the first image "
                f"{self.width}×{self.height}: training takes images of one size. Resize them: "
                f"--set data.image_size=[{self.height},{self.width}]"
            )
        return pixels


class _Order(torch.utils.data.Sampler[tuple[int, int]]):
    """Epoch and place of each item, in the order in which a process takes the places."""

    def __init__(
        self, places: int, seed: int, epoch: int, rank: int, ranks: int, per_batch: int
    ) -> None:
        self.places, self.seed, self.epoch = places, seed, epoch
        self.rank, self.ranks = rank, ranks
        self.own = places // (per_batch * ranks) * per_batch

    def __len__(self) -> int:
        return self.own

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch
        generator = torch.Generator().manual_seed(self.seed + 1000 * epoch)
        # A loader draws the seed of its workers first; kept so that the order is the one that the
        # included weights were trained in.
        torch.empty((), dtype=torch.int64).random_(generator=generator)
        order = torch.randperm(self.places, generator=generator).tolist()
        for place in order[self.rank : self.own * self.ranks : self.ranks]:
            yield epoch, place


def _ignore_interrupts(worker: int) -> None:
    """A terminal interrupts all processes; the one that trains ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _collate(labels: Tensor, items: list[Tensor]) -> tuple[Tensor, Tensor]:
    return torch.cat(items), labels


def _by_place(folder: Path) -> dict[str, list[Path]]:
    """Place → its images, both sorted; a place of one city is not that of another."""
    found: dict[str, list[Path]] = defaultdict(list)
    bad: list[str] = []
    for path in sorted(folder.rglob("*")):
        if not is_image(path.name) or any(map(is_hidden, path.relative_to(folder).parts)):
            continue
        try:
            found[f"{path.parent.name}/{place_id(path.name)}"].append(path)
        except ImageError:
            bad.append(path.relative_to(folder).as_posix())
    if bad:
        raise DatasetError(
            f"{len(bad):,} names in {folder} have no place id, the last field but one between "
            f"'@':\n{first_ten(bad, 'images')}"
        )
    return dict(sorted(found.items()))


def _size_of(path: Path) -> tuple[int, int]:
    height, width, _ = read_image(path).shape
    return height, width


def _free_memory() -> int:
    try:
        with Path("/proc/meminfo").open() as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if "MemAvailable" in line)
    except (OSError, StopIteration, ValueError):  # not Linux
        return 4 * 2**30


def _decode_all(
    paths: list[Path],
    decode: Callable[[Path], NDArray[np.uint8]],
    height: int,
    width: int,
    silent: bool = False,
) -> Tensor:
    """All images, uint8 (images, H, W, 3), in memory that workers read without a copy."""
    images = torch.empty((len(paths), height, width, 3), dtype=torch.uint8)
    if START != "fork":  # workers would each be sent a copy
        images.share_memory_()  # type: ignore[no-untyped-call]
    array = images.numpy()

    def fill(index: int) -> None:
        array[index] = decode(paths[index])
        advance(1)

    total = 0 if silent else len(paths)
    with progress("Decoding", total) as advance, ThreadPoolExecutor() as pool:
        list(pool.map(fill, range(len(paths))))
    return images
