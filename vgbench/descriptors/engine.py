"""A network made ready to run fast on a device, and the streams of threads that feed it.

The caller's model is never changed: layouts, folded batch norm and precision go into copies, and
for modules that are not vgbench's own the copies are first held against the model as given.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vgbench.descriptors.folding import fold_batch_norm, has_hooks
from vgbench.errors import UsageError
from vgbench.models.networks import DescriptorNetwork

PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

SAME = 1e-4
"""Largest difference, relative to the largest value, between two ways to compute one descriptor in
float32 that still is rounding."""

Forward = Callable[[Tensor], Any]


class WrongOutputError(ValueError):
    """What a model returned is no (B, D) tensor; becomes a `ModelError` that names the images."""


@dataclass(frozen=True)
class Choice:
    """One way to run a network: `streams` batches at a time, each on `threads` threads.

    >>> print(Choice(streams=2, threads=1, batch=4, channels_last=True))
    2x1 threads, batch 4, channels-last, float32
    """

    streams: int
    threads: int
    batch: int
    channels_last: bool
    precision: str = "float32"

    def __str__(self) -> str:
        layout = "channels-last" if self.channels_last else "contiguous"
        return f"{self.streams}x{self.threads} threads, batch {self.batch}, {layout}, " + (
            self.precision
        )


class Engine:
    """Ways to run one model on one device.

    Attributes
    ----------
    device
        Where it runs.
    parallel
        Whether several threads may run it at once: true for a traced graph, which keeps no state.
    folded
        How many batch normalisations were folded into convolutions.
    channels_last
        Whether it takes images in that layout.
    own
        Whether it is a network of vgbench's own.
    """

    def __init__(self, model: nn.Module | Forward, device: torch.device) -> None:
        self.device = device
        self.own = isinstance(model, DescriptorNetwork)
        self.given = model
        self.parallel, self.folded, self.channels_last = False, 0, False
        self._variants: dict[tuple[bool, str], Forward] = {}
        self._making = threading.Lock()
        self._base: nn.Module | None = None
        if isinstance(model, nn.Module) and not has_hooks(model):
            # A hook may write into objects outside the module, which a copy would not share.
            try:
                self._base = copy.deepcopy(model).eval().requires_grad_(False).to(device)
            except Exception:  # copying runs the author's code
                self._base = None
        if self._base is not None:
            self.channels_last = True
            if (graph := fold_batch_norm(self._base)) is not None:
                self._base, self.folded = graph
                self.parallel = device.type == "cpu"

    def run(self, images: Tensor, choice: Choice) -> Any:
        """Run the network on normalised float32 images (B, 3, H, W) on the device."""
        layout = torch.channels_last if choice.channels_last else torch.contiguous_format
        images = images.to(dtype=PRECISIONS[choice.precision]).contiguous(memory_format=layout)
        return self._variant(choice.channels_last, choice.precision)(images)

    def check(self, samples: list[Tensor]) -> None:
        """Hold the copies against the model as given, and give up what does not agree.

        Two different images, each after the other, because a copy that reads what the original left
        behind would answer for the wrong one.
        """
        if self.own or self._base is None:
            return
        expected = [self._as_given(sample) for sample in samples]
        for layout in (True, False):
            try:
                outputs = [self._output(sample, layout) for sample in samples]
            except Exception:  # a model may insist on a layout, or not survive being copied
                outputs = []
            if len(outputs) == len(expected) and all(map(same, outputs, expected)):
                self.channels_last = layout
                return
        self._base, self._variants = None, {}
        self.parallel, self.folded, self.channels_last = False, 0, False

    def mixes_images(self, samples: list[Tensor]) -> bool:
        """Tell whether an image's descriptor depends on the others in its batch, as CricaVPR's do.

        A model that takes no batch of two counts as one.
        """
        if self.own:
            return False
        alone = torch.cat([self._output(sample, self.channels_last) for sample in samples])
        try:
            together = self._output(torch.cat(samples), self.channels_last)
        except RuntimeError:
            return True
        return not same(together, alone, tolerance=10 * SAME)

    def forget_variants(self) -> None:
        """Free the copies that measuring needed; the one in use is made again."""
        self._variants.clear()

    def _output(self, images: Tensor, channels_last: bool) -> Tensor:
        output = self.run(images, Choice(1, 1, len(images), channels_last))
        return descriptors_of(output, len(images))

    def _as_given(self, images: Tensor) -> Tensor:
        assert isinstance(self.given, nn.Module)
        parameter = next(self.given.parameters(), torch.empty(0))
        output = self.given(images.to(parameter.device).contiguous())
        return descriptors_of(output, len(images))

    def _variant(self, channels_last: bool, precision: str) -> Forward:
        key = (channels_last, precision)
        with self._making:  # streams that start together need one copy, not one each
            if key not in self._variants:
                self._variants[key] = self._make(channels_last, precision)
            return self._variants[key]

    def _make(self, channels_last: bool, precision: str) -> Forward:
        if self._base is None:
            if precision != "float32":
                raise UsageError(
                    f"precision={precision!r} needs a torch module that can be copied; a plain "
                    "function, or a module with hooks, runs in its own precision."
                )
            return self.given
        network = copy.deepcopy(self._base)
        if isinstance(self.given, DescriptorNetwork):  # its pooling and head stay in float32
            features = next(
                name for name, part in self.given.named_children() if part is self.given.features
            )
            network.get_submodule(features).to(PRECISIONS[precision])
        else:
            network.to(PRECISIONS[precision])
        return network.to(memory_format=torch.channels_last) if channels_last else network


def descriptors_of(output: Any, images: int) -> Tensor:
    """Take a model's output, or the first item of a tuple, to float32 (images, D) on the CPU.

    Raises
    ------
    WrongOutputError
        When it is not a tensor of that shape.
    """
    if isinstance(output, (tuple, list)) and output:
        output = output[0]
    if not isinstance(output, Tensor):
        try:
            output = torch.as_tensor(output)
        except (TypeError, ValueError, RuntimeError) as error:
            raise WrongOutputError(
                "The model should return a tensor of shape (images, dimension), or a tuple that "
                f"begins with one; it returned {type(output).__name__}."
            ) from error
    if output.ndim != 2 or output.shape[0] != images or output.shape[1] == 0:
        raise WrongOutputError(
            f"The model returned shape {tuple(output.shape)} for {images} image(s); "
            f"({images}, dimension) is expected."
        )
    descriptors: Tensor = output.detach().to("cpu", torch.float32)
    return descriptors


def same(a: Tensor, b: Tensor, tolerance: float = SAME) -> bool:
    """Tell whether two outputs are equal up to rounding."""
    if a.shape != b.shape:
        return False
    scale = float(b.abs().max()) if b.numel() else 0.0
    return bool((a - b).abs().max() <= tolerance * scale) if b.numel() else True


def in_streams(choice: Choice, work: Callable[[], None], stop: threading.Event) -> None:
    """Run `work` once per stream, each on its share of the cores, and wait for all.

    A single stream runs in the calling thread. The first error sets `stop`, which `work` is to
    look at between batches, and is raised when all streams have ended.
    """
    if choice.streams == 1:
        with torch.inference_mode():
            work()
        return
    errors: list[BaseException] = []
    before = torch.get_num_threads()

    def stream() -> None:
        # The number of OpenMP threads is a thread's own; MKL's is not, so it is set back below.
        torch.set_num_threads(choice.threads)
        try:
            with torch.inference_mode():  # also a thread's own
                work()
        except BaseException as error:
            errors.append(error)
            stop.set()

    threads = [threading.Thread(target=stream, daemon=True) for _ in range(choice.streams)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException:  # an interrupt: let the batches that run come to their end
        stop.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
        raise
    finally:
        torch.set_num_threads(before)
    if errors:
        raise errors[0]


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Put a module into evaluation mode and full float32 for a while, and back afterwards.

    TensorFloat-32 is on for convolutions by default and keeps 10 bits of 23: descriptors from it
    differ between graphics cards, so "float32" here means float32.
    """
    with ExitStack() as stack:
        if isinstance(model, nn.Module):
            for part in model.modules():
                stack.callback(setattr, part, "training", part.training)
            model.eval()
        if torch.cuda.is_available():
            backends: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
            for backend in backends:
                stack.callback(setattr, backend, "allow_tf32", backend.allow_tf32)
                backend.allow_tf32 = False
        yield
