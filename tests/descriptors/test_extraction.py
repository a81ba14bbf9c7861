"""From image files to descriptors, by every route, against the field's plain loop."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms

from vgbench.datasets import load_dataset
from vgbench.descriptors.extraction import Extraction, choose_device, extract
from vgbench.errors import DatasetChanged, ImageError, ModelError, UsageError
from vgbench.models import LoadedModel, untrained_model

FIELD = transforms.Compose(
    [
        transforms.ToTensor(),
        transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
    ]
)


@dataclass
class Split:
    """What extraction needs of a dataset, over any folder of images and without a manifest."""

    folder: Path
    id: str = "small"
    checked: int = 0

    def _paths(self, kind: str) -> list[str]:
        files = (path for path in (self.folder / kind).rglob("*") if path.is_file())
        return sorted(path.relative_to(self.folder).as_posix() for path in files)

    def _sizes(self, paths: list[str]) -> NDArray[np.int32]:
        sizes = []
        for path in paths:
            with Image.open(self.folder / path) as image:
                sizes.append((image.height, image.width))
        return np.array(sizes, np.int32).reshape(-1, 2)

    def __post_init__(self) -> None:
        self.database_paths = self._paths("database")
        self.query_paths = self._paths("queries")
        self.database_sizes = self._sizes(self.database_paths)
        self.query_sizes = self._sizes(self.query_paths)

    def image_path(self, name: str) -> Path:
        return self.folder / name

    def check_unchanged(self) -> None:
        self.checked += 1


def picture(seed: int, height: int, width: int) -> Image.Image:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """Nine database images and five queries of three sizes, interleaved."""
    folder = tmp_path_factory.mktemp("split")
    sizes = [(72, 96), (72, 96), (96, 72)]
    for kind, count in (("database", 9), ("queries", 5)):
        (folder / kind).mkdir()
        for i in range(count):
            height, width = sizes[i % 3] if kind == "database" else (80, 80 + 8 * (i % 2))
            name = f"@{500_000 + i}@4000000@{i}@.jpg"
            picture(i + 100 * len(kind), height, width).save(folder / kind / name, quality=90)
    return Split(folder)


@pytest.fixture(scope="module")
def study() -> LoadedModel:
    model = untrained_model("resnet18(layer2)+gem+fc64", seed=1)
    for layer in model.module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    return model


def field_loop(
    model: Callable[[Tensor], Any], split: Split, resize: list[int] | None = None
) -> NDArray[np.float32]:
    """One image at a time, as the field's scripts do it."""
    rows = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two threads on a busy machine wait for each other
    with torch.no_grad():
        for name in (*split.database_paths, *split.query_paths):
            image = FIELD(Image.open(split.folder / name).convert("RGB"))
            if resize is not None:
                image = transforms.functional.resize(image, resize, antialias=True)
            rows.append(model(image[None])[0].numpy())
    torch.set_num_threads(threads)
    return np.stack(rows)


@pytest.fixture(scope="module")
def expected(study: LoadedModel, split: Split) -> NDArray[np.float32]:
    return field_loop(study.module, split)


def assert_close(found: Extraction, expected: NDArray[np.float32], tolerance: float = 3e-6) -> None:
    assert found.descriptors.dtype == np.float32
    assert found.descriptors.shape == expected.shape
    difference = np.abs(found.descriptors - expected).max()
    assert difference <= tolerance * np.abs(expected).max()


def describe(model: Any, split: Split, **options: Any) -> Extraction:
    return extract(model, split, device="cpu", progress=False, **options)  # type: ignore[arg-type]


class Generic(nn.Module):
    """Somebody's network: a shared batch norm, a branch, a dropout, an output in a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 6, 3, padding=1)
        self.drop = nn.Dropout(0.5)

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        x = torch.relu(self.norm(self.first(images)))
        x = x + self.norm(self.second(x))
        return self.drop(x.mean(dim=(2, 3))), None


def make_generic() -> Generic:
    torch.manual_seed(0)
    model = Generic()
    assert model.norm.running_var is not None
    model.norm.running_var.fill_(0.3)
    return model


# --- The same descriptors by every route --------------------------------------------------------


def test_descriptors_equal_the_plain_loop_row_by_row(
    study: LoadedModel, split: Split, expected: NDArray[np.float32]
) -> None:
    before = split.checked
    found = describe(study, split)
    assert_close(found, expected)
    assert split.checked == before + 1
    assert found.resize == "native size"
    assert found.image_size == "4 sizes, 80x80 to 80x88"
    assert found.image_sizes[:3].tolist() == [[72, 96], [72, 96], [96, 72]]
    assert found.device == "cpu"
    assert found.settings["folded_batch_norms"] == 10
    assert 0 <= found.seconds["setup"] < found.seconds["extraction"]


@pytest.mark.parametrize("batch", [1, 2, 3, 64])
def test_the_batch_size_does_not_change_descriptors(
    study: LoadedModel, split: Split, expected: NDArray[np.float32], batch: int
) -> None:
    found = describe(study, split, batch=batch)
    assert found.settings["batch"] == batch
    assert_close(found, expected)


@pytest.mark.parametrize(
    ("resize", "field_size", "rule", "image_size"),
    [
        ((64, 48), [64, 48], "64x48, bilinear, antialias, after normalisation", "64x48"),
        (50, [50], "shorter side 50, bilinear, antialias, after normalisation", None),
        (120, [120], "shorter side 120, bilinear, antialias, after normalisation", None),
    ],
)
def test_resizing_follows_the_field_and_is_recorded(
    study: LoadedModel,
    split: Split,
    resize: Any,
    field_size: list[int],
    rule: str,
    image_size: str | None,
) -> None:
    found = describe(study, split, resize=resize)
    assert_close(found, field_loop(study.module, split, field_size))
    assert found.resize == rule
    if image_size:
        assert found.image_size == image_size
        assert (found.image_sizes == [64, 48]).all()
    else:
        assert (found.image_sizes.min(axis=1) == resize).all()


def test_real_photographs_of_mixed_sizes_give_the_plain_loops_descriptors(
    study: LoadedModel, photographs: Path
) -> None:
    split = Split(photographs / "toy_unlabelled")
    found = describe(study, split, resize=128)
    assert_close(found, field_loop(study.module, split, [128]))


def test_a_loaded_dataset_is_described_and_a_change_of_its_images_is_noticed(
    study: LoadedModel, photographs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pairs"
    shutil.copytree(photographs / "sf_pairs", folder)
    dataset = load_dataset(folder)
    found = extract(study, dataset, device="cpu", resize=96, progress=False)
    assert_close(found, field_loop(study.module, Split(folder), [96]))
    changed = dataset.image_path(dataset.query_paths[0])
    picture(1, 215, 216).save(changed)
    os.utime(changed, (1, 1))
    with pytest.raises(DatasetChanged) as caught:
        extract(study, dataset, device="cpu", progress=False)
    assert changed.name in str(caught.value)


def test_any_module_works_and_is_left_as_it_was(split: Split) -> None:
    model = make_generic()
    model.train()
    model.drop.eval()
    expected = field_loop(lambda images: model.eval()(images)[0], split)
    model.train()
    model.drop.eval()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    found = describe(model, split)
    assert_close(found, expected)
    assert model.training and model.norm.training and not model.drop.training
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert found.settings["folded_batch_norms"] == 0  # the one norm serves two convolutions


def test_any_function_works_and_runs_in_the_calling_thread(split: Split) -> None:
    threads = set()

    def mean_colour(images: Tensor) -> Tensor:
        threads.add(threading.current_thread())
        assert images.is_contiguous()
        return images.mean(dim=(2, 3))

    found = describe(mean_colour, split)
    assert_close(found, field_loop(mean_colour, split))
    assert threads == {threading.current_thread()}


def test_a_module_that_keeps_features_in_a_hook_gives_each_image_its_own(split: Split) -> None:
    kept: list[Tensor] = []

    class Hooked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 5, 3)
            self.layer.register_forward_hook(lambda m, inputs, output: kept.append(output))

        def forward(self, images: Tensor) -> Tensor:
            self.layer(images)
            return kept.pop().mean(dim=(2, 3))

    model = Hooked()
    found = describe(model, split)
    assert_close(found, field_loop(model, split))
    assert found.settings["streams"] == 1


def test_a_module_whose_copy_disagrees_is_used_as_given(split: Split) -> None:
    kept: dict[str, Tensor] = {}

    class Closure(nn.Module):
        """Reads what the original wrote: a copy would answer for another image."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 5, 3)
            self.marked = True

        def __deepcopy__(self, memo: dict[int, Any]) -> Closure:
            copied = Closure()
            copied.load_state_dict(self.state_dict())
            copied.marked = False
            return copied

        def forward(self, images: Tensor) -> Tensor:
            if self.marked:
                kept["mean"] = self.layer(images).mean(dim=(2, 3))
            return kept["mean"]

    model = Closure()
    assert_close(describe(model, split), field_loop(model, split))


def test_a_model_that_mixes_its_batch_gets_one_image_at_a_time(
    split: Split, capsys: pytest.CaptureFixture[str]
) -> None:
    class Mixing(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            pooled = images.mean(dim=(2, 3))
            return pooled - 0.5 * pooled.mean(dim=0)

    found = describe(Mixing(), split)
    assert found.settings["batch"] == 1
    assert found.settings["batch_dependent"]
    assert_close(found, field_loop(Mixing(), split))
    assert "one image at a time" in capsys.readouterr().err
    assert describe(Mixing(), split, batch=4).settings["batch"] == 4


def test_a_model_that_insists_on_the_contiguous_layout_gets_it(split: Split) -> None:
    class Viewing(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.view(images.shape[0], -1)[:, :40]

    found = describe(Viewing(), split)
    assert not found.settings["channels_last"]
    assert_close(found, field_loop(Viewing(), split))


def test_a_model_with_data_dependent_control_flow_works_unfolded(split: Split) -> None:
    class Branching(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            pooled = images.mean(dim=(2, 3))
            return pooled if float(pooled.sum()) > 0 else -pooled

    found = describe(Branching(), split, batch=1)
    assert found.settings["folded_batch_norms"] == 0
    assert_close(found, field_loop(Branching(), split))


def test_lower_precision_keeps_the_direction_and_is_recorded(
    study: LoadedModel, split: Split
) -> None:
    full = describe(study, split).descriptors
    half = describe(study, split, precision="bfloat16")
    assert half.settings["precision"] == "bfloat16"
    assert half.descriptors.dtype == np.float32
    cosine = (full * half.descriptors).sum(axis=1) / (
        np.linalg.norm(full, axis=1) * np.linalg.norm(half.descriptors, axis=1)
    )
    assert cosine.min() > 0.999
    assert np.abs(full - half.descriptors).max() > 0
    measured = describe(study, split, precision="auto").settings["precision"]
    assert measured in ("float32", "bfloat16")


def test_the_number_of_threads_is_as_before_afterwards(study: LoadedModel, split: Split) -> None:
    before = torch.get_num_threads()
    describe(study, split)
    assert torch.get_num_threads() == before


# --- Into a file --------------------------------------------------------------------------------


def test_descriptors_go_into_a_file_that_numpy_reads(
    study: LoadedModel, split: Split, expected: NDArray[np.float32], tmp_path: Path
) -> None:
    out = tmp_path / "descriptors.npy"
    found = describe(study, split, out=out)
    assert isinstance(found.descriptors, np.memmap)
    assert not found.descriptors.flags.writeable
    assert [item.name for item in tmp_path.iterdir()] == ["descriptors.npy"]
    assert_close(found, expected)
    assert np.array_equal(np.load(out, allow_pickle=False), found.descriptors)


def test_a_failure_leaves_no_file_and_keeps_the_one_before(split: Split, tmp_path: Path) -> None:
    out = tmp_path / "descriptors.npy"
    np.save(out, np.zeros(3))
    seen = []

    def fails_late(images: Tensor) -> Tensor:
        seen.append(len(images))
        if sum(seen) > 12:
            raise RuntimeError("broken")
        return images.mean(dim=(2, 3))

    with pytest.raises(ModelError):
        describe(fails_late, split, out=out, batch=1)
    assert [item.name for item in tmp_path.iterdir()] == ["descriptors.npy"]
    assert np.load(out).shape == (3,)


# --- Errors -------------------------------------------------------------------------------------


def damaged(split: Split, folder: Path, change: Callable[[Path], None]) -> tuple[Split, str]:
    """Copy a split, then change one of its images behind its back."""
    for name in (*split.database_paths, *split.query_paths):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(split.image_path(name).read_bytes())
    copy = Split(folder)
    name = copy.database_paths[4]
    change(folder / name)
    return copy, name


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-200]),
        lambda path: path.write_bytes(b"\xff\xd8\xff\xe0 not a picture"),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: Image.new("RGB", (96, 72)).save(path, format="BMP"),
    ],
    ids=["truncated", "garbage", "empty", "missing", "another format"],
)
def test_an_image_that_does_not_decode_is_named(
    study: LoadedModel, split: Split, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    broken, name = damaged(split, tmp_path, change)
    with pytest.raises(ImageError) as caught:
        describe(study, broken)
    assert name in str(caught.value)


def test_an_image_of_another_size_than_the_manifest_is_named(
    study: LoadedModel, split: Split, tmp_path: Path
) -> None:
    changed, name = damaged(split, tmp_path, lambda path: picture(1, 60, 60).save(path))
    with pytest.raises(DatasetChanged, match="60x60") as caught:
        describe(study, changed)
    assert name in str(caught.value)


def test_changed_images_stop_everything_before_the_model_runs(split: Split) -> None:
    class Changed(Split):
        def check_unchanged(self) -> None:
            raise DatasetChanged("changed")

    def never(images: Tensor) -> Tensor:
        raise AssertionError("the model ran")

    with pytest.raises(DatasetChanged):
        describe(never, Changed(split.folder))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda images: images, r"returned shape \(1, 3, \d+, \d+\)"),
        (lambda images: images.mean(), r"returned shape \(\)"),
        (lambda images: images.mean(dim=(0, 2, 3))[None].repeat(3, 1), r"returned shape \(3, 3\)"),
        (lambda images: images.mean(dim=(2, 3))[:, :0], r"returned shape \(1, 0\)"),
        (lambda images: "text", "returned str"),
        (lambda images: None, "returned NoneType"),
        (lambda images: images.flatten(1), "must not depend on the image"),
        (lambda images: 1 / (0 * images.mean(dim=(2, 3))), "NaN or infinity"),
        (lambda images: images.mean(dim=(2, 3)) @ torch.zeros(5, 5), "failed with RuntimeError"),
        (lambda images: images.nothing, "failed with AttributeError"),
    ],
)
def test_a_model_that_misbehaves_is_told_how(
    split: Split, model: Callable[[Tensor], Any], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        describe(model, split, batch=1)


def test_images_with_descriptors_that_are_not_finite_are_named(split: Split) -> None:
    def sometimes(images: Tensor) -> Tensor:
        rows = images.mean(dim=(2, 3))
        return torch.where(torch.tensor(images.shape[2] > images.shape[3]), rows * torch.nan, rows)

    with pytest.raises(ModelError) as caught:
        describe(sometimes, split, batch=2)
    assert split.database_paths[2] in str(caught.value)
    assert split.database_paths[0] not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_a_lack_of_memory_says_what_to_try(split: Split, error: Exception) -> None:
    def hungry(images: Tensor) -> Tensor:
        raise error

    with pytest.raises(ModelError, match="try a smaller size"):
        describe(hungry, split)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precision": "float8"}, "Unknown precision"),
        ({"batch": 0}, "at least one image"),
        ({"resize": 0}, "Cannot resize"),
        ({"resize": (512,) * 3}, "Cannot resize"),
        ({"resize": (512, 100_000)}, "Cannot resize"),
        ({"resize": True}, "Cannot resize"),
        ({"resize": 51.2}, "Cannot resize"),
    ],
)
def test_options_without_meaning_are_refused(
    study: LoadedModel, split: Split, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        describe(study, split, **options)


def test_a_function_cannot_be_asked_for_another_precision(split: Split) -> None:
    with pytest.raises(UsageError, match="its own precision"):
        describe(lambda images: images.mean(dim=(2, 3)), split, precision="bfloat16")


def test_a_device_that_is_not_there_is_refused() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto", is_module=False) == torch.device("cpu")
    for device in ("cuda:99", "toaster"):
        with pytest.raises(UsageError, match="Choose auto, cpu, cuda or mps"):
            choose_device(device)
