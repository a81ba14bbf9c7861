from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from vgbench.leaderboard.sources import (
    LONGEST_REASON,
    Source,
    Sources,
    plain_bytes,
    read_sources,
)

Change = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`submissions/` with two entries and a table of published numbers."""
    for slug in ("one", "two"):
        (tmp_path / "submissions" / slug).mkdir(parents=True)
        (tmp_path / "submissions" / slug / "submission.json").write_text(f'{{"slug": "{slug}"}}')
    (tmp_path / "submissions" / "paper.csv").write_text("name,recall_1\n")
    return tmp_path / "submissions"


def test_everything_that_rows_come_of_is_found(folder: Path) -> None:
    (folder / "two" / "model.safetensors").write_bytes(b"12345")
    found = read_sources(folder)
    assert dict(found.submissions) == {
        "one": Source(hashlib.sha256(b'{"slug": "one"}').hexdigest()),
        "two": Source(hashlib.sha256(b'{"slug": "two"}').hexdigest(), None, 5),
    }
    assert dict(found.published) == {"paper.csv": hashlib.sha256(b"name,recall_1\n").hexdigest()}
    assert found.weights == {"two": 5}


@pytest.mark.parametrize(
    "change",
    [
        lambda f: (f / "paper.csv").write_text("name,recall_1\nnet,3\n"),
        lambda f: (f / "paper.csv").unlink(),
        lambda f: (f / "paper.csv").rename(f / "other.csv"),
        lambda f: (f / "more.csv").write_text(""),
        lambda f: (f / "one" / "submission.json").write_text("{}"),
        lambda f: (f / "one" / "submission.json").unlink(),
        lambda f: (f / "one" / "withdrawn.txt").write_text("a bug"),
        lambda f: (f / "one" / "withdrawn.txt").write_text(""),
        lambda f: (f / "one" / "model.safetensors").write_bytes(b""),
        lambda f: (f / "one").rename(f / "three"),
        lambda f: shutil.rmtree(f / "one"),
        lambda f: (f / "three").mkdir(),
    ],
)
def test_the_fingerprint_notices(folder: Path, change: Change) -> None:
    before = read_sources(folder).fingerprint
    change(folder)
    assert read_sources(folder).fingerprint != before


@pytest.mark.parametrize(
    "change",
    [
        lambda f: (f / ".partial").mkdir(),
        lambda f: (f / ".hidden.csv").write_text("x"),
        lambda f: (f / "README.md").write_text("x"),
        lambda f: (f / "one" / "demo-city-test.parquet").write_bytes(b"x"),
        lambda f: os.utime(f / "one" / "submission.json", (0, 0)),
    ],
)
def test_the_fingerprint_is_of_nothing_else(folder: Path, change: Change) -> None:
    before = read_sources(folder).fingerprint
    change(folder)
    assert read_sources(folder).fingerprint == before


def test_a_reason_changes_the_fingerprint_and_is_one_clean_short_line(folder: Path) -> None:
    note = folder / "one" / "withdrawn.txt"
    seen = set()
    for text in ("a bug", "another", "\x1b[31mred\n" + "x" * 2000, "\n\n", "\udcff"):
        note.write_bytes(text.encode("utf-8", "surrogateescape"))
        reason = read_sources(folder).submissions["one"].withdrawn
        assert reason
        assert reason.isprintable()
        assert len(reason) <= LONGEST_REASON
        seen.add(read_sources(folder).fingerprint)
    assert len(seen) == 5
    note.write_text("")
    assert read_sources(folder).submissions["one"].withdrawn == "no reason given"


def test_the_order_of_the_files_does_not_matter() -> None:
    some = {"a": Source("1"), "b": Source("2", "why", 3)}
    backwards = dict(reversed(some.items()))
    assert Sources(some, {}).fingerprint == Sources(backwards, {}).fingerprint
    assert Sources(some, {}).fingerprint != Sources({}, {}).fingerprint


def test_links_and_pipes_are_never_followed(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "submission.json").write_text("secret")
    (folder / "linked").symlink_to(secret)
    (folder / "paper.csv").unlink()
    (folder / "paper.csv").symlink_to(secret / "submission.json")
    (folder / "one" / "submission.json").unlink()
    os.mkfifo(folder / "one" / "submission.json")
    os.mkfifo(folder / "pipe.csv")
    (folder / "two" / "model.safetensors").symlink_to(secret / "submission.json")
    found = read_sources(folder)
    assert found.submissions["linked"] == found.submissions["one"] == Source("")
    assert found.submissions["two"].weights is None
    assert dict(found.published) == {"paper.csv": "", "pipe.csv": ""}


def test_a_folder_whose_name_is_no_slug_is_listed_and_not_read(folder: Path) -> None:
    (folder / "Not A Slug").mkdir()
    (folder / "Not A Slug" / "submission.json").write_text("{}")
    assert read_sources(folder).submissions["Not A Slug"] == Source("")


def test_where_there_is_no_folder_there_are_no_sources(folder: Path) -> None:
    assert read_sources(folder / "nowhere") == Sources({}, {})
    assert read_sources(folder / "paper.csv") == Sources({}, {})


def test_no_more_is_read_than_asked_for(folder: Path) -> None:
    assert plain_bytes(str(folder / "paper.csv"), 4) == b"name"
    assert plain_bytes(str(folder), 4) is None
    assert plain_bytes(str(folder / "nothing"), 4) is None
