"""The way to train that is fastest here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vgbench.models import untrained_model
from vgbench.training import measuring
from vgbench.training.measuring import Way, choose_way

CPU = torch.device("cpu")
IMAGES = torch.zeros(16, 32, 48, 3, dtype=torch.uint8)
PLAIN = Way("float32", channels_last=False)
LAST = Way("float32", channels_last=True)
BRAIN = Way("bfloat16", channels_last=False)
BOTH = Way("bfloat16", channels_last=True)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    model = untrained_model("resnet18(layer1)+gem").module
    assert isinstance(model, nn.Module)
    return model


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> dict[Way, list[float]]:
    """What each way takes, round by round; the last value goes on."""
    taken = {PLAIN: [1.0], LAST: [0.7], BRAIN: [0.6], BOTH: [0.4]}

    def measure(network: nn.Module, images: Tensor, way: Way, device: torch.device) -> float:
        found = taken[way]
        if not found:
            raise RuntimeError("not implemented for 'BFloat16'")
        return found.pop(0) if len(found) > 1 else found[0]

    monkeypatch.setattr(measuring, "_seconds", measure)
    return taken


def test_the_fastest_way_is_taken(network: nn.Module, seconds: dict[Way, list[float]]) -> None:
    way, rates = choose_way(network, IMAGES, CPU)
    assert way == BOTH
    assert rates[str(BOTH)] == 40.0
    assert len(rates) == 4


def test_a_slow_first_round_and_one_busy_moment_do_not_count(
    network: nn.Module, seconds: dict[Way, list[float]]
) -> None:
    seconds[BOTH] = [30.0, 0.4, 5.0, 0.4]
    assert choose_way(network, IMAGES, CPU)[0] == BOTH


def test_the_plain_way_stays_when_another_gains_little(
    network: nn.Module, seconds: dict[Way, list[float]]
) -> None:
    seconds.update({LAST: [0.97], BRAIN: [5.0], BOTH: [4.0]})
    assert choose_way(network, IMAGES, CPU)[0] == PLAIN


def test_a_way_that_this_processor_lacks_is_passed_over(
    network: nn.Module, seconds: dict[Way, list[float]]
) -> None:
    seconds.update({BRAIN: [], BOTH: []})
    way, rates = choose_way(network, IMAGES, CPU)
    assert way == LAST
    assert set(rates) == {str(PLAIN), str(LAST)}


def test_what_a_recipe_says_is_not_measured(
    network: nn.Module, seconds: dict[Way, list[float]]
) -> None:
    assert choose_way(network, IMAGES, CPU, "float32", "channels-last") == (LAST, {})
    assert choose_way(network, IMAGES, CPU, precision="float32")[0] == LAST
    assert choose_way(network, IMAGES, CPU, layout="contiguous")[0] == BRAIN


def test_a_machine_keeps_its_choice_so_that_runs_of_one_seed_end_alike(
    network: nn.Module, seconds: dict[Way, list[float]], tmp_path: Path
) -> None:
    memory = tmp_path / "known.json"
    assert choose_way(network, IMAGES, CPU, memory=memory)[0] == BOTH
    seconds.update({LAST: [0.1]})
    assert choose_way(network, IMAGES, CPU, memory=memory) == (BOTH, {})
    larger = torch.zeros(16, 64, 48, 3, dtype=torch.uint8)
    assert choose_way(network, larger, CPU, memory=memory)[0] == LAST


def test_another_processor_of_the_same_name_is_measured_anew(
    network: nn.Module,
    seconds: dict[Way, list[float]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = tmp_path / "known.json"
    choose_way(network, IMAGES, CPU, memory=memory)
    monkeypatch.setattr(measuring, "_processor", lambda: "a name 6/1/1 (01234567)")
    seconds.update({BRAIN: [5.0], BOTH: [4.0]})
    assert choose_way(network, IMAGES, CPU, memory=memory)[0] == LAST


def test_a_damaged_memory_is_no_hindrance(
    network: nn.Module, seconds: dict[Way, list[float]], tmp_path: Path
) -> None:
    memory = tmp_path / "known.json"
    memory.write_text("{")
    assert choose_way(network, IMAGES, CPU, memory=memory)[0] == BOTH
    assert choose_way(network, IMAGES, CPU, memory=tmp_path / "no" / "folder.json")[0] == BOTH


def test_real_networks_are_measured_and_left_as_they_were(network: nn.Module) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    way, rates = choose_way(network, IMAGES, CPU)
    assert str(way) in rates
    assert min(rates.values()) > 0
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
