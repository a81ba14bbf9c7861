"""The included dataset: that it is complete, reproducible, hard, and what its names promise."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import PurePosixPath

import numpy as np
import pytest

from vgbench.demo_city import archive_path
from vgbench.demo_city.captures import (
    LOST,
    PER_PLACE,
    TEST_DATABASE,
    TEST_QUERIES,
    VAL_DATABASE,
    VAL_QUERIES,
    captures,
)
from vgbench.demo_city.generation import GENERATOR, contact_sheet, generate, versions, write_archive
from vgbench.demo_city.photograph import HEIGHT, WIDTH, Capture, photograph

RECORD = json.loads(archive_path().with_suffix(".json").read_text())
same_versions = pytest.mark.skipif(
    RECORD["made_with"] != versions(), reason=f"the archive was made with {RECORD['made_with']}"
)


@pytest.fixture(scope="module")
def archive():
    with zipfile.ZipFile(archive_path()) as opened:
        yield opened


def fields(path: str) -> list[str]:
    return PurePosixPath(path).name.split("@")


def position(path: str) -> tuple[float, float]:
    return float(fields(path)[1]), float(fields(path)[2])


def paths(split: str, kind: str) -> list[str]:
    return sorted(c.path for c in captures(split) if c.path.startswith(f"{split}/{kind}/"))


def sample(split: str, every: int) -> list[Capture]:
    return captures(split, places=12)[::every]


def test_the_archive_is_at_most_eight_megabytes():
    assert archive_path().stat().st_size <= 8_000_000


def test_the_record_is_of_this_archive_and_this_generator():
    assert RECORD["generator"] == GENERATOR
    assert RECORD["sha256"] == hashlib.sha256(archive_path().read_bytes()).hexdigest()


def test_the_archive_holds_exactly_the_planned_captures(archive):
    planned = [c.path for split in ("test", "val") for c in captures(split)]
    assert archive.namelist() == sorted(f"demo-city/{path}" for path in planned)
    assert archive.testzip() is None


def test_splits_have_the_sizes_that_are_promised():
    assert len(paths("test", "database")) == TEST_DATABASE == 600
    assert len(paths("test", "queries")) == TEST_QUERIES == 240
    assert len(paths("val", "database")) == VAL_DATABASE
    assert len(paths("val", "queries")) == VAL_QUERIES


def test_queries_are_by_day_dusk_and_night_in_equal_numbers():
    notes = [fields(path)[14] for path in paths("test", "queries")]
    assert {note: notes.count(note) for note in set(notes)} == {"day": 80, "dusk": 80, "night": 80}
    assert {fields(path)[14] for path in paths("test", "database")} == {"day"}


@pytest.mark.parametrize("split", ["test", "val", "train"])
def test_names_have_sixteen_fields_in_the_fields_own_formats(split):
    for path in (c.path for c in captures(split, places=40)):
        parts = fields(path)
        assert len(parts) == 16
        assert parts[0] == "" and parts[15] == ".jpg"
        assert len(parts[1]) == len(parts[2]) == 10
        assert parts[3:5] == ["32", "T"]
        assert 0 <= int(parts[9]) < 360
        assert len(path.encode()) < 200


@pytest.mark.parametrize("split", ["test", "val", "train"])
def test_no_two_images_have_the_same_name(split):
    names = [c.path for c in captures(split, places=200)]
    assert len(set(names)) == len(names)


def test_all_but_a_few_queries_have_a_database_image_within_25_metres():
    database = np.array([position(p) for p in paths("test", "database")])
    queries = np.array([position(p) for p in paths("test", "queries")])
    away = np.sqrt(((queries[:, None] - database[None]) ** 2).sum(2))
    assert (away.min(axis=1) > 25).sum() == LOST
    near = away.min(axis=1) <= 25
    assert away.min(axis=1)[near].max() <= 20
    assert (away <= 25).sum(axis=1)[near].min() >= 4


def test_every_train_place_is_seen_eight_times_within_a_few_metres():
    places: dict[str, list[Capture]] = {}
    for capture in captures("train", places=60):
        places.setdefault(fields(capture.path)[-2], []).append(capture)
    assert sorted(places) == [f"{k:05d}" for k in range(60)]
    for seen in places.values():
        assert len(seen) == PER_PLACE
        spots = np.array([(c.x, c.y) for c in seen])
        assert np.abs(spots - spots.mean(axis=0)).max() < 8
        assert {c.condition for c in seen} == {"day", "dusk", "night"}


def test_more_places_leave_the_first_ones_as_they_are():
    assert captures("train", places=30)[: 10 * PER_PLACE] == captures("train", places=10)


def test_asking_for_more_places_than_the_city_has_is_refused():
    with pytest.raises(ValueError, match="train places"):
        captures("train", places=10**6)


def test_districts_are_kilometres_apart():
    middle = {
        split: np.mean([position(c.path) for c in captures(split, places=2)], axis=0)
        for split in ("test", "val", "train")
    }
    for a, b in (("test", "val"), ("test", "train"), ("val", "train")):
        assert np.sqrt(((middle[a] - middle[b]) ** 2).sum()) > 2000


def test_a_capture_rendered_twice_gives_the_same_bytes():
    for capture in sample("test", 211):
        assert photograph(capture) == photograph(capture)


def test_a_capture_rendered_in_a_fresh_process_gives_the_same_bytes():
    chosen = sample("test", 150)
    code = (
        "import hashlib; from vgbench.demo_city.captures import captures; "
        "from vgbench.demo_city.photograph import photograph; "
        "[print(hashlib.sha256(photograph(c)).hexdigest())"
        " for c in reversed(captures('test')[::150])]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = [hashlib.sha256(photograph(c)).hexdigest() for c in chosen]
    assert done.stdout.split() == here[::-1]


def test_images_do_not_depend_on_the_number_of_processes(tmp_path):
    generate(tmp_path / "one", splits=["train"], places=6, workers=1)
    generate(tmp_path / "two", splits=["train"], places=6, workers=2)
    one = sorted((tmp_path / "one").rglob("*.jpg"))
    two = sorted((tmp_path / "two").rglob("*.jpg"))
    assert [p.name for p in one] == [p.name for p in two]
    assert len(one) == 6 * PER_PLACE
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]


def test_progress_counts_to_the_end(tmp_path):
    seen: list[tuple[int, int]] = []
    generate(tmp_path, ["train"], places=4, workers=1, progress=lambda *pair: seen.append(pair))
    assert seen[-1] == (32, 32)
    assert seen == sorted(seen)


def test_equal_folders_pack_to_equal_archives(tmp_path):
    for name in ("b.jpg", "a.jpg"):
        (tmp_path / "test/database").mkdir(parents=True, exist_ok=True)
        (tmp_path / "test/database" / name).write_bytes(name.encode())
    write_archive(tmp_path, tmp_path / "one.zip")
    (tmp_path / "test/database/a.jpg").touch()
    write_archive(tmp_path, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as packed:
        names = [PurePosixPath(name).name for name in packed.namelist()]
    assert names == ["a.jpg", "b.jpg"]


def test_a_contact_sheet_shows_database_above_queries(tmp_path, archive):
    from PIL import Image

    for member in archive.namelist()[:3] + archive.namelist()[TEST_DATABASE : TEST_DATABASE + 3]:
        archive.extract(member, tmp_path)
    contact_sheet(tmp_path / "demo-city/test", tmp_path / "sheet.jpg", columns=3, rows=2)
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.width > 3 * WIDTH and sheet.height > 2 * HEIGHT


@same_versions
def test_a_sample_rendered_anew_equals_the_archive(archive):
    for capture in [*sample("test", 60), *sample("val", 84)]:
        assert photograph(capture) == archive.read(f"demo-city/{capture.path}"), capture.path


@same_versions
@pytest.mark.slow
def test_everything_rendered_anew_equals_the_archive(tmp_path):
    generate(tmp_path / "anew", splits=["test", "val"])
    write_archive(tmp_path / "anew", tmp_path / "anew.zip")
    assert (tmp_path / "anew.zip").read_bytes() == archive_path().read_bytes()
