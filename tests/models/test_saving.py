"""Saving models, and models without training."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from vgbench.errors import ModelError, VgbenchError
from vgbench.models import load_model, save_model, untrained_model

STUDY = "resnet18(layer2)+gem+fc512"


def test_a_saved_model_loads_as_it_was_and_carries_its_metadata(tmp_path: Path) -> None:
    original = untrained_model(STUDY, seed=2)
    path = tmp_path / "model.safetensors"
    digest = save_model(original.module, path, {"trained_on": "nothing"})
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    with safe_open(str(path), framework="pt") as file:
        assert file.metadata() == {
            "format": "pt",
            "architecture": STUDY,
            "trained_on": "nothing",
        }
    loaded = load_model(path)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded.module(images), original.module(images))


def test_saving_replaces_a_file_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"old")
    save_model(untrained_model(STUDY), path)
    assert [item.name for item in tmp_path.iterdir()] == ["model.safetensors"]
    assert load_model(path).architecture == STUDY


def test_layers_that_share_memory_or_are_not_contiguous_can_be_saved(tmp_path: Path) -> None:
    shared = nn.Linear(4, 4)
    module = nn.Sequential(shared, shared, nn.Conv2d(3, 8, 3)).to(memory_format=torch.channels_last)
    save_model(module, tmp_path / "model.safetensors")
    with safe_open(str(tmp_path / "model.safetensors"), framework="pt") as file:
        assert torch.equal(file.get_tensor("1.weight"), shared.weight)
        assert torch.equal(file.get_tensor("2.weight"), module[2].weight)
        assert "architecture" not in file.metadata()


def test_metadata_that_is_wrong_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = untrained_model(STUDY)
    with pytest.raises(ModelError, match="but the model is"):
        save_model(model, path, {"architecture": "resnet18+gem"})
    with pytest.raises(ModelError, match="epochs"):
        save_model(model, path, {"epochs": 3})  # type: ignore[dict-item]
    assert not path.exists()


def test_a_place_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VgbenchError, match="Cannot write"):
        save_model(untrained_model(STUDY), tmp_path / "file" / "model.safetensors")


def test_untrained_weights_are_a_function_of_the_seed_and_leave_the_generator_alone() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, again, other = (untrained_model(STUDY, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.digest == again.digest != other.digest
    assert first.parameters == 749_121
    assert not first.module.training


def test_the_digest_of_an_untrained_model_is_that_of_the_file_it_would_be(tmp_path: Path) -> None:
    model = untrained_model(STUDY, seed=4)
    assert save_model(model, tmp_path / "model.safetensors") == model.digest
