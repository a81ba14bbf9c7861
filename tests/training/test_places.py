"""Training images come by place, the same ones whatever process makes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("pytorch_metric_learning")

from vgbench.errors import DatasetError
from vgbench.training.ingredients import make_transform
from vgbench.training.places import IMAGES_PER_PLACE, Places
from vgbench.training.recipes import load_recipe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six places with five images each, one with three, in two cities; colours tell them apart."""
    for place in range(7):
        city = tmp_path / ("here" if place % 2 else "there")
        city.mkdir(exist_ok=True)
        for number in range(3 if place == 6 else 5):
            colour = (30 * place, 40 * number, 0)
            name = f"@{place}.00@{number}.00@32@T@@@x{number}@@@@@@@{place:04}@.jpg"
            Image.new("RGB", (16, 12), colour).save(city / name, quality=100)
    return tmp_path


def jittered(image: Image.Image) -> Image.Image:
    """A transform that draws from torch's random numbers."""
    shift = int(torch.randint(0, 50, ()))
    return image.point(lambda value: min(255, value + shift))


def test_places_with_fewer_than_four_images_are_left_out(folder: Path) -> None:
    assert len(Places(folder, lambda image: image)) == 6


def test_an_item_is_four_different_images_of_one_place(folder: Path) -> None:
    item = Places(folder, lambda image: image)[2]
    assert item.shape == (IMAGES_PER_PLACE, 12, 16, 3)
    assert item.dtype == torch.uint8
    reds, greens = item[..., 0].float().mean((1, 2)), item[..., 1].float().mean((1, 2))
    assert float(reds.max() - reds.min()) < 4
    assert len({round(float(green) / 40) for green in greens}) == IMAGES_PER_PLACE


def test_a_batch_says_which_images_are_of_one_place(folder: Path) -> None:
    batches = list(Places(folder, lambda image: image).batches(4, epoch=0, workers=0))
    assert len(batches) == 1  # the two places left over make no batch
    images, labels = batches[0]
    assert images.shape == (16, 12, 16, 3)
    reds = images[..., 0].float().mean((1, 2))
    for place in range(4):
        own = reds[labels == place]
        assert len(own) == IMAGES_PER_PLACE
        assert float(own.max() - own.min()) < 4


def test_batches_do_not_depend_on_the_number_of_processes(folder: Path) -> None:
    places = Places(folder, jittered, seed=3)
    alone = list(places.batches(3, epoch=1, workers=0))
    for workers in (1, 2):
        beside = list(places.batches(3, epoch=1, workers=workers))
        for (a, _), (b, _) in zip(alone, beside, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_epochs_and_seeds_differ(folder: Path) -> None:
    def first(seed: int, epoch: int) -> torch.Tensor:
        return next(Places(folder, jittered, seed).batches(6, epoch, workers=0))[0]

    assert not torch.equal(first(0, 0), first(0, 1))
    assert not torch.equal(first(0, 0), first(1, 0))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_that_goes_on_with_another_epoch_gives_that_epochs_batches(
    folder: Path, workers: int
) -> None:
    places = Places(folder, jittered, seed=3)
    fresh = [list(places.batches(3, epoch, workers=0)) for epoch in range(3)]
    going = places.loader(3, 0, workers)
    for epoch in range(3):
        going.sampler.epoch = epoch  # type: ignore[attr-defined]
        for (a, _), (b, _) in zip(going, fresh[epoch], strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_images_of_other_sizes_and_empty_folders_are_explained(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    Image.new("RGB", (8, 8)).save(folder / "here" / "@1.00@1.00@@@@@@@@@@@@0001@.jpg")
    with pytest.raises(DatasetError, match="one size"):
        next(Places(folder, lambda image: image).batches(2, 0))
    with pytest.raises(DatasetError, match="place id"):
        Places(tmp_path_factory.mktemp("empty"), lambda image: image)


def test_decoding_once_or_every_time_gives_the_same(folder: Path) -> None:
    kept, fresh = (Places(folder, jittered, 3, in_memory=memory) for memory in (True, False))
    for a, b in zip(kept.batches(3, 0, workers=0), fresh.batches(3, 0, workers=0), strict=True):
        np.testing.assert_array_equal(a[0].numpy(), b[0].numpy())


def test_images_are_kept_where_all_that_keep_them_find_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = 33 * 12 * 16 * 3
    monkeypatch.setattr("vgbench.training.places._free_memory", lambda: 3 * needed)
    assert Places(folder, jittered).images is not None
    assert Places(folder, jittered, sharers=2).images is None


def test_several_processes_share_the_places_of_an_epoch(folder: Path) -> None:
    places = Places(folder, lambda image: image)
    seen = []
    for rank in range(2):
        batches = list(places.loader(3, epoch=2, workers=0, rank=rank, ranks=2))
        assert len(batches) == 1
        seen += [round(float(r) / 30) for r in batches[0][0][::4, ..., 0].float().mean((1, 2))]
    assert sorted(seen) == list(range(6))


def test_images_of_several_sizes_are_resized_when_asked(folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "here" / "@1.00@1.00@@@@@@@@@@@@0001@.jpg")
    Image.new("RGB", (8, 8)).save(folder / "here" / "@1.00@1.00@@@@@@@@@@@@0001@.png")
    places = Places(folder, lambda image: image, images_per_place=5, size=(32, 40))
    assert places[0].shape == (5, 32, 40, 3)
    assert places.dropped == 1
    assert len(places.paths) == 6 * 5 + 2


def test_names_without_a_place_are_listed(folder: Path) -> None:
    Image.new("RGB", (16, 12)).save(folder / "here" / "photo.jpg")
    with pytest.raises(DatasetError, match=r"(?s)1 names.*here/photo.jpg"):
        Places(folder, lambda image: image)


def test_another_file_makes_another_digest(folder: Path) -> None:
    before = Places(folder, lambda image: image).digest()
    assert before == Places(folder, lambda image: image, in_memory=False).digest()
    next((folder / "here").glob("*.jpg")).write_bytes(
        next((folder / "there").glob("*.jpg")).read_bytes() + b"more"
    )
    assert Places(folder, lambda image: image).digest() != before


@pytest.mark.slow
def test_processes_that_are_not_forked_give_the_same_without_copies_of_the_images(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transform = make_transform(load_recipe("jitter"))
    expected = list(Places(folder, transform, seed=3).batches(3, 1, workers=0))
    monkeypatch.setattr("vgbench.training.places.START", "spawn")
    places = Places(folder, transform, seed=3)
    batches = list(places.batches(3, 1, workers=2))
    for (images, labels), (wanted, of) in zip(batches, expected, strict=True):
        assert torch.equal(images, wanted)
        assert torch.equal(labels, of)
    assert places.images is not None
    assert places.images.is_shared()
