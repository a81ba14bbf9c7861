"""Running weights again: near ties may change places, other weights and other images may not."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vgbench.leaderboard.entry import Entry
from vgbench.leaderboard.findings import FAILED, PASSED, WARNING
from vgbench.leaderboard.reproducing import TOLERANCE, compare, reproduce
from vgbench.retrieval.search import search

Rows = NDArray[np.float32]


@pytest.fixture
def rows() -> tuple[Rows, Rows]:
    random = np.random.default_rng(0)
    return (
        random.random((200, 16)).astype(np.float32),
        random.random((30, 16)).astype(np.float32),
    )


@pytest.mark.parametrize("distance", ["l2", "cosine", "ip"])
def test_the_same_descriptors_give_the_same_predictions(
    rows: tuple[Rows, Rows], distance: str
) -> None:
    database, queries = rows
    made = search(database, queries, 20, distance)
    found = compare(database, queries, distance, made.rows, made.distances)
    assert found.moved == 0 and not found.wrong.any() and found.largest == 0


@pytest.mark.parametrize("distance", ["l2", "cosine", "ip"])
def test_roundings_are_let_be_though_images_change_places(
    rows: tuple[Rows, Rows], distance: str
) -> None:
    database, queries = rows
    database[100:] = database[:100]  # every image twice: rounding decides which comes first
    made = search(database, queries, 20, distance)
    noise = np.random.default_rng(1).normal(scale=1e-6, size=database.shape)
    found = compare((database + noise).astype("f4"), queries, distance, made.rows, made.distances)
    assert found.moved > 0
    assert not found.wrong.any() and 0 < found.largest < TOLERANCE


def test_a_prediction_swapped_for_a_farther_image_is_found(rows: tuple[Rows, Rows]) -> None:
    database, queries = rows
    made = search(database, queries, 21)
    forged = made.rows[:, :20].copy()
    forged[4, 19] = search(database, queries, 200).rows[4, 150]
    found = compare(database, queries, "l2", forged, made.distances[:, :20])
    assert np.flatnonzero(found.wrong).tolist() == [4]


def test_two_predictions_that_changed_places_far_from_a_tie_are_found(
    rows: tuple[Rows, Rows],
) -> None:
    database, queries = rows
    made = search(database, queries, 20)
    forged = made.rows.copy()
    forged[7, [0, 19]] = forged[7, [19, 0]]
    found = compare(database, queries, "l2", forged, made.distances)
    assert np.flatnonzero(found.wrong).tolist() == [7]


def test_an_image_left_out_is_found_though_all_that_is_there_is_right(
    rows: tuple[Rows, Rows],
) -> None:
    database, queries = rows
    made = search(database, queries, 21)
    found = compare(database, queries, "l2", made.rows[:, 1:], made.distances[:, 1:])
    assert found.wrong.all()


def test_bfloat16_is_not_taken_for_rounding(rows: tuple[Rows, Rows]) -> None:
    database, queries = rows
    made = search(database, queries, 20)
    # bfloat16 keeps the upper 16 bits of a float32.
    cut = (database.view(np.uint32) & 0xFFFF0000).view(np.float32)
    assert compare(cut, queries, "l2", made.rows, made.distances).wrong.any()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Entry, Path]]:
    """Weights, the entry that a run of them on a small folder gave, and the data root."""
    from PIL import Image

    from vgbench.datasets import import_dataset, load_dataset
    from vgbench.entering import entry_of
    from vgbench.evaluation import evaluate
    from vgbench.models import save_model, untrained_model

    folder = tmp_path_factory.mktemp("run")
    random = np.random.default_rng(0)
    for role, count in (("database", 24), ("queries", 6)):
        (folder / "images" / role).mkdir(parents=True)
        for index in range(count):
            pixels = random.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            name = f"@{548_000 + 10 * index:010.2f}@4180000.00@.png"
            Image.fromarray(pixels).save(folder / "images" / role / name)
    import_dataset("small", folder / "images", folder / "data")
    weights = folder / "model.safetensors"
    save_model(untrained_model("resnet18(layer2)+gem+fc16", seed=0), weights)
    dataset = load_dataset("small", data_root=folder / "data")
    result = evaluate(str(weights), dataset, resize=(40, 56))
    yield weights, entry_of(result), folder / "data"


def test_weights_run_again_give_their_predictions(run: tuple[Path, Entry, Path]) -> None:
    weights, entry, data = run
    assert entry.resize and entry.resize.startswith("40x56")
    check = reproduce(weights, entry, data)
    assert (check.name, check.outcome) == ("reproduced", PASSED), check.message


def test_other_weights_are_told(run: tuple[Path, Entry, Path], tmp_path: Path) -> None:
    from vgbench.models import save_model, untrained_model

    _, entry, data = run
    others = tmp_path / "others.safetensors"
    save_model(untrained_model("resnet18(layer2)+gem+fc16", seed=1), others)
    check = reproduce(others, entry, data)
    assert check.outcome == FAILED and "other predictions" in check.message
    save_model(untrained_model("resnet18(layer2)+gem+fc8", seed=0), others)
    check = reproduce(others, entry, data)
    assert check.outcome == FAILED and "8 values for an image, not 16" in check.message


def test_one_prediction_changed_is_told(run: tuple[Path, Entry, Path]) -> None:
    weights, entry, data = run
    rows = entry.rows.copy()
    rows[2, [0, 10]] = rows[2, [10, 0]]
    check = reproduce(weights, replace(entry, rows=rows), data)
    assert (
        check.outcome == FAILED and "1 of 6 queries" in check.message and "query 2" in check.message
    )


def test_what_cannot_be_run_here_is_unknown(run: tuple[Path, Entry, Path], tmp_path: Path) -> None:
    weights, entry, data = run
    for changed, root in (
        (entry, tmp_path),  # not installed
        (replace(entry, content="0" * 64), data),
        (replace(entry, resize="as seems best"), data),
        (replace(entry, resize="40x56, nearest"), data),
        (replace(entry, resize="99999x1, bilinear, antialias, after normalisation"), data),
    ):
        check = reproduce(weights, changed, root)
        assert check.outcome == WARNING and check.message.startswith("unknown"), check


def test_nothing_but_safetensors_is_opened(run: tuple[Path, Entry, Path], tmp_path: Path) -> None:
    """A pickle that would run a program when loaded, under the right name and digest."""
    import pickle

    import torch

    _, entry, data = run
    marker = tmp_path / "ran"

    class Harmful:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, (f"touch {marker}",)

    for name, content in {
        "pickle": pickle.dumps(Harmful()),
        "empty": b"",
        "long header": (2**62).to_bytes(8, "little") + b"{}",
    }.items():
        path = tmp_path / "model.safetensors"
        path.write_bytes(content)
        check = reproduce(path, entry, data)
        assert check.outcome == FAILED and "not a safetensors file" in check.message, name
    torch.save({"weight": torch.zeros(1)}, tmp_path / "saved.safetensors")
    assert reproduce(tmp_path / "saved.safetensors", entry, data).outcome == FAILED
    assert not marker.exists()


@pytest.mark.slow
def test_the_included_model_is_reproduced_on_demo_city(tmp_path: Path) -> None:
    from vgbench import evaluate, submit
    from vgbench.leaderboard.verification import verify_board
    from vgbench.models.included import reference_file

    submit(evaluate("reference", "demo-city/val"), "mine", root=tmp_path)
    report = verify_board(tmp_path, reproduce=True)
    [entry] = report.entries
    assert entry.ok and entry.status == "reproduced"
    outcomes = {check.name: check.outcome for check in entry.checks}
    assert outcomes["reproduced"] == outcomes["weights"] == PASSED
    assert hashlib.sha256(reference_file().read_bytes()).hexdigest() in (
        tmp_path / "submissions" / "mine" / "submission.json"
    ).read_text("utf-8")
