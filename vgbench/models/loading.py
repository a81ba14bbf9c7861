"""Loading a model: every parameter in the file meets one in the network, or there is an error."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from vgbench.errors import ModelError, first_ten
from vgbench.models.architectures import Architecture, build, parse_architecture
from vgbench.models.checkpoints import Checkpoint, read_checkpoint
from vgbench.models.included import REFERENCE, reference_file
from vgbench.models.networks import DescriptorNetwork
from vgbench.models.recognition import layout_of, recognise

_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True)
class LoadedModel:
    """A network with its weights, ready to describe images.

    Attributes
    ----------
    module
        In evaluation mode, float32, on the CPU: float (B, 3, H, W) normalised RGB → (B, D).
    architecture
        The canonical architecture string.
    dimension
        Length D of a descriptor.
    parameters
        Number of learnable values.
    digest
        SHA-256 of the weights file, in hexadecimal.
    source
        The weights file; for untrained weights a name that says so.
    is_reference
        Whether this is the model that comes with the package.
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


def load_model(model: str | Path, arch: str | None = None) -> LoadedModel:
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

    Raises
    ------
    ModelError
        When the file cannot be read without running code, is damaged, or does not fit the
        architecture exactly: no parameter is dropped and none is invented.
    """
    is_reference = str(model) == REFERENCE
    path = reference_path() if is_reference else Path(model)
    checkpoint = read_checkpoint(path)
    architecture = _choose(arch, checkpoint, path)
    with torch.device("meta"):  # no memory and no random numbers for weights about to be replaced
        network = build(architecture)
    state = _fit(checkpoint.tensors, network.state_dict(), str(architecture), path)
    network.load_state_dict(state, strict=True, assign=True)
    return LoadedModel(
        module=network.eval(),
        architecture=str(architecture),
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
        )
    return written


def _fit(
    found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], architecture: str, path: Path
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
    architecture: str,
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
    if unexpected and not missing and not misshapen:
        lines.append(
            "If these belong to a loss or a classifier that only training needs, save the network "
            "without them:\n"
            f"    weights = {{k: v for k, v in state.items() if not k.startswith("
            f"{unexpected[0].partition('.')[0] + '.'!r})}}"
        )
    return "\n".join(lines)


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
