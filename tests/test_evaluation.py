"""From descriptors or a model to recalls with their uncertainty."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vgbench.datasets import Dataset, load_dataset
from vgbench.errors import DescriptorError, UsageError
from vgbench.evaluation import Result, evaluate, score


def reference_hits(
    descriptors: NDArray[np.floating], dataset: Dataset, ns: tuple[int, ...] = (1, 5, 10, 20)
) -> dict[int, int]:
    """Hits by full float64 distances and stable sorting: slow, and beyond doubt."""
    split = len(dataset.database_paths)
    wide = descriptors.astype(np.float64)
    database, queries = wide[:split], wide[split:]
    counts = dict.fromkeys(ns, 0)
    for query, where in zip(queries, dataset.query_positions, strict=True):
        distances = ((database - query) ** 2).sum(axis=1)
        order = np.argsort(distances, kind="stable")
        apart = dataset.database_positions[order] - where
        near = (apart**2).sum(axis=1) <= 25.0**2
        for n in ns:
            counts[n] += bool(near[:n].any())
    return counts


@pytest.mark.parametrize("offset", [0.0, 1_000.0])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("kind", ["plain", "duplicates", "few values"])
def test_hits_equal_a_slow_float64_reference(
    city: Path, kind: str, dtype: type[np.floating], offset: float
) -> None:
    dataset = load_dataset(city)
    random = np.random.default_rng(1)
    descriptors = random.normal(size=(len(dataset), 8)) + offset
    if kind == "duplicates":
        descriptors[1:24:2] = descriptors[0:24:2]
    if kind == "few values":  # ties everywhere
        descriptors = np.round(descriptors - offset).clip(-1, 1) + offset
        descriptors[descriptors.any(axis=1) == 0, 0] = 1
    descriptors = descriptors.astype(dtype)
    assert score(descriptors, dataset).hits == reference_hits(descriptors, dataset)


def test_a_query_without_a_positive_counts_and_is_reported(
    city: Path, good_descriptors: NDArray[np.float32]
) -> None:
    result = score(good_descriptors, city)
    assert result.queries == 7
    assert result.queries_without_positives == 1
    assert result.hits == {1: 6, 5: 6, 10: 6, 20: 6}
    assert result.recalls[1] == pytest.approx(100 * 6 / 7)
    low, high = result.intervals[1]
    assert 0 < low < result.recalls[1] < high < 100


def test_a_positive_at_exactly_25_metres_counts_and_beyond_does_not(tmp_path: Path) -> None:
    from PIL import Image

    for name in (
        "database/@0500025.00@4180000.00@.png",
        "database/@0600025.01@4180000.00@.png",
        "queries/@0500000.00@4180000.00@.png",
        "queries/@0600000.00@4180000.00@.png",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    result = score(np.eye(2, dtype=np.float32)[[0, 1, 0, 1]], tmp_path)
    assert result.first_hits.tolist() == [0, -1]
    assert result.queries_without_positives == 1


def test_one_array_and_a_pair_give_the_same(
    city: Path, good_descriptors: NDArray[np.float32]
) -> None:
    whole = score(good_descriptors, city)
    pair = score((good_descriptors[:24], good_descriptors[24:]), city)
    assert whole.descriptors_digest == pair.descriptors_digest
    np.testing.assert_array_equal(whole.predictions.rows, pair.predictions.rows)


def test_the_printed_document_holds_what_was_promised(
    city: Path, good_descriptors: NDArray[np.float32]
) -> None:
    document = json.loads(json.dumps(score(good_descriptors, city).to_json()))
    assert document["dataset"] == "my-city"
    assert document["hits"]["1"] == 6
    assert document["recall"]["20"] == pytest.approx(85.7143)
    assert document["interval"]["1"][0] < 85.7 < document["interval"]["1"][1]
    promised = {
        "dataset", "split", "fingerprint", "database", "queries", "queries_without_positives",
        "distance", "dimension", "hits", "recall", "interval", "predictions", "seconds",
    }  # fmt: skip
    assert promised <= document.keys()


def test_a_result_and_its_dataset_are_shown_in_one_line_each(
    city: Path, good_descriptors: NDArray[np.float32]
) -> None:
    result = score(good_descriptors, city)
    assert repr(result).startswith("<Result on my-city/test, 7 queries, l2: R@1 85.7 [48.7–97.4],")
    assert repr(result.dataset).startswith("<Dataset my-city/test: ")
    assert max(len(repr(result)), len(repr(result.dataset)) - len(str(city))) < 200


def test_l2_on_descriptors_of_other_lengths_says_what_cosine_would_give(
    city: Path, good_descriptors: NDArray[np.float32]
) -> None:
    assert score(good_descriptors, city).warnings == ()
    stretched = good_descriptors * np.linspace(1, 50, 31, dtype=np.float32)[:, None]
    result = score(stretched, city)
    cosine = score(stretched, city, distance="cosine")
    assert cosine.warnings == ()
    assert f"{cosine.recalls[1]:.1f}" in result.warnings[0]
    assert cosine.recalls[1] > result.recalls[1]


def test_recalls_do_not_change_when_images_are_renamed_into_another_order(
    city: Path, good_descriptors: NDArray[np.float32]
) -> None:
    """The order of rows follows the names; permuting both changes nothing but the order."""
    expected = score(good_descriptors, city).hits
    order = np.random.default_rng(3).permutation(24)
    paths = sorted((city / "database").iterdir())
    rows = np.empty_like(good_descriptors[:24])
    for new, old in enumerate(order):
        (folder := city / "database" / f"{new:02}").mkdir()
        paths[old].rename(folder / paths[old].name)
        rows[new] = good_descriptors[old]
    assert score((rows, good_descriptors[24:]), city).hits == expected


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((30, 4), "31 images"),
        ((31,), "1 dimension"),
        ((31, 2, 2), "3 dimension"),
    ],
)
def test_an_array_of_the_wrong_shape_is_refused(
    city: Path, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(DescriptorError, match=message):
        score(np.ones(shape, np.float32), city)


def test_rows_that_are_not_finite_are_named_by_image(
    city: Path, good_descriptors: NDArray[np.float32]
) -> None:
    good_descriptors[3] = np.nan
    good_descriptors[25] = np.inf
    with pytest.raises(DescriptorError, match=r"(?s)0548030\.00.*0548040\.00"):
        score(good_descriptors, city)


def test_descriptors_too_far_apart_for_float32_are_refused(
    city: Path, good_descriptors: NDArray[np.float32]
) -> None:
    with pytest.raises(DescriptorError, match="scale them down"):
        score(good_descriptors.astype(np.float64) * 1e60, city)


def test_too_few_predictions_and_unknown_distances_are_refused(
    city: Path, good_descriptors: NDArray[np.float32]
) -> None:
    with pytest.raises(UsageError, match="20"):
        score(good_descriptors, city, top=5)
    with pytest.raises(UsageError, match="l2"):
        score(good_descriptors, city, distance="l1")


def test_hits_by_condition_add_up_to_the_whole() -> None:
    dataset = load_dataset("demo-city/val")
    descriptors = np.random.default_rng(0).normal(size=(len(dataset), 16)).astype(np.float32)
    result = score(descriptors, dataset)
    parts = result.conditions
    assert parts is not None
    assert set(parts) == {"day", "dusk", "night"}
    assert sum(part["queries"] for part in parts.values()) == result.queries
    for n, count in result.hits.items():
        assert sum(part["hits"][n] for part in parts.values()) == count


def test_a_frame_has_a_row_per_query(city: Path, good_descriptors: NDArray[np.float32]) -> None:
    frame = score(good_descriptors, city).to_frame()
    assert len(frame) == 7
    assert frame["first_hit"].tolist() == [0] * 6 + [-1]
    assert (frame["metres"][:6] <= 25).all()
    assert frame["metres"].iloc[6] > 1_000


class TestEvaluatingAModel:
    """With a real network on real files."""

    @pytest.fixture
    def results(self, city: Path) -> tuple[Result, Result]:
        from vgbench.descriptors import extract
        from vgbench.models import untrained_model

        model = untrained_model("resnet18(layer2)+gem+fc512", seed=0)
        return evaluate(model, city), score(extract(model, load_dataset(city)).descriptors, city)

    def test_saved_descriptors_give_the_same_predictions(
        self, results: tuple[Result, Result]
    ) -> None:
        evaluated, scored = results
        np.testing.assert_array_equal(evaluated.predictions.rows, scored.predictions.rows)
        assert evaluated.hits == scored.hits

    def test_the_result_knows_how_it_was_made(self, results: tuple[Result, Result]) -> None:
        result = results[0]
        assert result.model.architecture == "resnet18(layer2)+gem+fc512"
        assert result.model.parameters == 749_121
        assert result.image_size == "48x64"
        assert result.seconds["extraction"] > 0
        assert result.dimension == 512

    def test_any_function_from_images_to_descriptors_is_a_model(self, city: Path) -> None:
        result = evaluate(lambda images: images.mean(dim=(2, 3)), city)
        assert result.dimension == 3
        assert result.model.architecture is None


class TestPoolingInAnotherWay:
    """Weights trained with one pooling, evaluated on purpose with the other."""

    @pytest.fixture
    def checkpoint(self, tmp_path: Path) -> Path:
        from vgbench.models import save_model, untrained_model

        path = tmp_path / "gem.safetensors"
        save_model(untrained_model("resnet18(layer2)+gem+fc32", seed=0), path)
        return path

    @pytest.mark.parametrize(
        "layout", ["resnet18(layer1)+{}+fc32", "resnet18(layer1)+l2+{}+fc32+l2"]
    )
    @pytest.mark.parametrize("trained", ["gem", "avg"])
    def test_everything_but_the_pooling_is_that_of_the_file(
        self, tmp_path: Path, layout: str, trained: str
    ) -> None:
        import torch

        from vgbench.models import load_model, save_model, untrained_model
        from vgbench.models.networks import Average, GeM

        wanted = "avg" if trained == "gem" else "gem"
        path = tmp_path / "weights.safetensors"
        save_model(untrained_model(layout.format(trained), seed=1), path)
        usual, other = load_model(path), load_model(path, pooling=wanted)
        assert usual.architecture == layout.format(trained)
        assert other.architecture.startswith(f"{layout.format(wanted)} (trained with {trained}")
        assert other.parameters - usual.parameters == (1 if wanted == "gem" else -1)
        assert other.digest == usual.digest
        kept = other.module.state_dict()
        for name, tensor in usual.module.state_dict().items():
            if name not in ("pooling.p", "aggregation.1.p"):
                assert torch.equal(kept[name], tensor), name
        kinds = {type(module) for module in other.module.modules()} & {GeM, Average}
        assert kinds == {GeM if wanted == "gem" else Average}
        assert not other.module.training
        if wanted == "gem":  # nothing trained this exponent, and the entry says so
            assert "p = 3 not trained" in other.architecture

    def test_the_descriptors_are_those_of_average_pooling(
        self, checkpoint: Path, city: Path
    ) -> None:
        import torch

        from vgbench.models import load_model

        gem, avg = load_model(checkpoint), load_model(checkpoint, pooling="avg")
        images = torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            expected = gem.module.fc(gem.module.features(images).mean(dim=(2, 3)))  # type: ignore[operator]
            assert torch.allclose(avg.module(images), expected, atol=1e-6)
            assert not torch.allclose(gem.module(images), expected, atol=1e-3)
        result = evaluate(checkpoint, city, pooling="avg")
        assert result.model.architecture == "resnet18(layer2)+avg+fc32 (trained with gem)"
        assert evaluate(avg, city).hits == result.hits

    def test_its_own_pooling_changes_nothing(self, checkpoint: Path) -> None:
        from vgbench.models import load_model

        assert load_model(checkpoint, pooling="gem").architecture == "resnet18(layer2)+gem+fc32"
        assert load_model("reference", pooling="gem").is_reference

    def test_the_included_weights_with_another_pooling_are_not_the_included_model(self) -> None:
        from vgbench.models import load_model

        other = load_model("reference", pooling="avg")
        assert not other.is_reference
        assert other.digest == load_model("reference").digest
        dataset = load_dataset("demo-city/val")
        assert evaluate(other, dataset).status == "verified"

    def test_without_the_request_nothing_is_dropped_and_the_way_is_told(
        self, tmp_path: Path
    ) -> None:
        import torch

        from vgbench.errors import ModelError
        from vgbench.models import load_model, untrained_model

        path = tmp_path / "study.pth"  # no metadata: the architecture is what one says
        torch.save(untrained_model("resnet18(layer2)+gem+fc32").module.state_dict(), path)
        with pytest.raises(ModelError, match=r"(?s)pooling\.p.*--pooling avg"):
            load_model(path, arch="resnet18(layer2)+avg+fc32")
        assert "trained with gem" in load_model(path, pooling="avg").architecture

    def test_a_missing_parameter_is_missing_whatever_the_pooling(self, tmp_path: Path) -> None:
        import torch

        from vgbench.errors import ModelError
        from vgbench.models import load_model, untrained_model

        state = untrained_model("resnet18(layer2)+gem+fc32").module.state_dict()
        state["pooling.q"] = state.pop("pooling.p")
        torch.save(state, tmp_path / "renamed.pth")
        with pytest.raises(ModelError, match=r"pooling\.q"):
            load_model(tmp_path / "renamed.pth", pooling="avg")

    def test_what_is_no_pooling_or_no_checkpoint_is_refused(
        self, checkpoint: Path, city: Path
    ) -> None:
        from vgbench.errors import ModelError

        with pytest.raises(ModelError, match="gem or avg"):
            evaluate(checkpoint, city, pooling="max")
        with pytest.raises(UsageError, match="loaded already"):
            evaluate(lambda images: images.mean(dim=(2, 3)), city, pooling="avg")


def test_intervals_shrink_with_more_queries() -> None:
    from vgbench.evaluation import percent_interval

    widths = [high - low for low, high in (percent_interval(n // 2, n) for n in (10, 100, 1000))]
    assert all(wide > narrow for wide, narrow in itertools.pairwise(widths))


@pytest.mark.parametrize("option", [{"distance": "cos"}, {"top": 5}, {"threshold": -1.0}])
def test_wrong_options_are_refused_before_any_image_is_described(
    city: Path, option: dict[str, object]
) -> None:
    def model(images: object) -> object:
        raise AssertionError("described an image")

    with pytest.raises(UsageError):
        evaluate(model, city, **option)


def test_what_holds_numbers_is_scored_and_the_rest_is_refused(
    city: Path, good_descriptors: NDArray[np.float32]
) -> None:
    expected = score(good_descriptors, city).hits
    torch = pytest.importorskip("torch")
    assert score(torch.from_numpy(good_descriptors), city).hits == expected
    assert score(good_descriptors.astype(np.float64).tolist(), city).hits == expected
    for bad in (
        good_descriptors.astype(np.int64),
        good_descriptors.astype(object),
        good_descriptors.astype(np.complex64),
        good_descriptors[:, :0],
        [good_descriptors],
        [[1.0, 2.0], [3.0]],
        None,
        "descriptors.npy",
    ):
        with pytest.raises(DescriptorError):
            score(bad, city)
