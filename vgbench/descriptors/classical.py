"""From images to the descriptors of a classical baseline, on threads, without torch."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vgbench.datasets.headers import MAX_PIXELS, BrokenImageError
from vgbench.datasets.scanning import read_image_bytes
from vgbench.descriptors.extracted import Extraction, range_of_sizes
from vgbench.descriptors.storage import storage
from vgbench.errors import DatasetChanged, ImageError, UsageError
from vgbench.models.classical import ClassicalModel
from vgbench.progress import progress as progress_bar

if TYPE_CHECKING:
    from vgbench.datasets import Dataset

_PORTION = 8
"""Images that a thread takes at once."""


def extract_classical(
    model: ClassicalModel,
    dataset: Dataset,
    *,
    resize: int | tuple[int, int] | None = None,
    device: str = "auto",
    precision: str = "float32",
    threads: int | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Extraction:
    """Describe every image of a dataset split with a classical baseline.

    Parameters
    ----------
    model
        A value of `vgbench.models.classical.classical_model`.
    dataset
        The split. That its images are those of its manifest is checked first.
    resize, device, precision
        Must be left as they are (or say "cpu", "auto"): the baselines shrink images themselves, and
        compute on the processor.
    threads
        As many as processors when left out; descriptors are the same to the bit with any number.
    out
        A .npy file to hold the array; it appears when it is complete. The descriptors returned are
        a read-only map of it.
    progress
        Show a progress bar on a terminal.

    Raises
    ------
    UsageError
        When an option has another value.
    DatasetChanged, ImageError
        When images differ from the manifest, or do not decode.
    VgbenchError
        When `out` cannot be written.
    """
    started = time.perf_counter()
    _check_options(model, resize, device, precision, threads)
    dataset.check_unchanged()
    names = dataset.paths
    sizes = np.concatenate([dataset.database_sizes, dataset.query_sizes]).astype(np.int32)
    spent = {"decode": 0.0, "forward": 0.0}
    adding = threading.Lock()
    stop = threading.Event()

    def describe(rows: Sequence[int]) -> None:
        decoding = forward = 0.0
        values = []
        for row in rows:
            if stop.is_set():
                return
            began = time.perf_counter()
            path = dataset.image_path(names[row])
            image = _decode(path)
            if image.shape[:2] != tuple(sizes[row]):
                raise DatasetChanged(
                    f"The image {path} is {image.shape[0]}x{image.shape[1]} (height x width), but "
                    f"the manifest says {sizes[row][0]}x{sizes[row][1]}. Run "
                    f"`vgbench datasets verify {dataset.id} --deep`."
                )
            decoded = time.perf_counter()
            values.append(model.describe(image))
            decoding += decoded - began
            forward += time.perf_counter() - decoded
        stored.write(rows, np.stack(values))
        advance(len(rows))
        with adding:
            spent["decode"] += decoding
            spent["forward"] += forward

    workers = threads or os.cpu_count() or 1
    portions = [
        range(start, min(start + _PORTION, len(names))) for start in range(0, len(names), _PORTION)
    ]
    shown = len(names) if progress else 0
    with (
        storage(out, len(names)) as stored,
        progress_bar(f"Describing {dataset.id}", shown) as advance,
        ThreadPoolExecutor(workers, thread_name_prefix="describe") as pool,
    ):
        try:
            for _ in pool.map(describe, portions):
                pass
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return Extraction(
        descriptors=stored.array if out is None else np.load(out, mmap_mode="r"),
        device="cpu",
        seconds={"extraction": time.perf_counter() - started, **spent},
        settings={"threads": workers},
        resize="native size",
        image_size=range_of_sizes(sizes),
        image_sizes=sizes,
    )


def _check_options(
    model: ClassicalModel,
    resize: int | tuple[int, int] | None,
    device: str,
    precision: str,
    threads: int | None,
) -> None:
    if resize is not None:
        raise UsageError(
            f"{model.name} takes images as they are and shrinks them itself: leave the resizing "
            "out (resize, --resize)."
        )
    if device not in ("auto", "cpu"):
        raise UsageError(
            f"{model.name} computes on the processor: leave the device {device!r} out."
        )
    if precision not in ("auto", "float32"):
        raise UsageError(f"{model.name} has no network: leave the precision {precision!r} out.")
    if threads is not None and threads < 1:
        raise UsageError(f"At least one thread is needed, not {threads}.")


def _decode(path: Path) -> NDArray[np.uint8]:
    """Decode a JPEG or PNG file to RGB, uint8 (H, W, 3), without its EXIF orientation."""
    from PIL import Image, UnidentifiedImageError

    try:
        data, _ = read_image_bytes(path)
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BrokenImageError(f"holds more than the {MAX_PIXELS:,} pixels allowed")
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    except FileNotFoundError:
        raise ImageError(f"The image {path} is missing.") from None
    except BrokenImageError as error:
        raise ImageError(f"The image {path} {error}.") from error
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ImageError(f"The image {path} cannot be read: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ImageError(
            f"The image {path} does not decode ({error}). Copy it again, or leave it out of the "
            "dataset."
        ) from error
