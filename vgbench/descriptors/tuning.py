"""Choosing how to run a network on this machine, by trying a few ways on the images themselves.

What is fast differs between machines, networks and image sizes: one batch on all cores or one image
per core, channels-last or not. Measuring stops after a second, or after a twentieth of the work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vgbench.descriptors.engine import Choice, Engine, descriptors_of, in_streams

MEASURE_SECONDS = 1.0
MEASURE_SHARE = 0.05

WORTHWHILE = 1.05
"""A choice replaces the first one only when it is this much faster: less is noise."""

WORTHWHILE_BFLOAT16 = 1.2
SAFE_COSINE = 0.999
"""precision="auto" takes bfloat16 only when it is clearly faster and the descriptors keep this
cosine with float32."""

MOST_STREAMS = 32
"""Each stream holds the activations of a batch; this bounds memory on large machines."""


@dataclass(frozen=True)
class Tuned:
    """The choice taken, and images per second of each way that was measured."""

    choice: Choice
    measured: dict[str, float]


def choices(
    cores: int, device: str, parallel: bool, channels_last: bool, batch: int | None
) -> list[Choice]:
    """List ways to run a network, the one that is usually best first.

    >>> [str(choice) for choice in choices(2, "cpu", True, True, None)][:2]
    ['2x1 threads, batch 1, channels-last, float32', '1x2 threads, batch 1, channels-last, float32']
    >>> len(choices(2, "cpu", parallel=False, channels_last=False, batch=4))
    1
    """
    batches: tuple[int, ...]
    if device != "cpu":
        splits, batches = [(1, cores)], (16, 4, 64)
    else:
        streams = min(cores, MOST_STREAMS) if parallel else 1
        splits = [(streams, cores // streams)]
        splits += [(cores // 4, 4)] if parallel and 2 <= cores // 4 <= MOST_STREAMS else []
        splits += [(1, cores)] if streams > 1 else []
        # Small batches stay in the cache: on a CPU one to four images beat 32 at any size.
        batches = (1, 4, 2, 8)
    sizes = batches if batch is None else (batch,)
    found = [Choice(*split, size, channels_last) for size in sizes for split in splits]
    if channels_last:
        found.insert(min(3, len(found)), replace(found[0], channels_last=False))
    return found


def tune(
    engine: Engine,
    samples: Sequence[Tensor],
    images: int,
    precision: str = "float32",
    batch: int | None = None,
) -> Tuned:
    """Measure the choices and take the fastest.

    Parameters
    ----------
    engine
        The network.
    samples
        Some of the images, each normalised (1, 3, H, W) on the device, all of one size.
    images
        How many there are to describe in all, which bounds the time spent here.
    precision
        One of `PRECISIONS`, or "auto".
    batch
        Images per batch, or None to choose.
    """
    ways = choices(
        torch.get_num_threads(), engine.device.type, engine.parallel, engine.channels_last, batch
    )
    if precision != "auto":
        ways = [replace(way, precision=precision) for way in ways]
    started = time.perf_counter()
    first = _rate(engine, ways[0], samples, rounds=1)  # cold, so rather an underestimate
    budget = min(MEASURE_SECONDS, MEASURE_SHARE * images / first)
    measured: dict[Choice, float] = {}
    for way in ways:
        expected = 3 * way.streams * way.batch / first
        if time.perf_counter() - started + expected > budget:
            if way == ways[0]:
                break  # with nothing to compare with, the first choice stands
            continue
        with suppress(torch.OutOfMemoryError):  # a batch that does not fit is no choice
            _rate(engine, way, samples, rounds=1)  # copies weights, sets up kernels: not counted
            measured[way] = _rate(engine, way, samples, rounds=2)
    best = _fastest(ways[0], measured)
    if precision == "auto":
        best = _perhaps_bfloat16(engine, best, samples, measured)
    engine.forget_variants()
    return Tuned(best, {str(way): round(rate, 1) for way, rate in measured.items()})


def _fastest(default: Choice, measured: dict[Choice, float]) -> Choice:
    best = max(measured, key=lambda way: measured[way], default=default)
    return best if best in measured and measured[best] > WORTHWHILE * measured[default] else default


def _perhaps_bfloat16(
    engine: Engine, best: Choice, samples: Sequence[Tensor], measured: dict[Choice, float]
) -> Choice:
    lower = replace(best, precision="bfloat16")
    try:
        with torch.inference_mode():
            a = descriptors_of(engine.run(samples[0], best), 1)
            b = descriptors_of(engine.run(samples[0], lower), 1)
        if best not in measured:
            measured[best] = _rate(engine, best, samples, rounds=2)
        _rate(engine, lower, samples, rounds=1)
        measured[lower] = _rate(engine, lower, samples, rounds=2)
    except Exception:  # not every layer and device has bfloat16
        return best
    close = float(torch.nn.functional.cosine_similarity(a, b).min()) >= SAFE_COSINE
    return lower if close and measured[lower] > WORTHWHILE_BFLOAT16 * measured[best] else best


def _rate(engine: Engine, choice: Choice, samples: Sequence[Tensor], rounds: int) -> float:
    """Measure images per second over `rounds` batches on every stream."""
    batch = torch.cat([samples[i % len(samples)] for i in range(choice.batch)])

    def work() -> None:
        for _ in range(rounds):
            _finish(engine.run(batch, choice))

    started = time.perf_counter()
    in_streams(choice, work, threading.Event())
    return choice.streams * choice.batch * rounds / (time.perf_counter() - started)


def _finish(output: object) -> None:
    """Wait for a device that computes on while Python goes ahead."""
    if isinstance(output, (tuple, list)):
        output = output[0]
    if isinstance(output, Tensor) and output.device.type != "cpu":
        output.to("cpu")
