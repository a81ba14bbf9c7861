"""Telling an architecture from the names and shapes of a checkpoint's tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from vgbench.errors import ModelError, first_ten
from vgbench.models.architectures import (
    CUTS,
    MAX_DIMENSION,
    RESNET_DEPTHS,
    Architecture,
)

_FIRST_STAGE = 4
"""layer1 is child 4 of a torchvision ResNet, after conv1, bn1, relu and maxpool."""

_BOTTLENECKS = ("resnet50", "resnet101", "resnet152")

_ELSEWHERE = """\
Networks of other shapes (SALAD, BoQ, MixVPR, MegaLoc, AnyLoc, …) are not built in: run them with
their own code, save the descriptors as .npy and use `vgbench submit`."""


def recognise(tensors: Mapping[str, Tensor], path: Path) -> Architecture:
    """Find the architecture whose parameters these are.

    Only the layout is read here, generously: whether every tensor fits is checked afterwards, so
    that a damaged checkpoint is reported by its odd tensors and not as "unknown".

    Parameters
    ----------
    tensors
        Named tensors, as `read_checkpoint` gives them.
    path
        Their file, for messages.

    Raises
    ------
    ModelError
        When the layout is not the study's nor that of CosPlace and EigenPlaces.
    """
    cosplace = any(name.startswith("aggregation.") for name in tensors)
    part = "backbone" if cosplace else "model"
    backbone, cut = _backbone(tensors, part)
    head = "aggregation.3" if cosplace else "fc"
    fc = _outputs(tensors, head)
    if backbone is None or fc is None:
        raise ModelError(_unknown(tensors, path, backbone is not None, head))
    if cosplace:
        return Architecture(backbone, cut, True, "gem", fc, True)
    pooling = "gem" if "pooling.p" in tensors else "avg"
    return Architecture(backbone, cut, False, pooling, fc, False)


def layout_of(tensors: Mapping[str, Tensor]) -> str:
    """Name the top-level parts of a checkpoint for messages: ``aggregation.*, backbone.*``."""
    return ", ".join(sorted({f"{name.partition('.')[0]}.*" for name in tensors})[:6])


def _backbone(tensors: Mapping[str, Tensor], part: str) -> tuple[str | None, str]:
    first = tensors.get(f"{part}.0.weight")
    if first is not None and tuple(first.shape) == (64, 3, 3, 3):
        return "vgg16", "features"
    pattern = re.compile(rf"{part}\.(\d+)\.(\d+)\.")
    blocks: dict[int, int] = {}
    for name in tensors:
        if match := pattern.match(name):
            stage, block = int(match[1]) - _FIRST_STAGE, int(match[2])
            if 0 <= stage < len(CUTS):
                blocks[stage] = max(blocks.get(stage, 0), block + 1)
    if not blocks:
        return None, ""
    last = max(blocks)
    depths = [blocks.get(stage, 0) for stage in range(last + 1)]
    bottleneck = any(re.match(rf"{part}\.\d+\.\d+\.conv3\.", name) for name in tensors)
    candidates = [name for name in RESNET_DEPTHS if (name in _BOTTLENECKS) == bottleneck]

    # The nearest depth, so that a checkpoint that lost a block is compared with the right network.
    # Cut after layer2, ResNet-50 and -101 are one and the same network: the first name is taken.
    def distance(name: str) -> int:
        return sum(abs(a - b) for a, b in zip(depths, RESNET_DEPTHS[name], strict=False))

    return min(candidates, key=distance), CUTS[last]


def _outputs(tensors: Mapping[str, Tensor], head: str) -> int | None:
    for name in (f"{head}.bias", f"{head}.weight"):
        tensor = tensors.get(name)
        if tensor is not None and tensor.ndim >= 1 and 1 <= tensor.shape[0] <= MAX_DIMENSION:
            return int(tensor.shape[0])
    return None


def _unknown(tensors: Mapping[str, Tensor], path: Path, has_backbone: bool, head: str) -> str:
    lines = [f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items()]
    if "conv1.weight" in tensors and "layer1.0.conv1.weight" in tensors:
        reason = (
            "these are the names of a torchvision classification network, which has no descriptor "
            "head"
        )
    elif any(name.startswith("aggregator.") for name in tensors):
        reason = "its aggregator is not one that vgbench builds"
    elif has_backbone:
        reason = (
            f"it has no {head}.weight and {head}.bias; if the network has no linear layer, say so "
            "with --arch, for example 'resnet18(layer2)+gem'"
        )
    else:
        reason = (
            "its names are neither the study's (model.*, pooling.p, fc.*) nor those of CosPlace "
            "and EigenPlaces (backbone.*, aggregation.*)"
        )
    return (
        f"The architecture of {path} is not recognised: {reason}. It holds:\n"
        f"{first_ten(lines, 'tensors')}\n{_ELSEWHERE}"
    )
