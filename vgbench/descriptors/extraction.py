"""From images to descriptors: decode on threads, run the network, one row per image in C2 order."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vgbench.descriptors.classical import extract_classical
from vgbench.descriptors.engine import (
    PRECISIONS,
    Choice,
    Engine,
    WrongOutputError,
    descriptors_of,
    in_streams,
    undisturbed,
)
from vgbench.descriptors.extracted import Extraction, range_of_sizes
from vgbench.descriptors.images import ResizeRule
from vgbench.descriptors.storage import Rows, storage
from vgbench.descriptors.tuning import tune
from vgbench.descriptors.work import Work
from vgbench.errors import ModelError, UsageError, VgbenchError, first_ten
from vgbench.kept_memory import kept_memory
from vgbench.models.classical import ClassicalModel
from vgbench.models.loading import LoadedModel
from vgbench.progress import note
from vgbench.progress import progress as progress_bar

if TYPE_CHECKING:
    from vgbench.datasets import Dataset

__all__ = ["Extraction", "choose_device", "extract"]

Decoded = tuple[list[int], list[NDArray[np.uint8]]]

SAMPLES = 8
"""Images on which the ways to run the network are compared."""

MOST_DECODERS = 16


def extract(
    model: LoadedModel | ClassicalModel | nn.Module | Callable[[Tensor], Any],
    dataset: Dataset,
    *,
    resize: int | tuple[int, int] | None = None,
    device: str = "auto",
    precision: str = "float32",
    batch: int | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Extraction:
    """Describe every image of a dataset split.

    Parameters
    ----------
    model
        A value of `load_model` or `classical_model`, any torch module, or any function. It takes
        float images (B, 3, H, W), RGB with ImageNet normalisation, and returns a tensor (B, D), or
        a tuple that begins with one. A module is used in evaluation mode and left as it was.
    dataset
        The split. That its images are those of its manifest is checked first.
    resize
        None keeps each image's own size; an int is the shorter side; a pair is height and width.
    device
        "auto", "cpu", "cuda", "cuda:1", "mps", …; auto takes an accelerator where there is one,
        except for a plain function, which gets its images on the CPU.
    precision
        "float32"; "bfloat16" or "float16" for the convolutions of vgbench's own networks and for
        the whole of other modules; "auto" measures whether bfloat16 pays. Descriptors are float32.
    batch
        Images per batch; None chooses. Models whose descriptors depend on the other images of the
        batch get one image at a time unless this says otherwise.
    out
        A .npy file to hold the array, which then need not fit into memory; it appears when it is
        complete. The descriptors returned are a read-only map of it.
    progress
        Show a progress bar on a terminal.

    Raises
    ------
    UsageError
        When an option has no such value, or the device is not there.
    DatasetChanged, ImageError
        When images differ from the manifest, or do not decode.
    ModelError
        When the model fails, or returns the wrong shape, NaN or infinity; names the images.
    VgbenchError
        When `out` cannot be written.
    """
    if isinstance(model, ClassicalModel):
        return extract_classical(
            model,
            dataset,
            resize=resize,
            device=device,
            precision=precision,
            out=out,
            progress=progress,
        )
    started = time.perf_counter()
    rule = ResizeRule.of(resize)
    if precision not in (*PRECISIONS, "auto"):
        known = ", ".join((*PRECISIONS, "auto"))
        raise UsageError(f"Unknown precision {precision!r}: choose one of {known}.")
    if batch is not None and batch < 1:
        raise UsageError(f"A batch holds at least one image, not {batch}.")
    network = model.module if isinstance(model, LoadedModel) else model
    place = choose_device(device, is_module=isinstance(network, nn.Module))
    dataset.check_unchanged()
    work = Work(dataset, rule, place)
    with undisturbed(network), kept_memory():
        engine = Engine(network, place)
        rows = work.samples(SAMPLES)
        samples = [work.tensor(work.decode([row])) for row in rows]
        with torch.inference_mode(), _explained(work, rows[:2]):
            pair = samples[:2] if len(samples) > 1 else [samples[0], samples[0].flip(-1)]
            engine.check(pair)
            mixes = engine.mixes_images(pair)
            if mixes and batch is None:
                batch = 1
                note(
                    "This model's descriptors depend on the other images of a batch; it is given "
                    "one image at a time."
                )
            tuned = tune(engine, samples, len(work.names), precision, batch)
        del samples, pair
        setup = time.perf_counter() - started
        bar = progress_bar(f"Describing {dataset.id}", len(work.names)) if progress else None
        with storage(out, len(work.names)) as stored, bar or nullcontext(_silent) as advance:
            clock = _describe_all(work, engine, tuned.choice, stored, advance)
    settings = {
        "batch": tuned.choice.batch,
        "streams": tuned.choice.streams,
        "threads_per_stream": tuned.choice.threads,
        "channels_last": tuned.choice.channels_last,
        "precision": tuned.choice.precision,
        "folded_batch_norms": engine.folded,
        "batch_dependent": mixes,
        "images_per_second_measured": tuned.measured,
    }
    seconds = {"extraction": time.perf_counter() - started, "setup": setup, **clock}
    return Extraction(
        descriptors=stored.array if out is None else np.load(out, mmap_mode="r"),
        device=_device_name(place),
        seconds=seconds,
        settings=settings,
        resize=str(rule),
        image_size=range_of_sizes(work.sizes),
        image_sizes=work.sizes,
    )


def choose_device(device: str, is_module: bool = True) -> torch.device:
    """Find the torch device of a name.

    Raises
    ------
    UsageError
        When there is no such device on this machine.
    """
    if device == "auto":
        if is_module and torch.cuda.is_available():
            return torch.device("cuda")
        if is_module and torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    try:
        place = torch.device(device)
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(
            f"The device {device!r} cannot be used: {reason}. Choose auto, cpu, cuda or mps."
        ) from error
    return place


@dataclass
class _Clock:
    """Seconds by what they were spent on, summed over threads."""

    decode: float = 0.0
    decode_wait: float = 0.0
    forward: float = 0.0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def add(self, **seconds: float) -> None:
        with self._lock:
            for name, value in seconds.items():
                setattr(self, name, getattr(self, name) + value)


def _describe_all(
    work: Work, engine: Engine, choice: Choice, stored: Rows, advance: Callable[[int], None]
) -> dict[str, float]:
    clock = _Clock()
    stop = threading.Event()
    taking = threading.Lock()
    batches = iter(work.batches(choice.batch))

    def decode(rows: list[int]) -> list[NDArray[np.uint8]]:
        started = time.perf_counter()
        images = work.decode(rows)
        clock.add(decode=time.perf_counter() - started)
        return images

    def inline() -> Iterator[Decoded]:
        # Several streams keep every core busy, each decoding what it will describe.
        while not stop.is_set():
            with taking:
                rows = next(batches, None)
            if rows is None:
                return
            yield rows, decode(rows)

    def stream() -> None:
        source = inline() if choice.streams > 1 else _ahead(batches, decode, _decoders(engine))
        while True:
            waiting = time.perf_counter()
            item = next(source, None)
            if item is None:
                return
            rows, images = item
            started = time.perf_counter()
            with _explained(work, rows):
                output = descriptors_of(engine.run(work.tensor(images), choice), len(rows))
            values = _checked(output, work, rows)
            clock.add(decode_wait=started - waiting, forward=time.perf_counter() - started)
            stored.write(rows, values)
            advance(len(rows))

    in_streams(choice, stream, stop)
    return {"decode": clock.decode, "decode_wait": clock.decode_wait, "forward": clock.forward}


def _ahead(
    batches: Iterator[list[int]],
    decode: Callable[[list[int]], list[NDArray[np.uint8]]],
    decoders: int,
) -> Iterator[Decoded]:
    """Decode a few batches ahead of the one in use, on threads, in order."""
    with ThreadPoolExecutor(decoders, thread_name_prefix="decode") as pool:
        pending: deque[tuple[list[int], Future[list[NDArray[np.uint8]]]]] = deque()
        try:
            for rows in batches:
                pending.append((rows, pool.submit(decode, rows)))
                if len(pending) > decoders + 1:
                    ready, images = pending.popleft()
                    yield ready, images.result()
            while pending:
                ready, images = pending.popleft()
                yield ready, images.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _decoders(engine: Engine) -> int:
    cores = os.cpu_count() or 1
    # On a CPU the network needs the cores, and decoding is a few percent of its work.
    return min(cores, MOST_DECODERS) if engine.device.type != "cpu" else max(1, cores // 8)


@contextmanager
def _explained(work: Work, rows: Sequence[int]) -> Iterator[None]:
    """Turn whatever a model raises into a `ModelError` that names the images."""
    try:
        yield
    except VgbenchError:
        raise
    except Exception as error:  # a model is anybody's code
        names = first_ten([f"{work.names[row]} ({_size(work.sizes[row])})" for row in rows])
        if isinstance(error, WrongOutputError):
            raise ModelError(f"{error} The images:\n{names}") from error
        reason = str(error).strip() or type(error).__name__
        memory = isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(
            phrase in reason.lower()
            for phrase in ("out of memory", "not enough memory", "allocate")
        )
        hint = (
            "There was not enough memory: try a smaller size (resize, --resize), batch=1, "
            "precision bfloat16, or device cpu."
            if memory
            else "If it takes images of certain sizes only, resize them (resize, --resize H W)."
        )
        raise ModelError(
            f"The model failed with {type(error).__name__}: {reason[:1000]}\nwhile describing\n"
            f"{names}\n{hint}"
        ) from error


def _checked(output: Tensor, work: Work, rows: Sequence[int]) -> NDArray[np.float32]:
    values: NDArray[np.float32] = output.numpy()
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        bad = [work.names[rows[i]] for i in np.flatnonzero(~finite).tolist()]
        raise ModelError(
            "The model returned NaN or infinity; a lower precision can be the cause, or weights of "
            f"a diverged training. The images:\n{first_ten(bad, 'images')}"
        )
    return values


def _silent(count: int) -> None:
    pass


def _size(size: NDArray[np.int32]) -> str:
    return f"{size[0]}x{size[1]}"


def _device_name(place: torch.device) -> str:
    if place.type == "cuda":
        return f"{place.type}: {torch.cuda.get_device_name(place)}"
    return place.type
