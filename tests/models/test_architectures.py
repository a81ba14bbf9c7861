"""The grammar of architecture strings."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgbench.errors import ModelError
from vgbench.models.architectures import (
    BACKBONES,
    CUTS,
    MAX_DIMENSION,
    Architecture,
    parse_architecture,
)


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    backbone = draw(st.sampled_from(BACKBONES))
    return Architecture(
        backbone=backbone,
        cut="features" if backbone == "vgg16" else draw(st.sampled_from(CUTS)),
        normalise_features=draw(st.booleans()),
        pooling=draw(st.sampled_from(["gem", "avg"])),
        fc=draw(st.none() | st.integers(1, MAX_DIMENSION)),
        normalise=draw(st.booleans()),
    )


@given(architectures())
def test_every_architecture_is_read_back_from_its_own_spelling(architecture: Architecture) -> None:
    assert parse_architecture(str(architecture)) == architecture


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("resnet18(layer2)+gem+fc512", "resnet18(layer2)+gem+fc512"),
        (" ResNet18(Layer2) + GeM + FC512 ", "resnet18(layer2)+gem+fc512"),
        ("resnet50(layer4)+l2+gem+fc2048+l2", "resnet50+l2+gem+fc2048+l2"),
        ("vgg16+l2+gem+fc512+l2", "vgg16+l2+gem+fc512+l2"),
        ("resnet34+avg", "resnet34+avg"),
        ("resnet18+gem+fc0512", "resnet18+gem+fc512"),
    ],
)
def test_spellings_are_brought_to_one_canonical_form(text: str, canonical: str) -> None:
    assert str(parse_architecture(text)) == canonical


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "'' is not a known backbone"),
        ("resnet20+gem", "'resnet20' is not a known backbone"),
        ("resnet18(layer5)+gem", "'layer5' is not a layer to cut after"),
        ("resnet18()+gem", "'' is not a layer to cut after"),
        ("vgg16(layer2)+gem", "vgg16 takes no cut"),
        ("resnet18", "a pooling (gem or avg) is expected, but the string ends"),
        ("resnet18+l2", "a pooling (gem or avg) is expected, but the string ends"),
        ("resnet18+fc512+gem", "a pooling (gem or avg) is expected, but found 'fc512'"),
        ("resnet18+gem+fc0", "fc needs 1 to 65,536 outputs, not 0"),
        ("resnet18+gem+fc99999999", "fc needs 1 to 65,536 outputs, not 99,999,999"),
        ("resnet18+gem+fc-1", "'fc-1' is not expected there"),
        ("resnet18+gem+l2+fc512", "'fc512' is not expected there"),
        ("resnet18+gem+fc512+l2+l2", "'l2' is not expected there"),
        ("resnet18+gem+fc512+", "'' is not expected there"),
    ],
)
def test_a_wrong_string_is_refused_with_the_reason_and_the_grammar(text: str, why: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_architecture(text)
    message = str(caught.value)
    assert why in message
    assert "BACKBONE[(CUT)]" in message
    assert "resnet18(layer2)+gem+fc512" in message


def test_the_descriptor_has_the_channels_of_the_cut_without_a_linear_layer() -> None:
    expected = {"resnet18": [64, 128, 256, 512], "resnet101": [256, 512, 1024, 2048]}
    for backbone, channels in expected.items():
        found = [parse_architecture(f"{backbone}({cut})+avg").dimension for cut in CUTS]
        assert found == channels


def test_reading_an_architecture_string_does_not_import_torch() -> None:
    code = (
        "import sys, vgbench.models\n"
        "vgbench.models.parse_architecture('resnet18+gem')\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
