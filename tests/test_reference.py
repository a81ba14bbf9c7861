"""The included model on the included dataset: what the README promises."""

from __future__ import annotations

import pytest

import vgbench
from vgbench.evaluation import Result
from vgbench.models.included import reference_file
from vgbench.training.run import best_epoch, read_curve


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    dataset = vgbench.load_dataset("demo-city", data_root=tmp_path_factory.mktemp("data"))
    return vgbench.evaluate("reference", dataset)


def test_it_is_good_but_does_not_solve_the_city(result: Result) -> None:
    assert 45 <= result.recalls[1] <= 90


def test_it_scores_what_its_card_says_within_rounding(result: Result) -> None:
    """Another processor may turn a near-tie round, no more."""
    card = reference_file().with_name("MODEL_CARD.md").read_text(encoding="utf-8")
    (row,) = [line for line in card.splitlines() if line.startswith("| L2 on the descriptors")]
    said = [float(cell.split()[0]) for cell in row.split("|")[2:6]]
    counted = [round(recall * result.queries / 100) for recall in said]
    assert counted == pytest.approx(list(result.hits.values()), abs=2)
    assert f"| SHA-256 | `{result.model.weights_digest}` |" in card
    assert "night, L2" in card


def test_its_weights_tell_the_recipe_that_made_them() -> None:
    from vgbench.models import load_model
    from vgbench.training.recipes import load_recipe

    metadata = load_model("reference").metadata
    recipe = load_recipe("reference")
    assert metadata["recipe"] == recipe.to_toml()
    assert metadata["seed"] == str(recipe.seed)
    curve = read_curve(reference_file().with_name("curve.csv"))
    assert len(curve) == recipe.epochs
    assert metadata["best_epoch"] == str(best_epoch(curve))


def test_its_row_is_reproduced_and_says_which_images_it_saw(result: Result) -> None:
    assert result.status == "reproduced"
    assert result.image_size == "192x256"
    assert result.queries_without_positives == 3
    assert result.model.weights_digest is not None


def test_it_is_far_above_the_same_network_untrained(result: Result) -> None:
    from vgbench.models import untrained_model

    untrained = vgbench.evaluate(
        untrained_model("resnet18(layer2)+gem+fc512", seed=0), result.dataset
    )
    assert result.recalls[1] > untrained.recalls[1] + 20
    assert untrained.recalls[1] < 30
