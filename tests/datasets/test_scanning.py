from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vgbench.datasets import scanning
from vgbench.datasets.scanning import Broken, Examined, examine_files, scan
from vgbench.errors import DatasetError, ImageError

Jpeg = Callable[..., bytes]


def test_images_are_found_recursively_in_code_point_order(tmp_path: Path, make_jpeg: Jpeg) -> None:
    names = ["b.jpg", "B.JPG", "a/z.png", "a.jpeg", "é.jpg", "a-1.jpg", "a/b/c.JPEG", "Ω/x.jpg"]
    hidden = [".x.jpg", "._a.jpg", "__MACOSX/a.jpg", ".git/a.jpg", "a/.b/c.jpg"]
    for name in [*names, *hidden, "notes.txt", "a/list.csv"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(make_jpeg())
    found = scan(tmp_path)
    assert [image.path for image in found] == sorted(names)
    facts = (tmp_path / "b.jpg").stat()
    assert next(i for i in found if i.path == "b.jpg")[1:] == (facts.st_size, facts.st_mtime_ns)


def test_a_folder_without_images_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Found no files at all"):
        scan(tmp_path)
    for name in ("a.webp", "b.webp", "c.txt", "README"):
        (tmp_path / name).write_text("")
    with pytest.raises(DatasetError, match=r"No images.*Found 2 \.webp, 1 \.txt, 1 no suffix"):
        scan(tmp_path)


def test_links_are_followed_and_broken_ones_named(tmp_path: Path, make_jpeg: Jpeg) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.jpg").write_bytes(make_jpeg())
    folder = tmp_path / "database"
    folder.mkdir()
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    (folder / "b.jpg").symlink_to(tmp_path / "elsewhere" / "a.jpg")
    assert [image.path for image in scan(folder)] == ["b.jpg", "more/a.jpg"]
    (folder / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    with pytest.raises(ImageError, match=r"gone\.jpg: cannot be opened"):
        scan(folder)


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    with pytest.raises(DatasetError):
        scan(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
def test_a_name_that_is_no_unicode_is_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff@1@2@.jpg")).write_bytes(b"x")
    with pytest.raises(ImageError, match="not valid Unicode"):
        scan(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="refuses such names itself")
def test_a_name_of_two_lines_is_refused(tmp_path: Path) -> None:
    (tmp_path / "@1@2@\nqueries@.jpg").write_bytes(b"x")
    with pytest.raises(ImageError, match=r"@1@2@\\nqueries@.jpg.*control character"):
        scan(tmp_path)


def test_each_image_is_hashed_and_measured_in_order(
    tmp_path: Path, make_jpeg: Jpeg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "_CHUNK", 3)
    paths = [f"{index:02}.jpg" for index in range(20)]
    for index, path in enumerate(paths):
        (tmp_path / path).write_bytes(make_jpeg(index, height=10 + index, width=50 - index))
    done: list[int] = []
    results = examine_files(tmp_path, paths, done.append)
    for index, (path, result) in enumerate(zip(paths, results, strict=True)):
        data = (tmp_path / path).read_bytes()
        assert isinstance(result, Examined)
        assert result.sha256 == hashlib.sha256(data).digest()
        assert (result.height, result.width, result.length) == (10 + index, 50 - index, len(data))
    assert sum(done) == 20


def test_what_cannot_be_read_is_told_for_each_image(tmp_path: Path, make_jpeg: Jpeg) -> None:
    (tmp_path / "good.jpg").write_bytes(make_jpeg())
    (tmp_path / "cut.jpg").write_bytes(make_jpeg()[:200])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    paths = ["good.jpg", "cut.jpg", "empty.jpg", "gone.jpg", "folder.jpg", "pipe.jpg"]
    good, *bad = examine_files(tmp_path, paths, lambda count: None)
    assert isinstance(good, Examined)
    reasons = {broken.path: broken.reason for broken in bad if isinstance(broken, Broken)}
    assert set(reasons) == set(paths[1:])
    assert "decode" in reasons["cut.jpg"] and reasons["empty.jpg"] == "is empty"
    assert "No such file" in reasons["gone.jpg"]
    assert reasons["pipe.jpg"] == reasons["folder.jpg"] == "is not a regular file"


def test_a_file_too_large_for_an_image_is_not_read(
    tmp_path: Path, make_jpeg: Jpeg, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jpg").write_bytes(make_jpeg())
    monkeypatch.setattr(scanning, "MAX_BYTES", 100)
    [result] = examine_files(tmp_path, ["a.jpg"], lambda count: None)
    assert isinstance(result, Broken) and "larger than" in result.reason
