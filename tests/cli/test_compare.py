"""`vgbench compare` as users run it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgbench.datasets import load_dataset
from vgbench.entering import submit
from vgbench.evaluation import score

Vgbench = Callable[..., Any]


def enter(name: str, seed: int, night: float = 15.0, split: str = "test") -> Path:
    """Descriptors that are positions with noise, and with another noise at night."""
    dataset = load_dataset("demo-city", split)
    where = np.concatenate([dataset.database_positions, dataset.query_positions])
    labels = np.array([None] * len(dataset.database_paths) + list(dataset.query_conditions or []))
    noise = np.random.default_rng(seed).normal(size=where.shape)
    scale = np.where(labels == "night", night, 15.0)[:, None]
    rows = (where - where.mean(axis=0) + noise * scale).astype(np.float32)
    return submit(score(rows, dataset), name).folder


@pytest.fixture
def two() -> None:
    enter("Method A", 0)
    enter("Method B", 1, night=60.0)


@pytest.mark.usefixtures("two")
def test_the_comparison_fits_80_columns_and_ends_in_a_verdict(vgbench: Vgbench) -> None:
    ran = vgbench("compare", "method-a", "method-b")
    assert ran.code == 0 and ran.err == ""
    assert max(map(len, ran.out.splitlines())) <= 79
    assert "A  method-a (Method A)" in ran.out
    for part in ("R@1 ", "R@20 ", "night ", "only A", "adj. p", "Places for A, at R@1"):
        assert part in ran.out
    assert "method-a is better at R@1" in ran.out and "at night" in ran.out


@pytest.mark.usefixtures("two")
def test_json_is_the_documented_document(vgbench: Vgbench) -> None:
    ran = vgbench("compare", "method-a", "method-b", "--json")
    document = ran.document
    assert list(document) == ["a", "b", "results", "means", "skipped", "verdict"]
    assert [result["n"] for result in document["results"]] == [1, 5, 10, 20]
    for result in document["results"]:
        assert {
            "dataset", "split", "fingerprint", "n", "queries", "only_a", "only_b", "both",
            "neither", "p_value", "p_adjusted", "conditions", "places",
        } <= set(result)  # fmt: skip
        parts = [result[name] for name in ("only_a", "only_b", "both", "neither")]
        assert sum(parts) == result["queries"] == 240
        for name in ("only_a", "only_b", "both", "neither", "queries"):
            assert sum(part[name] for part in result["conditions"].values()) == result[name]
    printed = " ".join(vgbench("compare", "method-a", "method-b").out.split())
    assert document["verdict"] in printed


@pytest.mark.usefixtures("two")
def test_python_gives_what_the_command_prints(vgbench: Vgbench) -> None:
    import vgbench as package

    printed = vgbench("compare", "method-a", "method-b", "--json").document
    found = package.compare("method-a", "method-b")
    assert found.to_json() == printed
    at_one = found.to_frame().query("n == 1 and condition == 'all'").iloc[0]
    assert at_one.dataset == "demo-city" and at_one.split == "test"
    for name in ("only_a", "only_b", "p_value", "recall_a", "recall_b"):
        assert at_one[name] == printed["results"][0][name]
    assert package.load_leaderboard().slug.tolist() == ["method-a", "method-b"]


@pytest.mark.usefixtures("two")
def test_the_document_has_an_item_for_every_dataset_and_n_that_both_have(vgbench: Vgbench) -> None:
    enter("Method A", 2, split="val")
    enter("Method B", 3, split="val")
    dataset = {split: load_dataset("demo-city", split) for split in ("val", "test")}
    rows = np.random.default_rng(5)
    both = [score(rows.random((len(one), 4)).astype(np.float32), one) for one in dataset.values()]
    for name in ("one", "other"):
        submit(both, name)
    document = vgbench("compare", "one", "other", "--json").document
    assert [(result["split"], result["n"]) for result in document["results"]] == [
        (split, n) for split in ("val", "test") for n in (1, 5, 10, 20)
    ]
    assert {result["p_value"] for result in document["results"]} == {1.0}
    assert [mean["n"] for mean in document["means"]] == [1, 5, 10, 20]
    document = vgbench("compare", "method-a-r2", "method-b-r2", "--json").document
    assert {result["split"] for result in document["results"]} == {"val"}


@pytest.mark.usefixtures("two")
def test_one_n_of_one_dataset_is_compared_when_asked_for(vgbench: Vgbench) -> None:
    ran = vgbench("compare", "method-a", "method-b", "-d", "demo-city", "--at", "5", "--json")
    (result,) = ran.document["results"]
    assert (
        result["n"] == 5
        and ran.document["means"] == []
        and result["p_adjusted"] == result["p_value"]
    )


@pytest.mark.usefixtures("two")
def test_misspelt_and_missing_names_are_answered_with_what_there_is(vgbench: Vgbench) -> None:
    ran = vgbench("compare", "method-a", "metod-b")
    assert ran.code == 2 and "Did you mean method-b" in ran.err
    ran = vgbench("compare", "method-a", "method-b", "-d", "tokyo-xs", "--json")
    assert ran.code == 2 and "tokyo-xs" in ran.document["error"]["message"]
    assert vgbench("compare", "method-a").code == 2


@pytest.mark.usefixtures("two")
def test_a_folder_outside_the_board_is_compared_and_a_withdrawn_entry_named(
    vgbench: Vgbench, tmp_path: Path
) -> None:
    board = Path(os.environ["VGBENCH_ROOT"])
    away = tmp_path / "method-b"
    (board / "submissions" / "method-b").rename(away)
    (board / "submissions" / "method-a" / "withdrawn.txt").write_text("a bug\n", "utf-8")
    ran = vgbench("compare", "method-a", away)
    assert ran.code == 0, ran.err
    assert "method-a was withdrawn: a bug" in ran.err
    assert "B  method-b" in ran.out


@pytest.mark.usefixtures("two")
def test_a_page_is_written_beside_the_document(vgbench: Vgbench, tmp_path: Path) -> None:
    page = tmp_path / "compare.html"
    ran = vgbench("compare", "method-a", "method-b", "--html", page, "--json")
    assert ran.code == 0 and f"Wrote {page}" in ran.err
    discordant = [ran.document["results"][0][name] for name in ("only_a", "only_b")]
    text = page.read_text("utf-8")
    assert text.count('<figure class="query">') == sum(discordant)
    assert 'src="data:image/jpeg;base64,' in text and ran.document["verdict"] in text
    ran = vgbench("compare", "method-a", "method-b", "--html", tmp_path)
    assert ran.code == 2 and "is a folder" in ran.err
