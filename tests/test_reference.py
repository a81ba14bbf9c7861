"""The included model on the included dataset: what the README promises."""

from __future__ import annotations

import pytest

import vgbench
from vgbench.evaluation import Result


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    dataset = vgbench.load_dataset("demo-city", data_root=tmp_path_factory.mktemp("data"))
    return vgbench.evaluate("reference", dataset)


def test_it_is_good_but_does_not_solve_the_city(result: Result) -> None:
    assert 45 <= result.recalls[1] <= 90


def test_it_scores_what_its_card_says_within_rounding(result: Result) -> None:
    """Another processor may turn a near-tie round, no more."""
    assert result.hits[1] == pytest.approx(149, abs=2)
    assert result.hits[20] == pytest.approx(228, abs=2)


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
