"""The networks against a second, straightforward implementation, and against published layouts."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from vgbench.models import build, untrained_model
from vgbench.models.networks import Average, GeM, L2Norm, _vgg16_features

SMALL = [
    "resnet18(layer2)+gem+fc512",
    "resnet18(layer2)+avg+fc512",
    "resnet18(layer1)+gem",
    "resnet18(layer2)+gem+fc32+l2",
    "resnet18+l2+gem+fc512+l2",
    "resnet18(layer3)+l2+avg+fc16",
    "resnet50(layer2)+gem+fc64",
]
LARGE = [
    "resnet50+l2+gem+fc2048+l2",
    "resnet101+l2+gem+fc128+l2",
    "resnet152+l2+gem+fc64+l2",
    "vgg16+l2+gem+fc512+l2",
]


def gem_by_hand(features: Tensor, p: float) -> Tensor:
    pooled = torch.zeros(features.shape[:2])
    for b in range(features.shape[0]):
        for c in range(features.shape[1]):
            values = features[b, c].flatten().double().clamp(min=1e-6)
            pooled[b, c] = float((values**p).mean() ** (1 / p))
    return pooled


def forward_by_hand(arch: str, state: dict[str, Tensor], images: Tensor) -> Tensor:
    """Compute descriptors from a state dictionary by torchvision's network and plain functions."""
    first, *parts = arch.split("+")
    name, _, cut = first.rstrip(")").partition("(")
    prefix = "backbone" if parts[0] == "l2" else "model"
    p_key, fc_key = (
        ("aggregation.1.p", "aggregation.3") if parts[0] == "l2" else ("pooling.p", "fc")
    )
    whole = getattr(torchvision.models, name)(weights=None).eval()
    if name == "vgg16":
        children = {str(i): layer for i, layer in enumerate(list(whole.features)[:-2])}
    else:
        named = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"]
        named = named[: named.index(cut or "layer4") + 1]
        children = {str(i): getattr(whole, child) for i, child in enumerate(named)}
    x = images
    for index, layer in children.items():
        start = f"{prefix}.{index}."
        layer.load_state_dict(
            {k[len(start) :]: v for k, v in state.items() if k.startswith(start)}, strict=True
        )
        x = layer(x)
    for part in parts:
        if part == "l2":
            x = x / x.pow(2).sum(dim=1, keepdim=True).sqrt().clamp(min=1e-12)
        elif part == "gem":
            x = gem_by_hand(x, float(state[p_key]))
        elif part == "avg":
            x = x.flatten(2).mean(dim=2)
        else:
            x = functional.linear(x, state[f"{fc_key}.weight"], state[f"{fc_key}.bias"])
    return x


def randomised(arch: str) -> nn.Module:
    network = untrained_model(arch, seed=3).module
    generator = torch.Generator().manual_seed(4)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.normal_(0, 0.1, generator=generator)
            layer.running_var.uniform_(0.5, 1.5, generator=generator)
        if isinstance(layer, GeM):
            layer.p.data.fill_(2.6)
    return network


@pytest.mark.parametrize(
    "arch", [*SMALL, *(pytest.param(a, marks=pytest.mark.slow) for a in LARGE)]
)
def test_a_network_computes_what_its_architecture_says(arch: str) -> None:
    network = randomised(arch)
    images = torch.randn(2, 3, 70, 54, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = network(images)
        expected = forward_by_hand(arch, network.state_dict(), images)
    assert found.shape == (2, untrained_model(arch).dimension)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_the_study_network_has_the_study_parameter_names_and_counts() -> None:
    network = build("resnet18(layer2)+gem+fc512")
    counts = {name: p.numel() for name, p in network.named_parameters()}
    assert sum(n for name, n in counts.items() if name.startswith("model.")) == 683_072
    assert counts["pooling.p"] == 1
    assert counts["fc.weight"] + counts["fc.bias"] == 66_048
    assert {name.split(".")[1] for name in counts if name.startswith("model.")} == set("0145")


@pytest.mark.parametrize(
    ("arch", "keys", "parameters"),
    [
        ("resnet18+l2+gem+fc512+l2", 123, 11_439_169),
        ("resnet50+l2+gem+fc2048+l2", 321, 27_704_385),
        pytest.param("resnet101+l2+gem+fc512+l2", 627, None, marks=pytest.mark.slow),
        pytest.param("resnet152+l2+gem+fc512+l2", 933, None, marks=pytest.mark.slow),
        ("vgg16+l2+gem+fc512+l2", 29, None),
    ],
)
def test_cosplace_networks_have_the_keys_of_the_published_files(
    arch: str, keys: int, parameters: int | None
) -> None:
    network = build(arch)
    state = network.state_dict()
    assert len(state) == keys
    assert {"aggregation.1.p", "aggregation.3.weight", "aggregation.3.bias"} < set(state)
    if parameters:
        assert sum(p.numel() for p in network.parameters()) == parameters


def test_vgg16_features_are_those_of_torchvision_up_to_the_last_convolution() -> None:
    with torch.device("meta"):
        theirs = list(torchvision.models.vgg16(weights=None).features)[:-2]
        ours = list(_vgg16_features())
    assert [str(layer) for layer in ours] == [str(layer) for layer in theirs]


def test_gem_is_average_pooling_at_one_and_approaches_the_maximum() -> None:
    features = torch.rand(2, 5, 7, 9) + 0.1
    torch.testing.assert_close(GeM(1.0)(features), Average()(features))
    near_maximum = GeM(60.0)(features)
    maximum = features.amax(dim=(2, 3))
    assert (near_maximum <= maximum).all()
    assert (near_maximum > 0.9 * maximum).all()


def test_gem_lifts_negative_and_zero_features_to_the_floor() -> None:
    pooled = GeM()(torch.full((1, 2, 3, 3), -4.0))
    torch.testing.assert_close(pooled, torch.full((1, 2), 1e-6))


def test_normalising_a_zero_vector_gives_zero_and_not_nan() -> None:
    assert L2Norm()(torch.zeros(1, 4)).tolist() == [[0.0] * 4]


def test_the_head_stays_in_float32_when_the_backbone_is_in_bfloat16() -> None:
    network = untrained_model("resnet18(layer2)+gem+fc64").module
    images = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        full = network(images)
        network.features.to(torch.bfloat16)
        half = network(images.bfloat16())
    assert half.dtype == torch.float32
    assert functional.cosine_similarity(full, half).min() > 0.999
