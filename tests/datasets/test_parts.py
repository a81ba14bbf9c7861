from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vgbench.datasets import import_dataset, load_dataset
from vgbench.datasets.archives import is_archive
from vgbench.datasets.parts import Joined, archive_in, next_part, parts_of
from vgbench.errors import ArchiveError

MakeFolder = Callable[..., Path]
PARTS = {"town/test/database": 40, "town/test/queries": 10}


@pytest.fixture
def root() -> Path:
    return Path(os.environ["VGBENCH_DATA"])


def visible(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.name != ".locks")


def cut(archive: Path, folder: Path, name: Callable[[int], str], size: int) -> list[Path]:
    """Cut a file into parts of `size` bytes."""
    folder.mkdir()
    data = archive.read_bytes()
    paths = []
    for index, at in enumerate(range(0, len(data), size)):
        paths.append(folder / name(index))
        paths[-1].write_bytes(data[at : at + size])
    return paths


NAMINGS: dict[str, Callable[[int], str]] = {
    "zip": lambda index: f"town.zip.{index + 1:03}",
    "tar": lambda index: f"town.tar.{index:02}",
    "gztar": lambda index: f"town.tar.gz.a{chr(97 + index)}",
    "bztar": lambda index: f"town.tbz2.part{index + 1}",
    "xztar": lambda index: f"town.TAR.XZ-part-{index}",
}


@pytest.mark.parametrize("kind", list(NAMINGS))
@pytest.mark.parametrize("given", ["first", "folder", "third"])
def test_an_archive_in_parts_is_the_dataset_that_it_is_in_one(
    make_folder: MakeFolder, root: Path, tmp_path: Path, kind: str, given: str
) -> None:
    folder = make_folder("w", PARTS)
    expected = load_dataset(folder).content
    archive = Path(shutil.make_archive(str(tmp_path / "whole"), kind, folder))
    size = archive.stat().st_size // 4 - 1
    paths = cut(archive, tmp_path / "parts", NAMINGS[kind], size)
    (tmp_path / "parts" / "README.txt").write_text("nothing")
    assert len(paths) >= 4 and parts_of(paths[1]) == paths
    source = {"first": paths[0], "folder": tmp_path / "parts", "third": paths[2]}[given]
    import_dataset("my-set", source)
    assert load_dataset("my-set").content == expected
    # Nothing was joined on the disk.
    assert sorted((tmp_path / "parts").iterdir()) == sorted(
        [*paths, paths[0].parent / "README.txt"]
    )


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar"])
def test_a_missing_part_is_named_or_missed_at_the_end(
    make_folder: MakeFolder, root: Path, tmp_path: Path, kind: str
) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "whole"), kind, make_folder("w", PARTS)))
    size = archive.stat().st_size // 4 + 1
    paths = cut(archive, tmp_path / "parts", NAMINGS[kind], size)
    for absent in (paths[0], paths[2]):
        absent.rename(tmp_path / "away")
        # Parts are counted from 0 or from 1: those from 1 on may be all.
        unknown = kind == "tar" and absent == paths[0]
        complaint = "no part before" if unknown else f"{absent.name} is not beside it"
        for source in (paths[1], tmp_path / "parts"):
            with pytest.raises(ArchiveError, match=complaint):
                import_dataset("my-set", source)
        (tmp_path / "away").rename(absent)
    paths[-1].unlink()
    with pytest.raises(ArchiveError, match=rf"Is there no part .*behind {paths[-2].name}\?"):
        import_dataset("my-set", paths[0])
    assert not root.exists() or visible(root) == []


def spanned(make_jpeg: Callable[..., bytes], make_name: Callable[..., str], where: Path,
            *options: str) -> list[Path]:  # fmt: skip
    """A zip in parts as Info-ZIP makes it, which begins parts at 64 kB."""
    if not shutil.which("zip"):
        pytest.skip("needs Info-ZIP's zip")
    for role, count in (("database", 60), ("queries", 10)):
        (where / "town" / role).mkdir(parents=True)
        for index in range(count):
            data = make_jpeg(index, 60, 60) + os.urandom(500) + b"\xff\xd9"
            (where / "town" / role / make_name(550_000 + index, 4_180_000)).write_bytes(data)
    subprocess.run(
        ["zip", "-q", "-r", "-s", "64k", *options, "town.zip", "town"], cwd=where, check=True
    )
    return [*sorted(where.glob("town.z[0-9]*")), where / "town.zip"]


@pytest.mark.parametrize("options", [(), ("-0",), ("-fz",)])
@pytest.mark.parametrize("given", ["first", "last", "folder"])
def test_a_zip_that_zip_split_is_read_across_its_parts(
    make_jpeg: Callable[..., bytes], make_name: Callable[..., str], tmp_path: Path,
    options: tuple[str, ...], given: str,
) -> None:  # fmt: skip
    paths = spanned(make_jpeg, make_name, tmp_path / "zip", *options)
    assert len(paths) >= 3 and parts_of(paths[0]) == parts_of(paths[-1]) == paths
    expected = load_dataset(tmp_path / "zip" / "town").content
    shutil.rmtree(tmp_path / "zip" / "town")
    source = {"first": paths[0], "last": paths[-1], "folder": tmp_path / "zip"}[given]
    import_dataset("my-set", source)
    assert load_dataset("my-set").content == expected


def test_a_missing_part_of_a_split_zip_is_named(
    make_jpeg: Callable[..., bytes], make_name: Callable[..., str], tmp_path: Path
) -> None:
    paths = spanned(make_jpeg, make_name, tmp_path / "zip")
    paths[1].unlink()
    with pytest.raises(ArchiveError, match=r"town\.z02 is not beside it"):
        import_dataset("my-set", paths[-1])
    paths[-1].unlink()
    with pytest.raises(ArchiveError, match=r"town\.zip, the last part of what .*town\.z01"):
        import_dataset("my-set", paths[0])


def test_parts_of_two_archives_in_a_folder_are_not_guessed_between(tmp_path: Path) -> None:
    for name in ("a.zip.001", "a.zip.002", "b.tar.aa"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ArchiveError, match="parts of several archives: a.zip.001, b.tar.aa"):
        archive_in(tmp_path)


@pytest.mark.parametrize(
    "name", ["a.zip", "a.tar.gz", "a.zip.bak", "a.zip.part", "a.tar.br", "a.zip.1", "a.001", "a"]
)
def test_what_is_no_part_is_an_archive_of_its_own(tmp_path: Path, name: str) -> None:
    for other in (name, "a.zip.old", "a.tar.gz.asc"):
        (tmp_path / other).write_bytes(b"x")
    assert parts_of(tmp_path / name) == [tmp_path / name]
    assert next_part(name) is None or name == "a.zip.bak"


def test_a_folder_of_images_wins_over_parts_beside_them(
    make_folder: MakeFolder, root: Path
) -> None:
    folder = make_folder()
    (folder / "old.zip.001").write_bytes(b"rubbish")
    import_dataset("my-set", folder)
    assert len(load_dataset("my-set")) == 9


def test_reading_across_borders_gives_the_bytes_of_the_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    data = random.bytes(1000)
    (tmp_path / "whole").write_bytes(data)
    paths = cut(tmp_path / "whole", tmp_path / "parts", lambda i: f"a.zip.{i + 1:03}", 77)
    with Joined(paths) as file:
        for at, count in random.integers(0, 1100, (300, 2)).tolist():
            assert file.read_at(at, count) == data[at : at + count]
        file.seek(-10, os.SEEK_END)
        assert file.read() == data[-10:] and file.tell() == 1000


def test_a_zip_counts_across_parts_as_python_wrote_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x.txt", os.urandom(1000))
    paths = cut(tmp_path / "a.zip", tmp_path / "p", lambda i: f"a.zip.{i + 1:03}", 100)
    assert is_archive(paths[0])
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(tmp_path / "a.zip", "x.zip")
    assert is_archive(tmp_path / "a.tar")
