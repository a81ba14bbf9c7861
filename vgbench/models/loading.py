"""Loading a model: every parameter in the file meets one in the network, or there is an error."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from vgbench.errors import ModelError, first_ten
from vgbench.models.architectures import Architecture, build, parse_architecture
from vgbench.models.checkpoints import Checkpoint, read_checkpoint
from vgbench.models.classical import CLASSICAL
from vgbench.models.included import REFERENCE, reference_file
from vgbench.models.networks import DescriptorNetwork
from vgbench.models.recognition import layout_of, recognise

_COUNTER = ".num_batches_tracked"

_EXPONENTS = ("pooling.p", "aggregation.1.p")
"""What GeM's exponent is called in the study's networks and in those of CosPlace."""

POOLINGS = ("gem", "avg")


@dataclass(frozen=True)
class LoadedModel:
    """A network with its weights, ready to describe images.

    Attributes
    ----------
    module
        In evaluation mode, float32, on the CPU: float (B, 3, H, W) normalised RGB → (B, D).
    architecture
        The canonical architecture string; after another pooling was asked for, followed by
        "(trained with gem)".
    dimension
        Length D of a descriptor.
    parameters
        Number of learnable values.
    digest
        SHA-256 of the weights file, in hexadecimal.
    source
        The weights file; for untrained weights a name that says so.
    is_reference
        Whether this is the model that comes with the package, as it was trained.
    metadata
        What a safetensors file says of itself, such as "method", "training_data" and "licence".
    """

    module: DescriptorNetwork
    architecture: str
    dimension: int
    parameters: int
    digest: str
    source: Path
    is_reference: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


def load_model(
    model: str | Path, arch: str | None = None, pooling: str | None = None
) -> LoadedModel:
    """Load a checkpoint safely and completely.

    Parameters
    ----------
    model
        Path of a safetensors file or of a state dictionary written by `torch.save` (plain,
        Lightning or under ``model_state_dict``), or ``"reference"`` for the model in the package.
        For a file of that name write ``./reference``.
    arch
        The architecture string. Without it, the one in the file's own metadata is taken, else it is
        recognised from the tensors.
    pooling
        ``"avg"`` or ``"gem"``, to pool in another way than the weights were trained with. The file
        must still fit the architecture that it was trained as; then the pooling is exchanged, which
        leaves GeM's exponent out or starts one at 3, and `architecture` says so.

    Raises
    ------
    ModelError
        When the file cannot be read without running code, is damaged, or does not fit the
        architecture exactly: no parameter is dropped and none is invented.
    """
    if str(model) in CLASSICAL:
        raise ModelError(
            f"{model} is a classical baseline and has no weights to load: give its name to "
            "evaluate or extract as it is (vgbench.models.classical.classical_model in Python). "
            f"For a file of that name write ./{model}."
        )
    is_reference = str(model) == REFERENCE
    path = reference_path() if is_reference else Path(model)
    checkpoint = read_checkpoint(path)
    architecture = _choose(arch, checkpoint, path)
    with torch.device("meta"):  # no memory and no random numbers for weights about to be replaced
        network = build(architecture)
    state = _fit(checkpoint.tensors, network.state_dict(), architecture, path)
    network.load_state_dict(state, strict=True, assign=True)
    spelled = str(architecture)
    if pooling is not None and pooling != architecture.pooling:
        network, spelled = _with_pooling(network, pooling)
        is_reference = False  # other predictions than those of the model that was trained
    return LoadedModel(
        module=network.eval(),
        architecture=spelled,
        dimension=architecture.dimension,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        digest=checkpoint.digest,
        source=path,
        is_reference=is_reference,
        metadata=checkpoint.metadata,
    )


def reference_path() -> Path:
    """Find the reference weights in the installed package.

    Raises
    ------
    ModelError
        When the package was installed without them.
    """
    path = reference_file()
    if not path.is_file():
        raise ModelError(
            f"The reference model is not in this installation ({path} is missing). Reinstall "
            "vgbench from a complete copy, or give the path of a checkpoint of your own."
        )
    return path


def _with_pooling(network: DescriptorNetwork, pooling: str) -> tuple[DescriptorNetwork, str]:
    """Exchange the pooling of a complete network; all other parameters stay."""
    if pooling not in POOLINGS:
        raise ModelError(f"There is no pooling {pooling!r}: choose {' or '.join(POOLINGS)}.")
    trained = network.architecture
    exchanged = build(replace(trained, pooling=pooling))
    state = network.state_dict()
    wanted = exchanged.state_dict()
    exponent = wanted.keys() ^ state.keys()
    start = {key: wanted[key] for key in exponent & wanted.keys()}
    kept = {key: value for key, value in state.items() if key not in exponent}
    exchanged.load_state_dict(kept | start, strict=True, assign=True)
    began = "".join(f", p = {value.item():g} not trained" for value in start.values())
    return exchanged, f"{exchanged.architecture} (trained with {trained.pooling}{began})"


def _choose(arch: str | None, checkpoint: Checkpoint, path: Path) -> Architecture:
    """Settle on one architecture: as asked, as the file states, as its tensors look."""
    stated = checkpoint.metadata.get("architecture")
    asked = parse_architecture(arch) if arch is not None else None
    if stated is None:
        return asked if asked is not None else recognise(checkpoint.tensors, path)
    try:
        written = parse_architecture(stated)
    except ModelError as error:
        raise ModelError(f"The metadata of {path} cannot be used. {error}") from error
    if asked is not None and asked != written:
        raise ModelError(
            f"{path} says that its architecture is {written}, but {asked} was asked for. Leave "
            "the architecture out to use the file's."
            + (_on_purpose(asked) if replace(asked, pooling=written.pooling) == written else "")
        )
    return written


def _fit(
    found: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    architecture: Architecture,
    path: Path,
) -> dict[str, Tensor]:
    """Give `found` as float32 for the network whose state is `wanted`; all must match."""
    # BatchNorm counts its training batches only to average with momentum=None, which none of these
    # networks does; torch before 0.4.1 and several converters do not write the counter.
    missing = [key for key in wanted if key not in found and not key.endswith(_COUNTER)]
    unexpected = [key for key in found if key not in wanted]
    state = {key: torch.zeros((), dtype=torch.int64) for key in wanted if key.endswith(_COUNTER)}
    misshapen, unusable = [], []
    for key in wanted.keys() & found.keys():
        tensor, shape = found[key], tuple(wanted[key].shape)
        if tensor.numel() == 1 and shape in ((), (1,)):
            tensor = tensor.reshape(shape)  # a single value is saved either way; nothing changes
        if tuple(tensor.shape) != shape:
            misshapen.append(f"{key}: {tuple(tensor.shape)} in the file, {shape} in the network")
        elif reason := _unusable(key, tensor):
            unusable.append(f"{key}: {reason}")
        else:
            state[key] = tensor.to(wanted[key].dtype)
    if missing or unexpected or misshapen:
        raise ModelError(
            _mismatch(found, wanted, missing, unexpected, sorted(misshapen), architecture, path)
        )
    if unusable:
        raise ModelError(
            f"{path} holds weights that cannot be used:\n{first_ten(sorted(unusable), 'tensors')}\n"
            "The training probably diverged: take an earlier checkpoint."
        )
    return state


def _unusable(key: str, tensor: Tensor) -> str | None:
    if key.endswith(_COUNTER):
        return None
    if tensor.layout != torch.strided or tensor.is_quantized or not tensor.is_floating_point():
        return f"{str(tensor.dtype).removeprefix('torch.')} instead of floating point"
    wrong = int((~torch.isfinite(tensor.float())).sum())
    if wrong:
        return f"{wrong:,} of {tensor.numel():,} values are NaN or infinite"
    if key.endswith(".running_var") and bool((tensor < 0).any()):
        return "a variance below zero"
    return None


def _mismatch(
    found: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    missing: list[str],
    unexpected: list[str],
    misshapen: list[str],
    architecture: Architecture,
    path: Path,
) -> str:
    lines = [f"{path} does not fit the architecture {architecture}; nothing was loaded."]
    if len(missing) > len(wanted) // 2:
        lines.append(
            f"The file has {layout_of(found)}, the architecture has {layout_of(wanted)}: it is "
            "probably another network. Without --arch, vgbench tries to recognise it."
        )
    if missing:
        lines.append(f"Missing in the file ({len(missing)}):\n{first_ten(missing, 'names')}")
    if unexpected:
        lines.append(
            f"In the file, but not in the network ({len(unexpected)}):\n"
            f"{first_ten(unexpected, 'names')}"
        )
    if misshapen:
        lines.append(f"Of another shape ({len(misshapen)}):\n{first_ten(misshapen, 'names')}")
    if renamed := _near_misses(found, wanted, missing, unexpected):
        lines.append(f"Perhaps only renamed:\n{first_ten(renamed, 'names')}")
    exponents = [key for key in unexpected if key in _EXPONENTS]
    if exponents and exponents == unexpected and not missing and not misshapen:
        lines.append(f"The weights were trained with GeM.{_on_purpose(architecture)}")
    elif unexpected and not missing and not misshapen:
        lines.append(
            "If these belong to a loss or a classifier that only training needs, save the network "
            "without them:\n"
            f"    weights = {{k: v for k, v in state.items() if not k.startswith("
            f"{unexpected[0].partition('.')[0] + '.'!r})}}"
        )
    return "\n".join(lines)


def _on_purpose(asked: Architecture) -> str:
    return (
        " To pool in another way than they were trained with, on purpose, say so: "
        f"--pooling {asked.pooling} (pooling={asked.pooling!r}), without --arch."
    )


def _near_misses(
    found: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    missing: list[str],
    unexpected: list[str],
) -> list[str]:
    """Pair names that differ by a few letters and have the same shape: fc.weigth, fc.weight."""
    pairs = []
    free = list(unexpected)
    for name in missing[:50]:  # enough to see the pattern, cheap for a wholly different network
        shape = tuple(wanted[name].shape)
        alike = [other for other in free if tuple(found[other].shape) == shape]
        if match := difflib.get_close_matches(name, alike, n=1, cutoff=0.8):
            pairs.append(f"{match[0]!r} in the file ↔ {name!r} in the network")
            free.remove(match[0])
    return pairs
