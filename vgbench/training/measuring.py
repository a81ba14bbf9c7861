"""Choosing precision and memory layout for training on this machine, by trying them for a moment.

bfloat16 quadruples some processors and is five times slower on others; channels-last pays on most
and not on all. So forward and backward of a few images are timed in each way, and the way is kept
with the run and for the machine, since another way would give other weights.
"""

from __future__ import annotations

import copy
import hashlib
import json
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vgbench.descriptors.images import normalise
from vgbench.durable import atomic_write
from vgbench.errors import VgbenchError
from vgbench.training.recipe_keys import CHANNELS_LAST

IMAGES = 16
"""Enough to fill the cores, few enough for a second."""

ROUNDS = 3

WORTHWHILE = 1.05
"""A way replaces the plain one only when it is this much faster: less is noise."""

DTYPES = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
LIGHTNING = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}


@dataclass(frozen=True)
class Way:
    """How the network trains: precision of the convolutions, and layout of images and weights."""

    precision: str
    channels_last: bool

    def __str__(self) -> str:
        """Say it in words.

        >>> str(Way("bfloat16", True))
        'bfloat16, channels-last'
        """
        return f"{self.precision}, {'channels-last' if self.channels_last else 'contiguous'}"


def choose_way(
    network: nn.Module,
    images: Tensor,
    device: torch.device,
    precision: str = "auto",
    layout: str = "auto",
    memory: Path | None = None,
) -> tuple[Way, dict[str, float]]:
    """Measure the ways that a recipe leaves open and take the fastest.

    Parameters
    ----------
    network
        Left as it is; a copy is measured.
    images
        uint8 (B, H, W, 3); the first 16 are used.
    precision, layout
        A recipe's: "auto" leaves it open; precision only on a CPU, on a GPU it is the study's
        float16.
    memory
        A JSON file where the choice is kept and found again: noise in the measurement must not let
        two runs of one seed end differently on one machine.

    Returns
    -------
    way, rates
        What was chosen, and images per second of every way that was measured.
    """
    precisions: tuple[str, ...] = (precision,)
    if precision == "auto":
        by_device = {"cpu": ("float32", "bfloat16"), "cuda": ("float16",)}
        precisions = by_device.get(device.type, ("float32",))
    layouts = [layout == CHANNELS_LAST] if layout != "auto" else [False, True]
    ways = [Way(one, channels_last) for one in precisions for channels_last in layouts]
    if len(ways) == 1:
        return ways[0], {}
    situation = _situation(network, images, device, ways)
    known = _read(memory)
    for way in ways:
        if str(way) == known.get(situation):
            return way, {}
    rates = _rates(network, images[:IMAGES], ways, device)
    plain = ways[0]
    best = max(rates, key=lambda way: rates[way], default=plain)
    if plain in rates and rates[best] < WORTHWHILE * rates[plain]:
        best = plain
    if memory is not None:
        with suppress(VgbenchError), atomic_write(memory) as file:
            file.write(json.dumps(known | {situation: str(best)}, indent=1).encode())
    return best, {str(way): round(rate, 1) for way, rate in rates.items()}


def in_layout(images: Tensor, way: Way) -> Tensor:
    """Normalise uint8 images (B, H, W, 3) to float32 (B, 3, H, W) in the layout of a way."""
    prepared = normalise(images)  # channels-last by the order of its input
    return prepared if way.channels_last else prepared.contiguous()


def _rates(
    network: nn.Module, images: Tensor, ways: list[Way], device: torch.device
) -> dict[Way, float]:
    """Images per second, forward and backward, of each way that works here."""
    seconds: dict[Way, list[float]] = {}
    for _ in range(1 + ROUNDS):  # by turns, so that a busy moment does not fall on one way alone
        for way in ways:
            with suppress(RuntimeError):  # a device may lack one of them, or the memory for it
                seconds.setdefault(way, []).append(_seconds(network, images, way, device))
    # The first round sets kernels up.
    return {way: len(images) / min(found[1:]) for way, found in seconds.items() if found[1:]}


def _seconds(network: nn.Module, images: Tensor, way: Way, device: torch.device) -> float:
    trial = copy.deepcopy(network).to(device).train()
    if way.channels_last:
        trial = trial.to(memory_format=torch.channels_last)
    batch = images.to(device)
    dtype = DTYPES[way.precision]
    finish: Callable[[], None] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    finish()
    started = time.perf_counter()
    with torch.autocast(device.type, dtype, enabled=dtype is not None):
        descriptors = trial(in_layout(batch, way))
    descriptors.float().square().mean().backward()
    finish()
    return time.perf_counter() - started


def _situation(network: nn.Module, images: Tensor, device: torch.device, ways: list[Way]) -> str:
    """Everything that the fastest way depends on, in words."""
    architecture = getattr(network, "architecture", type(network).__name__)
    chip = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    size = "x".join(map(str, images.shape[1:3]))
    threads = torch.get_num_threads()
    return (
        f"{architecture} at {size} on {device.type}, {chip}, {threads} threads, torch "
        f"{torch.__version__}: {'; '.join(map(str, ways))}"
    )


def _processor() -> str:
    """Name, model and abilities: virtual machines give all processors of a maker one name."""
    with suppress(OSError), Path("/proc/cpuinfo").open() as lines:
        about = dict(_field(line) for line in lines.read().split("\n\n")[0].splitlines())
        abilities = sorted(set(about.get("flags", about.get("Features", "")).split()))
        digest = hashlib.sha256(" ".join(abilities).encode()).hexdigest()[:8]
        numbers = "/".join(about.get(key, "") for key in ("cpu family", "model", "stepping"))
        return f"{about.get('model name', platform.machine())} {numbers} ({digest})"
    return platform.processor() or platform.machine()


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _read(memory: Path | None) -> dict[str, str]:
    with suppress(OSError, ValueError):
        found = json.loads(memory.read_text(encoding="utf-8")) if memory else {}
        return found if isinstance(found, dict) else {}
    return {}
