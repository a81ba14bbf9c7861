"""The networks themselves: torchvision backbones, GeM and average pooling, linear head.

Backbones run in whatever precision their weights have; from the pooling on everything is float32,
because GeM's powers lose the third decimal of a cosine in 16 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torchvision
from torch import Tensor, nn

from vgbench.models.architectures import CUTS

if TYPE_CHECKING:
    from vgbench.models.architectures import Architecture


class DescriptorNetwork(nn.Module):
    """A network from normalised RGB images, float (B, 3, H, W), to descriptors, float32 (B, D)."""

    architecture: Architecture

    @property
    def features(self) -> nn.Module:
        """The convolutional part, which may run in 16 bits; the rest is always float32."""
        raise NotImplementedError


class StudyNetwork(DescriptorNetwork):
    """Backbone, pooling, optional linear layer, with the study's parameter names.

    ``model.<i>.*`` are the children of the torchvision network up to the cut, ``pooling.p`` is
    GeM's exponent, ``fc.*`` the linear layer.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.model = _backbone(architecture)
        self.pooling = GeM() if architecture.pooling == "gem" else Average()
        self.fc = _linear(architecture)
        self.normalise = L2Norm() if architecture.normalise else nn.Identity()

    @property
    def features(self) -> nn.Module:
        """The torchvision backbone."""
        return self.model

    def forward(self, images: Tensor) -> Tensor:
        """Describe images, float (B, 3, H, W) → float32 (B, D)."""
        features: Tensor = self.model(images).float()
        descriptors: Tensor = self.normalise(self.fc(self.pooling(features)))
        return descriptors


class CosPlaceNetwork(DescriptorNetwork):
    """Backbone, L2 per position, pooling, linear layer, L2: CosPlace (Berton et al., CVPR 2022).

    EigenPlaces (ICCV 2023) has the same network. ``backbone.<i>.*`` are the torchvision children,
    ``aggregation.1.p`` is GeM's exponent, ``aggregation.3.*`` the linear layer.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.backbone = _backbone(architecture)
        self.aggregation = nn.Sequential(
            L2Norm(),
            GeM() if architecture.pooling == "gem" else Average(),
            nn.Identity(),  # published checkpoints count a Flatten here; our pooling is flat
            _linear(architecture),
            L2Norm() if architecture.normalise else nn.Identity(),
        )

    @property
    def features(self) -> nn.Module:
        """The torchvision backbone."""
        return self.backbone

    def forward(self, images: Tensor) -> Tensor:
        """Describe images, float (B, 3, H, W) → float32 (B, D)."""
        features: Tensor = self.backbone(images).float()
        descriptors: Tensor = self.aggregation(features)
        return descriptors


class GeM(nn.Module):
    """Generalised-mean pooling with one learnable exponent, (B, C, H, W) → (B, C).

    ``(mean over positions of max(x, 1e-6)^p)^(1/p)``; p = 1 is average pooling, large p approaches
    max pooling (Radenović, Tolias, Chum: Fine-tuning CNN image retrieval with no human annotation,
    PAMI 2019, equation 3). Starts at p = 3, the value used there and in the study.
    """

    def __init__(self, exponent: float = 3.0, floor: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full((1,), exponent))
        self.floor = floor

    def forward(self, features: Tensor) -> Tensor:
        """Pool the positions of each channel."""
        return features.clamp(min=self.floor).pow(self.p).mean(dim=(2, 3)).pow(1.0 / self.p)


class Average(nn.Module):
    """Average pooling, (B, C, H, W) → (B, C)."""

    def forward(self, features: Tensor) -> Tensor:
        """Average the positions of each channel."""
        return features.mean(dim=(2, 3))


class L2Norm(nn.Module):
    """Divide by the Euclidean length over dimension 1; a zero vector stays zero."""

    def forward(self, features: Tensor) -> Tensor:
        """Normalise (B, C) rows, or each position of (B, C, H, W)."""
        return nn.functional.normalize(features, p=2.0, dim=1)


def _backbone(architecture: Architecture) -> nn.Sequential:
    if architecture.backbone == "vgg16":
        return _vgg16_features()
    network = getattr(torchvision.models, architecture.backbone)(weights=None)
    stem = ("conv1", "bn1", "relu", "maxpool")
    kept = (*stem, *CUTS[: CUTS.index(architecture.cut) + 1])
    return nn.Sequential(*(getattr(network, name) for name in kept))


def _vgg16_features() -> nn.Sequential:
    """Give torchvision's VGG-16 up to its last convolution, stride 16.

    CosPlace drops the final ReLU and max pooling. Made here because torchvision's constructor also
    fills a classifier of half a gigabyte.
    """
    layers: list[nn.Module] = []
    channels = 3
    for width, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convolutions):
            convolution = nn.Conv2d(channels, width, kernel_size=3, padding=1)
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            layers += [convolution, nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return nn.Sequential(*layers[:-2])


def _linear(architecture: Architecture) -> nn.Module:
    if architecture.fc is None:
        return nn.Identity()
    return nn.Linear(architecture.channels, architecture.fc)
