from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from vgbench.datasets import describe, import_dataset, installed, load_dataset
from vgbench.datasets import placing as placing_module
from vgbench.errors import (
    ArchiveError,
    DatasetError,
    DatasetNotFound,
    ImageError,
    UsageError,
    VgbenchError,
)

MakeFolder = Callable[..., Path]
Jpeg = Callable[..., bytes]
PARTS = {"town/train/a": 3, "town/test/database": 4, "town/test/queries": 2}


@pytest.fixture
def root() -> Path:
    return Path(os.environ["VGBENCH_DATA"])


def packed(folder: Path, kind: str) -> Path:
    """Pack a folder as its parent sees it, with what archivers leave in it."""
    (folder / "__MACOSX").mkdir(exist_ok=True)
    (folder / "__MACOSX" / "._@1@2@.jpg").write_bytes(b"resource fork")
    for rubbish in (".DS_Store", "Thumbs.db", "README.txt"):
        (folder / rubbish).write_bytes(b"rubbish")
    return Path(shutil.make_archive(str(folder.parent / "packed"), kind, folder))


def visible(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.name != ".locks")


@pytest.mark.parametrize("kind", ["folder", "zip", "tar", "gztar", "xztar"])
def test_folder_and_archives_give_the_same_canonical_dataset(
    make_folder: MakeFolder, root: Path, kind: str
) -> None:
    folder = make_folder("w", PARTS)
    expected = load_dataset(folder)
    source = folder if kind == "folder" else packed(folder, kind)
    where = import_dataset("my-set", source)
    assert where == root / "my-set"
    assert sorted(p.relative_to(where).as_posix() for p in where.rglob("*") if p.is_dir()) == [
        "test", "test/database", "test/queries", "train", "train/a",
    ]  # fmt: skip
    assert sorted(p.name for p in where.iterdir()) == ["manifest.parquet", "test", "train"]
    dataset = load_dataset("my-set")
    assert (dataset.ground_truth, dataset.content) == (expected.ground_truth, expected.content)
    dataset.check_unchanged()
    train = next(split for split in describe("my-set").splits if split.name == "train")
    assert (train.train, train.database) == (3, None)
    assert visible(root) == [".manifests", "my-set"]


def test_a_linked_folder_stays_where_it_is(make_folder: MakeFolder, root: Path) -> None:
    folder = make_folder("w", PARTS)
    import_dataset("my-set", folder, link=True)
    assert [path.name for path in (root / "my-set").iterdir()] == ["manifest.parquet"]
    dataset = load_dataset("my-set")
    assert dataset.all_paths[0].parent == folder / "town" / "test" / "database"
    dataset.check_unchanged()
    with pytest.raises(UsageError, match="Only a folder can be linked"):
        import_dataset("other", packed(folder, "zip"), link=True)


def test_images_are_never_linked_to_from_the_folder_that_they_would_be_removed_with(
    make_folder: MakeFolder, root: Path
) -> None:
    inside = import_dataset("my-set", make_folder("a")) / "test"
    with pytest.raises(UsageError, match="would be gone"):
        import_dataset("my-set", inside, link=True, replace=True)
    load_dataset("my-set").check_unchanged()
    import_dataset("my-set", inside, replace=True)
    load_dataset("my-set").check_unchanged()


def test_a_name_in_use_stays_unless_replaced(make_folder: MakeFolder, root: Path) -> None:
    import_dataset("my-set", make_folder("a"))
    smaller = make_folder("b", {"database": 2, "queries": 1})
    with pytest.raises(DatasetError, match="is there already.*--replace"):
        import_dataset("my-set", smaller)
    assert len(load_dataset("my-set")) == 9
    import_dataset("my-set", smaller, replace=True)
    assert len(load_dataset("my-set")) == 3
    assert visible(root) == ["my-set"]


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_what_goes_wrong_leaves_nothing_behind(
    make_folder: MakeFolder, root: Path, kind: str
) -> None:
    import_dataset("my-set", make_folder("good"))
    folder = make_folder("bad")
    broken = next((folder / "queries").iterdir())
    broken.write_bytes(broken.read_bytes()[:300])
    source = folder if kind == "folder" else packed(folder, kind)
    for name in ("my-set", "new-set"):
        with pytest.raises(ImageError, match="1 image in .* cannot be used") as error:
            import_dataset(name, source, replace=True)
        assert broken.name in str(error.value)
    assert visible(root) == ["my-set"] and len(load_dataset("my-set")) == 9


def test_a_failure_while_taking_its_place_brings_the_old_one_back(
    make_folder: MakeFolder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_dataset("my-set", make_folder("a"))
    monkeypatch.setattr(placing_module, "exchange", lambda one, other: False)  # not all systems can
    original = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if self.name.startswith(placing_module._unfinished("my-set")):
            raise OSError(28, "No space left on device")
        return original(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(VgbenchError, match="disk is full"):
        import_dataset("my-set", make_folder("b", {"database": 2, "queries": 1}), replace=True)
    assert len(load_dataset("my-set")) == 9 and visible(root) == ["my-set"]


def test_while_a_dataset_is_replaced_there_is_always_one(
    make_folder: MakeFolder, root: Path
) -> None:
    folders = [make_folder("a"), make_folder("b", {"database": 2, "queries": 1})]
    import_dataset("my-set", folders[0])
    (root / "x").mkdir()
    (root / "y").mkdir()
    if not placing_module.exchange(root / "x", root / "y"):
        pytest.skip("this system cannot exchange two folders")
    code = (
        "import sys; from vgbench.datasets import import_dataset\n"
        "for turn in range(15): import_dataset('my-set', sys.argv[1 + turn % 2], replace=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, folders)])
    seen, looks = set(), 0
    while process.poll() is None:
        facts = (root / "my-set" / "manifest.parquet").stat()  # raises where there is none
        seen.add(facts.st_ino)
        looks += 1
    assert process.returncode == 0 and len(seen) > 3 and looks > 100
    load_dataset("my-set").check_unchanged()
    assert not list(root.glob(".vgbench-tmp-*"))


def test_what_a_killed_import_left_is_put_right_by_the_next(
    make_folder: MakeFolder, root: Path
) -> None:
    import_dataset("my-set", make_folder("a"))
    (root / "my-set").rename(placing_module._retired(root, "my-set"))
    orphan = root / (placing_module._unfinished("my-set") + "x1")
    (orphan / "test").mkdir(parents=True)
    other = root / (placing_module._unfinished("my-set-2") + "x1")
    other.mkdir()
    with pytest.raises(DatasetError, match="is there already"):
        import_dataset("my-set", make_folder("b"))
    assert len(load_dataset("my-set")) == 9 and not orphan.exists() and other.exists()


def test_a_kill_during_an_import_leaves_nothing_that_counts(
    make_folder: MakeFolder, root: Path
) -> None:
    folder = make_folder(parts={"database": 60, "queries": 5})
    code = (
        "import sys, time, vgbench.datasets.gathering as i\n"
        "write = i.write_image\n"
        "def slow(*a):\n"
        "    time.sleep(0.05); return write(*a)\n"
        "i.write_image = slow\n"
        f"from vgbench.datasets import import_dataset; import_dataset('my-set', {str(folder)!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ.copy())
    deadline = time.monotonic() + 30
    while not list(root.glob(".vgbench-tmp-*/test/database/*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert installed() == [] and not (root / "my-set").exists()
    import_dataset("my-set", folder)
    load_dataset("my-set").check_unchanged()
    assert visible(root) == ["my-set"]


def test_two_processes_importing_at_once_do_not_disturb_each_other(
    make_folder: MakeFolder, root: Path
) -> None:
    folder = make_folder(parts={"database": 40, "queries": 5})
    code = (
        f"from vgbench.datasets import *; import_dataset('my-set', {str(folder)!r}, replace=True)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(3)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    dataset = load_dataset("my-set")
    assert len(dataset) == 45
    dataset.check_unchanged()
    assert visible(root) == ["my-set"]


def test_what_is_not_the_registered_dataset_is_refused_with_the_differences(
    make_folder: MakeFolder, root: Path
) -> None:
    with pytest.raises(DatasetError) as error:
        import_dataset("tokyo-xs", make_folder(zone="10@S"))
    text = str(error.value)
    assert "test: database images: 6, expected 12,771" in text
    assert "test: queries: 3, expected 315" in text
    assert "6 images lie outside" in text or "9 images lie outside" in text
    assert "9 images are not in UTM zone 54S" in text
    assert "under another name" in text and visible(root) == []


def test_a_split_that_the_registered_dataset_does_not_have_is_refused(
    make_folder: MakeFolder,
) -> None:
    parts = {"val/database": 2, "val/queries": 1}
    with pytest.raises(DatasetError, match="val: tokyo-xs has no such split, only test"):
        import_dataset("tokyo-xs", make_folder(parts=parts))


def test_gsv_xs_of_unknown_size_imports(make_folder: MakeFolder, capfd: object) -> None:
    import_dataset("gsv-xs", make_folder("w", {"gsv_xs/train/london": 4, "gsv_xs/train/osaka": 4}))
    assert [s.train for s in describe("gsv-xs").splits] == [8]
    assert installed() == []
    with pytest.raises(DatasetError, match="gsv-xs/train is for training"):
        load_dataset("gsv-xs/train")
    with pytest.raises(DatasetNotFound, match="no split 'test' here, only train"):
        load_dataset("gsv-xs")


@pytest.mark.parametrize("name", ["My-Set", "", ".hidden", "../up", "a/b", "a b", "é"])
def test_a_name_that_is_no_plain_word_is_refused(make_folder: MakeFolder, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a dataset's name"):
        import_dataset(name, make_folder())


def test_a_source_that_is_missing_or_no_archive_is_refused(
    make_folder: MakeFolder, root: Path, tmp_path: Path
) -> None:
    with pytest.raises(DatasetNotFound, match="no folder or archive"):
        import_dataset("my-set", tmp_path / "none.zip")
    (tmp_path / "page.zip").write_text("<html>Quota exceeded</html>")
    with pytest.raises(ArchiveError, match="neither a folder nor a zip or tar archive"):
        import_dataset("my-set", tmp_path / "page.zip")
    with pytest.raises(UsageError, match="contains the data root"):
        import_dataset("my-set", root.parent)
    assert visible(root) == []


def test_an_archive_without_queries_says_what_was_in_it(
    make_folder: MakeFolder, root: Path
) -> None:
    archive = packed(make_folder("w", {"x/database": 2, "x/other": 1}), "zip")
    with pytest.raises(
        DatasetError, match=r"packed\.zip/x has no queries/ folder.*database/, other/"
    ):
        import_dataset("my-set", archive)
    assert visible(root) == []


def test_a_data_root_that_cannot_be_written_is_said(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be written.*VGBENCH_DATA"):
        import_dataset("my-set", make_folder(), data_root=tmp_path / "file" / "root")


def test_too_little_space_is_told_before_anything_is_copied(
    make_folder: MakeFolder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder()
    archive = packed(make_folder("b"), "zip")
    usage = shutil.disk_usage(root)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    for source in (folder, archive):
        with pytest.raises(VgbenchError, match="There is no room in"):
            import_dataset("my-set", source)
    assert visible(root) == []


def test_its_own_folder_as_source_renews_the_manifest_in_place(
    make_folder: MakeFolder, make_jpeg: Jpeg, root: Path
) -> None:
    import_dataset("my-set", make_folder())
    before = load_dataset("my-set")
    before.all_paths[0].write_bytes(make_jpeg(40))
    import_dataset("my-set", root / "my-set")
    after = load_dataset("my-set")
    assert after.ground_truth == before.ground_truth and after.content != before.content
    after.check_unchanged()


def test_images_outside_the_roles_are_left_out_with_a_note(
    make_folder: MakeFolder, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_folder("w", {"database": 2, "queries": 1, "figures": 3})
    import_dataset("my-set", packed(folder, "zip"))
    assert "3 images of packed.zip belong to no database" in capsys.readouterr().err
    assert not list((root / "my-set").rglob("figures"))


@pytest.mark.parametrize("damage", ["cut", "flipped"])
@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_a_damaged_archive_is_refused(
    make_folder: MakeFolder, root: Path, kind: str, damage: str
) -> None:
    archive = packed(make_folder("w", PARTS), kind)
    data = bytearray(archive.read_bytes())
    if damage == "cut":
        data = data[: len(data) * 2 // 3]
    else:
        for at in range(len(data) // 3, len(data) // 3 + 200):
            data[at] ^= 0xFF
    archive.write_bytes(data)
    with pytest.raises((ArchiveError, ImageError)):
        import_dataset("my-set", archive)
    assert visible(root) == []


def test_archives_made_by_other_tools_import(
    make_folder: MakeFolder, make_name: Callable[..., str], make_jpeg: Jpeg, tmp_path: Path
) -> None:
    """No folder entries, a leading "./", and a stored file without Unix modes."""
    folder = make_folder()
    with tarfile.open(tmp_path / "dots.tar", "w") as tar:
        for path in sorted(folder.rglob("*.jpg")):
            tar.add(path, "./" + path.relative_to(folder).as_posix())
    with zipfile.ZipFile(tmp_path / "bare.zip", "w") as archive:
        for path in sorted(folder.rglob("*.jpg")):
            info = zipfile.ZipInfo("town/" + path.relative_to(folder).as_posix())
            info.create_system = 0
            archive.writestr(info, path.read_bytes())
    import_dataset("dots", tmp_path / "dots.tar")
    import_dataset("bare", tmp_path / "bare.zip")
    assert load_dataset("dots").content == load_dataset("bare").content
    assert load_dataset("dots").content == load_dataset(folder).content
