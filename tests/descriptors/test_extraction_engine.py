"""Folding, choosing and running in streams: what extraction is made of."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vgbench.descriptors import tuning
from vgbench.descriptors.engine import Choice, Engine, in_streams, undisturbed
from vgbench.descriptors.folding import fold_batch_norm
from vgbench.descriptors.storage import storage
from vgbench.descriptors.tuning import choices, tune
from vgbench.errors import ModelError, VgbenchError
from vgbench.models import untrained_model

CPU = torch.device("cpu")


class Block(nn.Module):
    """A convolution and a batch norm, joined in a way that each test chooses."""

    def __init__(self, join: Callable[[Block, Tensor], Tensor], **options: object) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, **options)  # type: ignore[arg-type]
        self.norm = nn.BatchNorm2d(4)
        self.join = join
        assert self.norm.running_mean is not None and self.norm.running_var is not None
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.1, 2)
        self.norm.weight.data.uniform_(-2, 2)
        self.norm.bias.data.normal_()

    def forward(self, x: Tensor) -> Tensor:
        return self.join(self, x)


def in_sequence(block: Block, x: Tensor) -> Tensor:
    return block.norm(block.conv(x))  # type: ignore[no-any-return]


def with_a_branch(block: Block, x: Tensor) -> Tensor:
    y = block.conv(x)
    return block.norm(y) + y  # type: ignore[no-any-return]


def twice(block: Block, x: Tensor) -> Tensor:
    return block.norm(block.conv(x)) + block.norm(block.conv(x + 1))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("block", "folded"),
    [
        (Block(in_sequence), 1),
        (Block(in_sequence, bias=False), 1),
        (Block(in_sequence, stride=2, padding=1, padding_mode="reflect"), 1),
        (Block(in_sequence, padding="same", dilation=2), 1),
        (Block(with_a_branch), 0),
        (Block(twice), 0),
    ],
)
def test_batch_norm_is_folded_only_where_the_result_is_the_same(block: Block, folded: int) -> None:
    block.eval()
    x = torch.randn(2, 3, 12, 12)
    with torch.no_grad():
        expected = block(x)
        result = fold_batch_norm(block)
        assert result is not None
        module, count = result
        assert count == folded
        torch.testing.assert_close(module(x), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(block(x), expected, rtol=0, atol=0)


def test_folding_keeps_away_from_training_mode_hooks_and_other_layers() -> None:
    assert fold_batch_norm(Block(in_sequence).train()) is None
    hooked = Block(in_sequence).eval()
    hooked.conv.register_forward_hook(lambda module, inputs, output: output * 2)
    assert fold_batch_norm(hooked) is None
    normalised = Block(in_sequence).eval()
    nn.utils.parametrizations.weight_norm(normalised.conv)
    result = fold_batch_norm(normalised)
    assert result is None or result[1] == 0


def test_a_folded_residual_network_has_no_batch_norm_left() -> None:
    result = fold_batch_norm(untrained_model("resnet18(layer2)+gem+fc8").module)
    assert result is not None
    module, count = result
    assert count == 10
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in module.modules())


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 6, 8, 16, 64, 192])
@pytest.mark.parametrize("parallel", [True, False])
def test_no_choice_takes_more_threads_than_there_are_cores(cores: int, parallel: bool) -> None:
    found = choices(cores, "cpu", parallel, True, None)
    assert all(1 <= choice.streams * choice.threads <= cores for choice in found)
    assert all(choice.streams == 1 for choice in found) or parallel
    assert len(set(found)) == len(found)
    assert found[0].batch == 1


def test_the_fastest_choice_is_taken_and_the_first_when_it_is_as_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine(untrained_model("resnet18(layer1)+gem").module, CPU)
    sample = [torch.zeros(1, 3, 32, 32)]

    def measured(speeds: dict[int, float]) -> int:
        monkeypatch.setattr(
            tuning, "_rate", lambda engine, way, samples, rounds: speeds.get(way.batch, 1.0)
        )
        return tune(engine, sample, images=10**9).choice.batch

    assert measured({1: 100.0, 4: 150.0}) == 4
    assert measured({1: 100.0, 4: 104.0}) == 1
    assert measured({1: 100.0, 2: 90.0}) == 1


def test_little_work_is_not_preceded_by_long_measuring() -> None:
    engine = Engine(untrained_model("resnet18(layer1)+gem").module, CPU)
    tuned = tune(engine, [torch.zeros(1, 3, 64, 64)], images=5)
    assert tuned.measured == {}
    assert tuned.choice.batch == 1


def test_every_stream_works_in_inference_mode_with_its_threads() -> None:
    seen: list[tuple[int, bool, int]] = []

    def work() -> None:
        seen.append(
            (threading.get_ident(), torch.is_inference_mode_enabled(), torch.get_num_threads())
        )
        barrier.wait(timeout=30)

    barrier = threading.Barrier(3)
    before = torch.get_num_threads()
    in_streams(Choice(3, 1, 1, True), work, threading.Event())
    assert len({identity for identity, _, _ in seen}) == 3
    assert all(inference and threads == 1 for _, inference, threads in seen)
    assert torch.get_num_threads() == before


def test_an_error_in_one_stream_stops_the_others_and_is_raised() -> None:
    stop = threading.Event()
    first = threading.Lock()

    def work() -> None:
        if first.acquire(blocking=False):
            raise ValueError("broken")
        assert stop.wait(timeout=30)

    with pytest.raises(ValueError, match="broken"):
        in_streams(Choice(4, 1, 1, True), work, stop)


def test_the_model_is_back_in_its_own_mode_after_an_error() -> None:
    model = nn.Sequential(nn.Dropout(), nn.BatchNorm2d(3))
    model[1].eval()
    with pytest.raises(KeyError), undisturbed(model):
        assert not any(layer.training for layer in model.modules())
        raise KeyError
    assert model.training and model[0].training and not model[1].training


def test_rows_of_a_file_are_all_there_or_none(tmp_path: Path) -> None:
    out = tmp_path / "rows.npy"
    with storage(out, 3) as rows:
        rows.write([2, 0], np.array([[5, 6], [1, 2]], np.float32))
        rows.write([1], np.array([[3, 4]], np.float32))
        assert not out.exists()
    assert np.load(out).tolist() == [[1, 2], [3, 4], [5, 6]]
    with pytest.raises(KeyError), storage(out, 3) as rows:
        rows.write([0], np.zeros((1, 2), np.float32))
        raise KeyError
    assert np.load(out)[0].tolist() == [1, 2]
    assert [item.name for item in tmp_path.iterdir()] == ["rows.npy"]


def test_rows_of_another_length_are_refused() -> None:
    with storage(None, 2) as rows:
        rows.write([0], np.zeros((1, 4), np.float32))
        with pytest.raises(ModelError, match="5 values after descriptors of 4"):
            rows.write([1], np.zeros((1, 5), np.float32))


def test_a_full_disk_is_an_error_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, start: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with (
        pytest.raises(VgbenchError, match="the disk is full"),
        storage(tmp_path / "rows.npy", 2) as rows,
    ):
        rows.write([0], np.zeros((1, 4), np.float32))
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_cannot_reserve_gets_zeros_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(descriptor: int, start: int, length: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    with storage(tmp_path / "rows.npy", 300_000) as rows:
        rows.write([299_999], np.ones((1, 2), np.float32))
    assert np.load(tmp_path / "rows.npy", mmap_mode="r")[-2:].tolist() == [[0, 0], [1, 1]]
