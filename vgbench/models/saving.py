"""Writing a model's weights as safetensors, and making untrained models to compare with."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from vgbench.durable import atomic_write
from vgbench.errors import ModelError
from vgbench.models.architectures import build, parse_architecture
from vgbench.models.loading import LoadedModel
from vgbench.models.networks import DescriptorNetwork


def save_model(
    model: LoadedModel | nn.Module,
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> str:
    """Write a model's parameters and buffers to a safetensors file, whole or not at all.

    Parameters
    ----------
    model
        A loaded model or a module. The architecture string of vgbench's own networks is written
        into the metadata, and `load_model` reads it there.
    path
        The file; replaced when it exists.
    metadata
        Further text pairs for the file's header, for example what it was trained on.

    Returns
    -------
    str
        SHA-256 of the file, in hexadecimal.

    Raises
    ------
    ModelError
        When `metadata` contradicts the model's architecture, or holds anything but text.
    VgbenchError
        When the file cannot be written.
    """
    module = model.module if isinstance(model, LoadedModel) else model
    pairs = dict(metadata or {})
    wrong = [key for key, value in pairs.items() if not (isinstance(value, str) and key)]
    if wrong:
        raise ModelError(f"Metadata in a safetensors file is text; convert {wrong!r} to strings.")
    if isinstance(module, DescriptorNetwork):
        architecture = str(module.architecture)
        if pairs.setdefault("architecture", architecture) != architecture:
            raise ModelError(
                f"The metadata says {pairs['architecture']}, but the model is {architecture}."
            )
    content = _serialise(module, pairs)
    with atomic_write(path) as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


def untrained_model(arch: str, seed: int = 0) -> LoadedModel:
    """Make a model with random weights: the level that training has to beat.

    Parameters
    ----------
    arch
        The architecture string.
    seed
        Weights are a function of it (for one version of torch); torch's own generator is left as
        it was.

    Examples
    --------
    >>> model = untrained_model("resnet18(layer2)+gem+fc64")
    >>> model.dimension, str(model.source)
    (64, 'untrained resnet18(layer2)+gem+fc64, seed 0')
    """
    architecture = parse_architecture(arch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(architecture)
    digest = weights_digest(network, str(architecture))
    return LoadedModel(
        module=network,
        architecture=str(architecture),
        dimension=architecture.dimension,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        digest=digest,
        source=Path(f"untrained {architecture}, seed {seed}"),
    )


def weights_digest(network: nn.Module, architecture: str) -> str:
    """SHA-256 of the file that `save_model` would write of a network without further metadata."""
    return hashlib.sha256(_serialise(network, {"architecture": architecture})).hexdigest()


def _serialise(module: nn.Module, metadata: dict[str, str]) -> bytes:
    from safetensors.torch import save

    # Copies, because safetensors refuses tensors that share memory or are not contiguous.
    tensors: dict[str, Tensor] = {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in module.state_dict().items()
    }
    content: bytes = save(tensors)
    # The library writes metadata in a different order each time; ours is sorted, so that equal
    # weights make equal files and digests. Offsets count from the header's end, so it may grow.
    length = int.from_bytes(content[:8], "little")
    pairs = {"__metadata__": dict(sorted({"format": "pt", **metadata}.items()))}
    header = json.dumps(pairs | json.loads(content[8 : 8 + length]), separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]
