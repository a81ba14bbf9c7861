"""`vgbench evaluate` and `vgbench extract`, from images to a row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Vgbench = Callable[..., object]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Lightning checkpoint of the study's network, its weights untrained."""
    import torch

    from vgbench.models import untrained_model

    path = tmp_path_factory.mktemp("weights") / "model.ckpt"
    network = untrained_model("resnet18(layer2)+gem+fc512", seed=0).module
    torch.save({"state_dict": network.state_dict(), "epoch": 9}, path)
    return path


def test_saved_and_submitted_descriptors_give_the_same_predictions(
    vgbench: Vgbench, photographs: Path, checkpoint: Path, tmp_path: Path
) -> None:
    """Real photographs: images → row, and images → file → row."""
    import pyarrow.parquet as pq

    folder = photographs / "sf_pairs"
    evaluated = vgbench("evaluate", checkpoint, "-d", folder, "--json")
    assert evaluated.code == 0, evaluated.err
    extracted = vgbench("extract", checkpoint, "-d", folder, "-o", tmp_path / "d.npy", "--json")
    assert extracted.code == 0, extracted.err
    assert np.load(tmp_path / "d.npy").shape == (40, 512)
    submitted = vgbench("submit", tmp_path / "d.npy", "-d", folder, "--json")
    assert submitted.code == 0, submitted.err
    ours, theirs = (ran.document["results"][0] for ran in (evaluated, submitted))
    assert ours["hits"] == theirs["hits"]
    assert ours["fingerprint"] == theirs["fingerprint"]
    tables = [pq.read_table(result["predictions"]).to_pydict() for result in (ours, theirs)]
    assert tables[0]["rows"] == tables[1]["rows"]
    rows = vgbench("leaderboard", "--json").document
    assert {row["slug"] for row in rows} == {"model", "d"}
    assert len({row["recall_1"] for row in rows}) == 1


def test_evaluating_the_same_again_enters_nothing(
    vgbench: Vgbench, city: Path, checkpoint: Path
) -> None:
    first = vgbench("evaluate", checkpoint, "-d", city, "--json").document
    again = vgbench("evaluate", checkpoint, "-d", city, "--json").document
    assert (first["submission"], first["new"]) == ("model", True)
    assert (again["submission"], again["new"]) == ("model", False)
    named = vgbench("evaluate", checkpoint, "-d", city, "--json", "--name", "other").document
    assert (named["submission"], named["new"]) == ("other", True)


def test_no_submit_leaves_the_board_empty(vgbench: Vgbench, city: Path, checkpoint: Path) -> None:
    ran = vgbench("evaluate", checkpoint, "-d", city, "--no-submit", "--json")
    assert ran.code == 0, ran.err
    assert ran.document["submission"] is None
    assert ran.document["results"][0]["queries"] == 7
    assert vgbench("leaderboard", "--json").document == []


def test_images_without_positions_are_explained(
    vgbench: Vgbench, photographs: Path, checkpoint: Path
) -> None:
    ran = vgbench("evaluate", checkpoint, "-d", photographs / "toy_unlabelled")
    assert ran.code == 1
    assert "db1.jpg" in ran.err
    assert "@<UTM easting>@<UTM northing>@" in ran.err


def test_an_image_that_does_not_decode_is_named(
    vgbench: Vgbench, city: Path, checkpoint: Path
) -> None:
    victim = sorted((city / "database").iterdir())[3]
    victim.write_bytes(victim.read_bytes()[:200])
    ran = vgbench("evaluate", checkpoint, "-d", city)
    assert ran.code == 1
    assert victim.name in ran.err


def test_images_changed_since_the_import_are_an_error(
    vgbench: Vgbench, city: Path, checkpoint: Path, tmp_path: Path
) -> None:
    assert vgbench("datasets", "import", "mine", city, "--data-root", tmp_path / "d").code == 0
    victim = sorted((tmp_path / "d" / "mine" / "test" / "queries").iterdir())[0]
    victim.chmod(0o644)
    victim.write_bytes(sorted((city / "database").iterdir())[0].read_bytes() + b"\0")
    ran = vgbench("evaluate", checkpoint, "-d", "mine", "--data-root", tmp_path / "d")
    assert ran.code == 1
    assert victim.name in ran.err
    assert "verify" in ran.err


def test_of_several_datasets_a_changed_one_is_found_before_the_work_begins(
    vgbench: Vgbench, city: Path, checkpoint: Path, tmp_path: Path
) -> None:
    assert vgbench("datasets", "import", "mine", city, "--data-root", tmp_path / "d").code == 0
    victim = sorted((tmp_path / "d" / "mine" / "test" / "queries").iterdir())[0]
    victim.unlink()
    ran = vgbench(
        "evaluate", checkpoint, "-d", "demo-city", "-d", "mine", "--data-root", tmp_path / "d",
        "--device", "no-such-device",
    )  # fmt: skip
    assert ran.code == 1
    assert victim.name in ran.err  # the device is looked for only when the work begins


def test_a_renamed_parameter_is_refused_with_both_names(
    vgbench: Vgbench, city: Path, checkpoint: Path, tmp_path: Path
) -> None:
    import torch

    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    state["fc.weigth"] = state.pop("fc.weight")
    torch.save(state, tmp_path / "renamed.pth")
    ran = vgbench(
        "evaluate", tmp_path / "renamed.pth", "-d", city, "--arch", "resnet18(layer2)+gem+fc512"
    )
    assert ran.code == 1
    assert "fc.weigth" in ran.err
    assert "fc.weight" in ran.err


def test_a_dataset_that_is_not_there_is_explained(vgbench: Vgbench, checkpoint: Path) -> None:
    ran = vgbench("evaluate", checkpoint, "-d", "tokyo-xs")
    assert ran.code == 1
    assert "vgbench datasets import tokyo-xs" in ran.err
    ran = vgbench("evaluate", checkpoint, "-d", "tokio-xs")
    assert ran.code == 1
    assert "tokyo-xs" in ran.err


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["-d", "{city}"], "given more than once"),
        (["--link", "ftp://example.org"], "ftp://example.org"),
        (["--notes", "x" * 3000], "3,000"),
        (["--distance", "cos"], "cos"),
    ],
)
def test_what_cannot_be_entered_is_refused_before_the_work(
    vgbench: Vgbench, city: Path, checkpoint: Path, options: list[str], found: str
) -> None:
    for folder in ("database", "queries"):
        for image in (city / folder).iterdir():  # a header and nothing else: found when decoded
            image.write_bytes(image.read_bytes().partition(b"\xff\xda")[0] + b"\xff\xd9")
    ran = vgbench("evaluate", checkpoint, "-d", city, *(o.format(city=city) for o in options))
    assert ran.code in (1, 2)
    assert found in ran.err
    assert "decode" not in ran.err


def test_descriptors_are_not_written_over_or_beside_a_folder(
    vgbench: Vgbench, city: Path, checkpoint: Path
) -> None:
    for folder in (".", city):
        ran = vgbench("extract", checkpoint, "-d", city, "-o", folder)
        assert ran.code == 2
        assert "is a folder" in ran.err


def test_another_pooling_is_an_entry_of_its_own_that_says_so(
    vgbench: Vgbench, city: Path, checkpoint: Path
) -> None:
    usual = vgbench("evaluate", checkpoint, "-d", city, "--json")
    other = vgbench("evaluate", checkpoint, "-d", city, "--pooling", "avg", "--json")
    assert (usual.code, other.code) == (0, 0), other.err
    assert other.document["submission"] == "model-avg-pooling"
    rows = {row["slug"]: row for row in vgbench("leaderboard", "--json").document}
    assert rows["model-avg-pooling"]["architecture"] == (
        "resnet18(layer2)+avg+fc512 (trained with gem)"
    )
    assert rows["model"]["architecture"] == "resnet18(layer2)+gem+fc512"


def test_the_included_weights_with_another_pooling_are_never_reproduced(
    vgbench: Vgbench,
) -> None:
    ran = vgbench("evaluate", "reference", "-d", "demo-city/val", "--pooling", "avg", "--json")
    assert ran.code == 0, ran.err
    assert (ran.document["submission"], ran.document["status"]) == (
        "reference-avg-pooling", "verified",
    )  # fmt: skip


def test_a_baseline_extracts_what_it_evaluates(
    vgbench: Vgbench, photographs: Path, tmp_path: Path
) -> None:
    folder = photographs / "sf_pairs"
    evaluated = vgbench("evaluate", "hog-grid", "-d", folder, "--json")
    extracted = vgbench("extract", "hog-grid", "-d", folder, "-o", tmp_path / "d.npy", "--json")
    assert (evaluated.code, extracted.code) == (0, 0), evaluated.err + extracted.err
    assert extracted.document["architecture"] == "hog-16x12-cells-9-orientations"
    submitted = vgbench("submit", tmp_path / "d.npy", "-d", folder, "--json")
    assert submitted.document["results"][0]["hits"] == evaluated.document["results"][0]["hits"]
    rows = {row["slug"]: row for row in vgbench("leaderboard", "--json").document}
    assert rows["hog-grid"]["backbone"] is None
    assert rows["hog-grid"]["training_data"] == "none"


def test_a_model_that_is_not_there_is_answered_with_the_names(vgbench: Vgbench) -> None:
    ran = vgbench("evaluate", "hog-gird")
    assert ran.code == 1
    for name in ("reference", "thumbnail", "rgb-histogram", "hsv-histogram", "hog-grid"):
        assert name in ran.err
    assert "Did you mean hog-grid?" in ran.err
    helped = vgbench("evaluate", "--help").out
    assert all(name in helped for name in ("'thumbnail'", "'hog-grid'", "--pooling"))


def test_a_file_called_like_a_baseline_is_reached_by_its_path(
    vgbench: Vgbench, city: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("thumbnail", "reference"):
        (tmp_path / name).write_bytes(checkpoint.read_bytes())
    monkeypatch.chdir(tmp_path)
    by_name = vgbench("evaluate", "thumbnail", "-d", city, "--no-submit", "--json").document
    by_path = vgbench("evaluate", "./thumbnail", "-d", city, "--no-submit", "--json").document
    assert by_name["results"][0]["dimension"] == 576
    assert by_path["results"][0]["dimension"] == 512
    own = vgbench("evaluate", "./reference", "-d", city, "--json").document
    assert own["status"] == "unverified"
    assert own["results"][0]["hits"] == by_path["results"][0]["hits"]
