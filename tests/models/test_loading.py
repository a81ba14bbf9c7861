"""Loading checkpoints: every layout that is promised, and every way in which one can be wrong."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vgbench.errors import ModelError
from vgbench.models import LoadedModel, build, included, load_model, save_model, untrained_model
from vgbench.models.recognition import recognise

STUDY = "resnet18(layer2)+gem+fc512"
ARCHITECTURES = [
    STUDY,
    "resnet18(layer2)+avg+fc512",
    "resnet18(layer2)+l2+gem+fc64+l2",
    "resnet50(layer2)+l2+gem+fc64+l2",
]
HEAVY = [
    "resnet34(layer3)+gem+fc64",
    "resnet18+l2+gem+fc512+l2",
    "resnet50+l2+gem+fc2048+l2",
    "resnet101+l2+gem+fc512+l2",
    "resnet152+l2+gem+fc64+l2",
    "vgg16+l2+gem+fc512+l2",
]
State = dict[str, Tensor]


def plain(state: State) -> Any:
    return state


def lightning(state: State) -> Any:
    return {
        "epoch": 9,
        "global_step": 100,
        "pytorch-lightning_version": "2.2.0",
        "state_dict": state,
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
        "lr_schedulers": [],
    }


def cosplace_last(state: State) -> Any:
    # best_val_recall1 is a numpy number in CosPlace's own checkpoints
    return {"epoch_num": 3, "model_state_dict": state, "best_val_recall1": np.float64(61.5)}


def data_parallel(state: State) -> Any:
    return {"model_state_dict": {f"module.{key}": value for key, value in state.items()}}


def compiled(state: State) -> Any:
    return {f"module._orig_mod.{key}": value for key, value in state.items()}


@pytest.fixture(scope="module")
def study() -> State:
    return dict(untrained_model(STUDY, seed=1).module.state_dict())


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def refusal(path: Path | str, arch: str | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(path, arch)
    return str(caught.value)


def assert_same_weights(model: LoadedModel, state: State) -> None:
    found = model.module.state_dict()
    assert found.keys() == state.keys()
    for key, value in state.items():
        assert torch.equal(found[key], value), key


@pytest.mark.parametrize(
    "arch", [*ARCHITECTURES, *(pytest.param(a, marks=pytest.mark.slow) for a in HEAVY)]
)
def test_every_architecture_is_recognised_and_loaded_exactly_from_every_kind_of_file(
    arch: str, tmp_path: Path
) -> None:
    original = untrained_model(arch, seed=5)
    state = dict(original.module.state_dict())
    bare = tmp_path / "bare.safetensors"
    save_file(state, bare)
    files = [bare]
    for wrap in (plain, lightning, cosplace_last, data_parallel, compiled):
        files.append(saved(tmp_path / f"{wrap.__name__}.pth", wrap(state)))
    for file in files:
        model = load_model(file)
        assert model.architecture == arch, file
        assert_same_weights(model, state)
        assert model.digest == hashlib.sha256(file.read_bytes()).hexdigest()
        assert model.source == file
        assert model.dimension == original.dimension
        assert model.parameters == original.parameters
        assert not model.module.training
        assert not model.is_reference


def test_lightnings_checkpoint_of_the_study_loads_and_one_renamed_key_is_refused_naming_both(
    tmp_path: Path, study: State
) -> None:
    names = {key.rpartition(".")[0] for key in study}
    assert {"model.0", "model.1", "pooling", "fc"} <= names  # its layout, and no other
    assert {int(key.split(".")[1]) for key in study if key.startswith("model.")} == {0, 1, 4, 5}
    path = saved(tmp_path / "epoch=9.ckpt", lightning(study))
    assert load_model(path).architecture == STUDY
    for key in ("fc.weight", "model.4.0.conv1.weight", "model.1.running_mean", "pooling.p"):
        renamed = key.replace(".", "_", 1)
        state = {renamed if name == key else name: value for name, value in study.items()}
        for arch in (STUDY, None):
            message = refusal(saved(path, lightning(state)), arch)
            assert renamed in message, arch
            if arch or key != "pooling.p":  # without its exponent it looks like average pooling
                assert f"  {key}\n" in message, arch


@pytest.mark.parametrize("attribute", ["network", "model", "backbone", "net._orig_mod"])
def test_the_attribute_of_a_training_module_before_all_names_is_no_part_of_them(
    attribute: str, tmp_path: Path, study: State
) -> None:
    state = {f"{attribute}.{key}": value for key, value in study.items()}
    model = load_model(saved(tmp_path / "last.ckpt", lightning(state)))
    assert model.architecture == STUDY
    assert_same_weights(model, study)
    state[f"{attribute}.fc.weigth"] = state.pop(f"{attribute}.fc.weight")
    assert "'fc.weigth' in the file ↔ 'fc.weight'" in refusal(
        saved(tmp_path / "odd.ckpt", lightning(state))
    )


@pytest.mark.parametrize("arch", [*ARCHITECTURES, *HEAVY, "resnet101(layer3)+gem+fc8"])
def test_every_architecture_is_recognised_from_names_and_shapes_alone(arch: str) -> None:
    with torch.device("meta"):
        state = build(arch).state_dict()
    assert str(recognise(state, Path("weights.pth"))) == arch


def test_the_old_file_format_of_torch_loads_too(tmp_path: Path, study: State) -> None:
    path = tmp_path / "old.pth"
    torch.save(study, path, _use_new_zipfile_serialization=False)
    assert_same_weights(load_model(path), study)


def test_half_and_double_precision_weights_become_float32(tmp_path: Path, study: State) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in study.items()}
        model = load_model(saved(tmp_path / "weights.pth", state))
        assert {p.dtype for p in model.module.parameters()} == {torch.float32}
        torch.testing.assert_close(
            model.module.state_dict()["fc.weight"], study["fc.weight"], rtol=1e-2, atol=1e-3
        )


def test_the_batch_counters_of_batch_norm_may_be_absent(tmp_path: Path, study: State) -> None:
    state = {key: value for key, value in study.items() if "num_batches_tracked" not in key}
    assert len(state) < len(study)
    assert load_model(saved(tmp_path / "weights.pth", state)).architecture == STUDY


def test_a_batch_counter_of_no_known_layer_is_an_error(tmp_path: Path, study: State) -> None:
    state = study | {"loss.num_batches_tracked": torch.tensor(3)}
    assert "loss.num_batches_tracked" in refusal(saved(tmp_path / "weights.pth", state))


def test_gem_exponent_may_be_saved_as_a_bare_number(tmp_path: Path, study: State) -> None:
    state = study | {"pooling.p": torch.tensor(2.5)}
    model = load_model(saved(tmp_path / "weights.pth", state))
    assert model.module.state_dict()["pooling.p"].tolist() == [2.5]


# --- Parameters that do not fit -----------------------------------------------------------------


def test_a_missing_gem_exponent_makes_average_pooling_and_never_an_invented_one(
    tmp_path: Path, study: State
) -> None:
    state = {key: value for key, value in study.items() if key != "pooling.p"}
    path = saved(tmp_path / "weights.pth", state)
    assert load_model(path).architecture == "resnet18(layer2)+avg+fc512"
    assert "Missing in the file (1):\n  pooling.p" in refusal(path, STUDY)


def test_gem_weights_do_not_load_into_average_pooling(tmp_path: Path, study: State) -> None:
    message = refusal(saved(tmp_path / "weights.pth", study), "resnet18(layer2)+avg+fc512")
    assert "not in the network (1):\n  pooling.p" in message


def test_a_cosplace_checkpoint_without_its_exponent_is_an_error(tmp_path: Path) -> None:
    state = dict(untrained_model("resnet18+l2+gem+fc32+l2").module.state_dict())
    del state["aggregation.1.p"]
    assert "aggregation.1.p" in refusal(saved(tmp_path / "weights.pth", state))


def test_a_misspelt_name_is_listed_and_its_likely_meaning_given(
    tmp_path: Path, study: State
) -> None:
    state = {key.replace("fc.weight", "fc.weigth"): value for key, value in study.items()}
    message = refusal(saved(tmp_path / "weights.pth", state))
    assert "Missing in the file (1):\n  fc.weight" in message
    assert "'fc.weigth' in the file ↔ 'fc.weight' in the network" in message


def test_left_over_parameters_of_a_loss_are_refused_with_the_way_out(
    tmp_path: Path, study: State
) -> None:
    state = study | {f"loss_fn.W{i}": torch.zeros(4) for i in range(12)}
    message = refusal(saved(tmp_path / "last.ckpt", lightning(state)))
    assert "not in the network (12)" in message
    assert "… and 2 more names" in message
    assert "k.startswith('loss_fn.')" in message


def test_tensors_of_another_shape_are_listed_with_both_shapes(tmp_path: Path, study: State) -> None:
    state = study | {"fc.weight": torch.zeros(512, 64), "model.1.bias": torch.zeros(3)}
    message = refusal(saved(tmp_path / "weights.pth", state))
    assert "Of another shape (2)" in message
    assert "fc.weight: (512, 64) in the file, (512, 128) in the network" in message
    assert "model.1.bias: (3,) in the file, (64,) in the network" in message


def test_a_lost_block_is_reported_by_its_names(tmp_path: Path, study: State) -> None:
    state = {key: value for key, value in study.items() if not key.startswith("model.5.1.")}
    message = refusal(saved(tmp_path / "weights.pth", state))
    assert "Missing in the file (10):\n  model.5.1.conv1.weight" in message


def test_weights_of_another_layout_than_asked_for_are_told_apart(
    tmp_path: Path, study: State
) -> None:
    message = refusal(saved(tmp_path / "weights.pth", study), "resnet18+l2+gem+fc512+l2")
    assert "The file has fc.*, model.*, pooling.*" in message
    assert "aggregation.*, backbone.*" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(
    tmp_path: Path, study: State, value: float
) -> None:
    broken = study["fc.weight"].clone()
    broken[3, :2] = value
    message = refusal(saved(tmp_path / "weights.pth", study | {"fc.weight": broken}))
    assert "fc.weight: 2 of 65,536 values are NaN or infinite" in message


def test_a_negative_variance_and_integer_weights_are_refused(tmp_path: Path, study: State) -> None:
    state = study | {
        "model.1.running_var": -torch.ones(64),
        "fc.bias": torch.zeros(512, dtype=torch.int8),
    }
    message = refusal(saved(tmp_path / "weights.pth", state))
    assert "model.1.running_var: a variance below zero" in message
    assert "fc.bias: int8 instead of floating point" in message


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"conv1.weight": 1, "layer1.0.conv1.weight": 1}, "torchvision classification network"),
        ({"backbone.model.conv1.weight": 1, "aggregator.mix.0.weight": 1}, "its aggregator"),
        ({"encoder.weight": 1}, "neither the study's"),
        ({"model.4.0.conv1.weight": 1}, "no fc.weight"),
    ],
)
def test_unknown_layouts_are_explained_and_their_tensors_shown(
    tmp_path: Path, state: dict[str, int], why: str
) -> None:
    tensors = {key: torch.zeros(1) for key in state}
    message = refusal(saved(tmp_path / "weights.pth", tensors))
    assert why in message
    assert next(iter(state)) in message
    assert "vgbench submit" in message


# --- The architecture in the file ---------------------------------------------------------------


def test_the_architecture_in_the_metadata_is_preferred(tmp_path: Path) -> None:
    original = untrained_model("resnet18(layer2)+gem+fc32+l2")
    path = tmp_path / "model.safetensors"
    digest = save_model(original, path)
    model = load_model(path)
    assert model.architecture == "resnet18(layer2)+gem+fc32+l2"
    assert model.digest == digest


def test_metadata_that_contradicts_the_tensors_or_the_caller_is_refused(
    tmp_path: Path, study: State
) -> None:
    path = tmp_path / "model.safetensors"
    save_file(study, path, metadata={"architecture": "resnet18(layer2)+avg+fc512"})
    assert "pooling.p" in refusal(path)
    assert "says that its architecture is resnet18(layer2)+avg+fc512" in refusal(path, STUDY)
    save_file(study, path, metadata={"architecture": "resnet19"})
    assert "metadata" in refusal(path)


# --- Files that are not weights -----------------------------------------------------------------


class Runs:
    """What a hostile pickle looks like: a call, made when the file is opened."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("new_format", [True, False])
def test_code_in_a_pickle_never_runs_and_the_conversion_is_explained(
    tmp_path: Path, study: State, new_format: bool
) -> None:
    marker = tmp_path / "ran"
    path = tmp_path / "evil.pth"
    content = {"state_dict": study, "extra": Runs(marker)}
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    message = refusal(path)
    assert not marker.exists()
    assert "any code" in message
    assert 'torch.load("evil.pth", weights_only=False)' in message
    assert "torch.save(" in message


def test_a_bare_pickle_never_runs_either(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(Runs(marker), protocol=2))
    refusal(path)
    assert not marker.exists()


def test_a_whole_pickled_module_is_refused_with_its_conversion(tmp_path: Path) -> None:
    path = saved(tmp_path / "whole.pt", nn.Linear(2, 2))
    assert "checkpoint.state_dict()" in refusal(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_is_refused_with_its_conversion(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), path)
    message = refusal(path)
    assert "TorchScript" in message
    assert "torch.jit.load" in message


def test_an_exported_program_is_refused_with_its_conversion(tmp_path: Path) -> None:
    path = tmp_path / "program.pt2"
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)), path)
    message = refusal(path)
    assert "exported program" in message
    assert "torch.export.load" in message


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("part", [0.001, 0.5, 0.99])
def test_a_truncated_file_is_called_truncated(
    tmp_path: Path, study: State, suffix: str, part: float
) -> None:
    path = tmp_path / f"weights{suffix}"
    save_file(study, path) if suffix == ".safetensors" else torch.save(study, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    assert "truncated" in refusal(path) or "damaged" in refusal(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_damaged_bytes_inside_a_file_never_escape_as_another_error(
    tmp_path: Path, study: State
) -> None:
    small = {"fc.weight": torch.zeros(2, 2), "fc.bias": torch.zeros(2)}
    random = np.random.default_rng(0)
    for new_format in (True, False):
        path = tmp_path / "weights.pth"
        torch.save(small, path, _use_new_zipfile_serialization=new_format)
        whole = bytearray(path.read_bytes())
        for _ in range(60):
            broken = bytearray(whole)
            for position in random.integers(0, len(whole), 5):
                broken[position] = random.integers(256)
            path.write_bytes(bytes(broken))
            refusal(path)


@pytest.mark.parametrize(
    "header",
    [
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[]}}',
    ],
    ids=["nested without end", "no offsets"],
)
def test_a_safetensors_header_that_makes_no_sense_is_called_damaged(
    tmp_path: Path, header: bytes
) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ModelError, match="damaged"):
        load_model(path)


def test_a_number_cut_short_and_an_unknown_zip_version_are_called_damaged(
    tmp_path: Path, study: State
) -> None:
    path = tmp_path / "cut.pt"
    path.write_bytes(b"\x80\x02X\x01")
    with pytest.raises(ModelError, match="damaged"):
        load_model(path)
    torch.save(study, path)
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 6] = 99  # the version of zip needed to read a member
    path.write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        load_model(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><head><title>Sign in</title>", "is a web page"),
        (b"\n  <html lang='en'>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'", "neither safetensors nor a PyTorch file"),
        (b"\x89PNG\r\n\x1a\n", "neither safetensors nor a PyTorch file"),
    ],
)
def test_files_that_are_not_weights_are_called_what_they_are(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    assert words in refusal(path)


def test_a_missing_file_and_a_folder_are_explained(tmp_path: Path) -> None:
    assert "There is no file" in refusal(tmp_path / "none.pth")
    (tmp_path / "best.ckpt").touch()
    message = refusal(tmp_path)
    assert "is a folder" in message
    assert "best.ckpt" in message


def test_a_zip_that_is_not_from_torch_or_unpacks_to_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "not one that torch.save wrote" in refusal(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(50_000_000))
    assert "far more than its size" in refusal(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "holds nothing"),
        (torch.zeros(3), "holds a Tensor"),
        ([torch.zeros(3)], "holds a list"),
        ({"net": {"fc.weight": torch.zeros(2)}, "epoch": 3}, "'net': dict"),
        ({1: torch.zeros(2)}, "named tensors only"),
    ],
)
def test_content_that_is_no_state_dictionary_is_described(
    tmp_path: Path, content: Any, words: str
) -> None:
    assert words in refusal(saved(tmp_path / "weights.pth", content))


def test_without_the_reference_weights_the_installation_is_called_incomplete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(included, "REFERENCE_FILE", "absent.safetensors")
    assert "Reinstall" in refusal("reference")


def test_the_reference_model_is_the_study_network() -> None:
    model = load_model("reference")
    assert model.is_reference
    assert model.architecture == STUDY
    assert model.parameters == 749_121
