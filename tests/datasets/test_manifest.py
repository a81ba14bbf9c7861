from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vgbench.datasets import manifest as manifest_module
from vgbench.datasets.layout import find_layout
from vgbench.datasets.manifest import Manifest, build_manifest, ground_truth_fingerprint
from vgbench.errors import DatasetError, ImageError

MakeFolder = Callable[..., Path]


def build(folder: Path, **options: object) -> Manifest:
    return build_manifest(find_layout(folder), folder, **options)  # type: ignore[arg-type]


def test_rows_hold_what_is_true_of_each_image(make_folder: MakeFolder) -> None:
    folder = make_folder(parts={"test/database": 5, "test/queries": 3}, notes=["day", "night"])
    split = build(folder, condition="note").splits["test"]
    for role, count in (("database", 5), ("queries", 3)):
        images = split.images[role]
        assert len(images) == count and list(images.paths) == sorted(images.paths)
        for row, path in enumerate(images.paths):
            file = folder / "test" / path
            data = file.read_bytes()
            assert images.digests[row].tobytes() == hashlib.sha256(data).digest()
            assert images.bytes[row] == len(data)
            assert images.mtimes[row] == file.stat().st_mtime_ns
            assert images.sizes[row].tolist() == [24, 32]
            assert images.positions[row].tolist() == [float(f) for f in file.name.split("@")[1:3]]
    assert split.images["database"].conditions is None
    assert split.images["queries"].conditions == ["day", "night", "day"]


def test_fingerprints_follow_their_definition(make_folder: MakeFolder) -> None:
    folder = make_folder(parts={"gallery": 4, "queries_v1": 2})
    split = build(folder).splits["test"]
    database = sorted(p.name for p in (folder / "gallery").iterdir())
    queries = sorted(p.name for p in (folder / "queries_v1").iterdir())
    names = "".join([*(f"database/{n}\n" for n in database), *(f"queries/{n}\n" for n in queries)])
    assert split.ground_truth == hashlib.sha256(names.encode()).hexdigest()
    files = [
        *(folder / "gallery" / n for n in database),
        *(folder / "queries_v1" / n for n in queries),
    ]
    digests = b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)
    assert split.content == hashlib.sha256(digests).hexdigest()


def test_the_ground_truth_fingerprint_does_not_depend_on_batches() -> None:
    names = [f"database/{index}" for index in range(10_000)]
    whole = hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()
    assert ground_truth_fingerprint(names) == whole
    assert ground_truth_fingerprint([]) == hashlib.sha256().hexdigest()


def test_other_pixels_change_only_the_content_fingerprint(
    make_folder: MakeFolder, make_jpeg: Callable[..., bytes]
) -> None:
    folder = make_folder()
    before = build(folder).splits["test"]
    next((folder / "queries").iterdir()).write_bytes(make_jpeg(99))
    after = build(folder).splits["test"]
    assert after.ground_truth == before.ground_truth and after.content != before.content


def test_layouts_with_other_folder_names_have_the_same_fingerprints(
    make_folder: MakeFolder,
) -> None:
    plain = build(make_folder("a", {"database": 4, "queries": 2})).splits["test"]
    other = build(make_folder("b", {"x/images/test/gallery": 4, "x/images/test/queries_v1": 2}))
    assert other.splits["test"].ground_truth == plain.ground_truth
    assert other.splits["test"].content == plain.content
    assert other.splits["test"].folders["database"] == "x/images/test/gallery"


def test_only_what_changed_is_read_again(
    make_folder: MakeFolder, make_jpeg: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder()
    first = build(folder)
    names = sorted((folder / "database").iterdir())
    names[0].write_bytes(make_jpeg(50, width=64))
    os.utime(names[1], ns=(1, 1))
    names[2].unlink()
    new = folder / "database" / "@1.00@2.00@new@.jpg"
    new.write_bytes(make_jpeg(51))
    read: list[str] = []
    original = manifest_module.examine_files
    monkeypatch.setattr(
        manifest_module,
        "examine_files",
        lambda base, paths, advance: read.extend(paths) or original(base, paths, advance),
    )
    again = build(folder, previous=first)
    assert sorted(read) == sorted([names[0].name, names[1].name, new.name])
    fresh = build(folder)
    assert (
        again.splits["test"].content == fresh.splits["test"].content != first.splits["test"].content
    )
    assert again.splits["test"].images["database"].sizes[:, 1].tolist().count(64) == 1
    read.clear()
    build(folder, previous=again)
    assert read == []


def test_names_without_position_are_told_before_any_image_is_read(
    make_folder: MakeFolder, make_jpeg: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder()
    (folder / "queries" / "q1.jpg").write_bytes(make_jpeg())
    monkeypatch.setattr(manifest_module, "examine_files", lambda *_: pytest.fail("read"))
    with pytest.raises(
        ImageError, match=r"queries: 1 image name without a UTM position:\n  q1\.jpg"
    ):
        build(folder)


def test_broken_images_are_named_ten_at_most(make_folder: MakeFolder) -> None:
    folder = make_folder(parts={"database": 14, "queries": 1})
    for file in (folder / "database").iterdir():
        file.write_bytes(b"not an image")
    with pytest.raises(ImageError) as error:
        build(folder)
    text = str(error.value)
    assert text.startswith("14 images in") and text.count("neither JPEG nor PNG") == 10
    assert "4 more images" in text and "Copy them again" in text


def test_a_role_without_images_is_an_error(make_folder: MakeFolder) -> None:
    folder = make_folder(parts={"database": 2, "queries": 0})
    with pytest.raises(DatasetError, match="No images in .*queries"):
        build(folder)


def test_train_images_are_a_role_of_their_own(make_folder: MakeFolder) -> None:
    folder = make_folder(parts={"train/london": 3, "train/osaka": 2})
    train = build(folder).splits["train"]
    assert list(train.images) == ["train"] and len(train) == 5
    assert train.images["train"].paths[0].startswith("train/london/@")
    assert np.isfinite(train.images["train"].positions).all()
