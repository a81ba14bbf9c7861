"""Network architectures: the string that names one, and the network that the string stands for.

An architecture is written as it computes, from left to right, and has one spelling on the command
line, in the interface and in files::

    resnet18(layer2)+gem+fc512     the study: ResNet-18 cut after layer2, GeM, Linear(128, 512)
    resnet18(layer2)+avg+fc512     the study's base model: average pooling instead of GeM
    resnet18+l2+gem+fc512+l2       CosPlace and EigenPlaces: L2 per position, GeM, Linear, L2
    vgg16+l2+gem+fc512+l2          the same on VGG-16

This module holds the grammar and imports no torch; the layers are in `vgbench.models.networks`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vgbench.errors import ModelError

if TYPE_CHECKING:
    from vgbench.models.networks import DescriptorNetwork

RESNET_DEPTHS = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
    "resnet152": (3, 8, 36, 3),
}
"""Residual blocks in layer1 … layer4 (He et al., CVPR 2016, table 1)."""

BACKBONES = (*RESNET_DEPTHS, "vgg16")
CUTS = ("layer1", "layer2", "layer3", "layer4")
MAX_DIMENSION = 65_536
"""More outputs than any published head has; keeps a slip of the keyboard from filling memory."""

_GRAMMAR = f"""\
An architecture is BACKBONE[(CUT)][+l2]+POOLING[+fcD][+l2], in this order:
  BACKBONE  {", ".join(BACKBONES)}
  CUT       {", ".join(CUTS)}: the last layer kept of a ResNet (layer4 when not given)
  l2        before the pooling: L2-normalise the features at each position
  POOLING   gem (generalised mean) or avg (average)
  fcD       a linear layer to D outputs, for example fc512
  l2        at the end: L2-normalise the descriptor
Examples: resnet18(layer2)+gem+fc512 (the study), resnet50+l2+gem+fc2048+l2 (CosPlace)."""

_BACKBONE = re.compile(r"(?P<name>[a-z0-9]+)(?:\((?P<cut>[a-z0-9]*)\))?")


@dataclass(frozen=True)
class Architecture:
    """What a network computes, apart from its weights.

    Attributes
    ----------
    backbone
        One of `BACKBONES`.
    cut
        The last layer kept of a ResNet, one of `CUTS`; for VGG-16 always "features".
    normalise_features
        L2-normalise the features at each position before pooling (CosPlace does).
    pooling
        "gem" or "avg".
    fc
        Outputs of the linear layer, or None without one.
    normalise
        L2-normalise the descriptor.
    """

    backbone: str
    cut: str
    normalise_features: bool
    pooling: str
    fc: int | None
    normalise: bool

    def __str__(self) -> str:
        """Give the canonical spelling, which `parse_architecture` reads back."""
        whole = self.cut in ("layer4", "features")
        parts = [self.backbone if whole else f"{self.backbone}({self.cut})"]
        parts += ["l2"] if self.normalise_features else []
        parts += [self.pooling]
        parts += [f"fc{self.fc}"] if self.fc is not None else []
        parts += ["l2"] if self.normalise else []
        return "+".join(parts)

    @property
    def channels(self) -> int:
        """Channels of the backbone's last feature map."""
        if self.backbone == "vgg16":
            return 512
        widest = 512 if self.backbone in ("resnet18", "resnet34") else 2048
        return widest >> (len(CUTS) - 1 - CUTS.index(self.cut))

    @property
    def dimension(self) -> int:
        """Length of the descriptor."""
        return self.channels if self.fc is None else self.fc


def parse_architecture(text: str) -> Architecture:
    """Read an architecture string.

    Parameters
    ----------
    text
        For example ``resnet18(layer2)+gem+fc512``; case and spaces do not matter.

    Raises
    ------
    ModelError
        When the string does not follow the grammar; says which part is wrong and gives the grammar.

    Examples
    --------
    >>> parse_architecture("resnet18(layer2)+gem+fc512").dimension
    512
    >>> str(parse_architecture("ResNet50(layer4) + l2 + gem + fc2048 + l2"))
    'resnet50+l2+gem+fc2048+l2'
    >>> parse_architecture("resnet50(layer3)+avg").dimension
    1024
    """
    first, *rest = "".join(text.lower().split()).split("+")
    match = _BACKBONE.fullmatch(first)
    if match is None or match["name"] not in BACKBONES:
        raise _wrong(text, f"{first!r} is not a known backbone")
    backbone, cut = match["name"], match["cut"]
    if backbone == "vgg16":
        if cut is not None:
            raise _wrong(text, "vgg16 takes no cut: it is used up to its last convolution")
        cut = "features"
    elif cut is None:
        cut = "layer4"
    elif cut not in CUTS:
        raise _wrong(text, f"{cut!r} is not a layer to cut after")

    normalise_features = rest[:1] == ["l2"]
    rest = rest[1:] if normalise_features else rest
    if not rest or rest[0] not in ("gem", "avg"):
        found = f"found {rest[0]!r}" if rest else "the string ends"
        raise _wrong(text, f"a pooling (gem or avg) is expected, but {found}")
    pooling, *rest = rest
    fc = None
    if rest and (match := re.fullmatch(r"fc(\d{1,9})", rest[0])):
        fc = int(match[1])
        if not 1 <= fc <= MAX_DIMENSION:
            raise _wrong(text, f"fc needs 1 to {MAX_DIMENSION:,} outputs, not {fc:,}")
        rest = rest[1:]
    normalise = rest[:1] == ["l2"]
    rest = rest[1:] if normalise else rest
    if rest:
        raise _wrong(text, f"{rest[0]!r} is not expected there")
    return Architecture(backbone, cut, normalise_features, pooling, fc, normalise)


def build(architecture: Architecture | str) -> DescriptorNetwork:
    """Make the network of an architecture, with untrained weights, in evaluation mode.

    The names of its parameters are those of published checkpoints: with `l2` before the pooling the
    layout of CosPlace and EigenPlaces (``backbone.*``, ``aggregation.*``), otherwise the study's
    (``model.*``, ``pooling.p``, ``fc.*``).

    Examples
    --------
    >>> network = build("resnet18(layer2)+gem+fc512")
    >>> sum(parameter.numel() for parameter in network.parameters())
    749121
    """
    from vgbench.models.networks import CosPlaceNetwork, StudyNetwork

    if isinstance(architecture, str):
        architecture = parse_architecture(architecture)
    kind = CosPlaceNetwork if architecture.normalise_features else StudyNetwork
    return kind(architecture).eval()


def _wrong(text: str, why: str) -> ModelError:
    return ModelError(f"Architecture {text!r} cannot be read: {why}.\n{_GRAMMAR}")
