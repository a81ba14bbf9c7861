from __future__ import annotations

import hashlib
import io
import os
import random
import re
import runpy
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vgbench.datasets import download_dataset, import_dataset, verify_dataset
from vgbench.datasets.lockfile import Lock, lock_path, read_lock, write_lock
from vgbench.datasets.patience import Policy
from vgbench.datasets.repairing import Repair, repair_dataset
from vgbench.errors import DatasetError, DatasetNotFound, DownloadError

Server = runpy.run_path(str(Path(__file__).with_name("misbehaving.py")))["Server"]
QUICK = Policy(tries=2, connect=1.0, read=0.5, backoff=0.02, jitter=0.01, longest=2.0)
MakeFolder = Callable[..., Path]
Jpeg = Callable[..., bytes]


class Ranged(Server):  # type: ignore[misc, valid-type]
    """Gives parts of files from one byte to another, as good servers do."""

    def part(
        self, request: Any, cut: int | None = None, short: dict[str, str] | None = None
    ) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        data = self.files.get(request.path)
        if asked is None or data is None:
            self.serve(request)
            return
        first, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
        headers = {"ETag": self.etags[request.path], "Content-Length": str(last + 1 - first)}
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        request.head(206, headers | (short or {}))
        request.body(data[first : last + 1][:cut])
        if cut is not None:
            request.cut()


@pytest.fixture
def root() -> Path:
    return Path(os.environ["VGBENCH_DATA"])


@pytest.fixture
def server() -> Iterator[Any]:
    with Ranged() as server:
        server.always = server.part
        yield server


@pytest.fixture
def town(make_folder: MakeFolder) -> bytes:
    """A zip of 600 images."""
    folder = make_folder("town", {"town/test/database": 500, "town/test/queries": 100})
    return Path(shutil.make_archive(str(folder), "zip", folder)).read_bytes()


@pytest.fixture
def installed(server: Any, town: bytes, root: Path) -> Path:
    """The dataset "town", downloaded from the server; what was asked until then is forgotten."""
    folder = download_dataset("town", from_url=server.put("town.zip", town), policy=QUICK)
    server.log.clear()
    return folder


def images(folder: Path, role: str = "database") -> list[Path]:
    return sorted((folder / "test" / role).iterdir())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.jpg")}


def damage(folder: Path, jpeg: bytes) -> None:
    """Delete, cut and change an image each, and a query too."""
    gone, cut, *_, changed = images(folder)
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:300])
    changed.write_bytes(jpeg)
    images(folder, "queries")[50].unlink()


def repair(**options: Any) -> Repair:
    return repair_dataset("town", policy=QUICK, **options)


@pytest.mark.parametrize("end", [1_000, 128 * 1024])  # the directory does not fit, and fits
def test_only_what_is_needed_is_fetched(
    server: Any,
    installed: Path,
    town: bytes,
    make_jpeg: Jpeg,
    end: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vgbench.datasets.ranged._END", end)
    before = contents(installed)
    times = {path: path.stat().st_mtime_ns for path in images(installed)}
    damage(installed, make_jpeg(9999))
    done = repair()
    assert (done.needed, done.repaired) == (4, 4) and done.report.ok
    assert contents(installed) == before
    # The end with the directory, and the members; not the archive.
    assert done.fetched == server.sent and done.fetched < len(town) / 2.5
    assert all(request.status == 206 for request in server.log)
    assert done.sources[0].startswith(f"{server.url}/town.zip")
    # They are as old as they were: nobody has to read them again to know them.
    assert {path: path.stat().st_mtime_ns for path in images(installed)} == times
    assert not [p for p in installed.rglob("*") if p.name.startswith(".vgbench-tmp-")]


def test_a_dataset_that_is_well_asks_nobody(server: Any, installed: Path) -> None:
    done = repair()
    assert (done.needed, done.fetched) == (0, 0) and done.report.ok and server.log == []


def test_images_that_lie_together_come_by_one_request(server: Any, installed: Path) -> None:
    before = contents(installed)
    for path in images(installed)[100:140]:
        path.unlink()
    done = repair()
    assert done.repaired == 40 and contents(installed) == before
    assert len(server.log) <= 5  # the beginning, the end, the directory, and these


def test_a_folder_that_is_gone_comes_back(server: Any, installed: Path) -> None:
    before = contents(installed)
    shutil.rmtree(installed / "test" / "queries")
    assert repair().repaired == 100 and contents(installed) == before


def test_only_a_deep_repair_finds_a_change_that_hides_its_time(installed: Path) -> None:
    path = images(installed)[3]
    facts, data = path.stat(), bytearray(path.read_bytes())
    data[-20] ^= 0xFF
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert repair().needed == 0
    assert repair(deep=True).repaired == 1
    assert verify_dataset("town", deep=True).ok


def test_an_extra_image_is_told_and_stays(installed: Path, make_jpeg: Jpeg) -> None:
    extra = installed / "test" / "database" / "@1.00@2.00@.jpg"
    extra.write_bytes(make_jpeg(1))
    done = repair()
    assert (done.needed, done.fetched) == (0, 0) and extra.exists()
    assert done.report.splits[0].extra == (f"database/{extra.name}",)
    assert done.report.status == "damaged"


def test_a_server_without_ranges_gives_the_whole_archive(
    server: Any, installed: Path, town: bytes, make_jpeg: Jpeg, root: Path
) -> None:
    before = contents(installed)
    server.always = server.but(ranges=False)
    damage(installed, make_jpeg(9999))
    done = repair()
    assert done.repaired == 4 and done.report.ok and contents(installed) == before
    assert done.fetched >= len(town)
    assert not (root / ".downloads").exists()  # it was not there before


def test_a_whole_archive_without_the_images_does_not_stay(
    server: Any, installed: Path, make_folder: MakeFolder, make_jpeg: Jpeg, root: Path
) -> None:
    damage(installed, make_jpeg(9999))
    other = make_folder("other", {"town/test/database": 400, "town/test/queries": 20})
    server.put("town.zip", Path(shutil.make_archive(str(other), "zip", other)).read_bytes())
    server.always = server.but(ranges=False)
    lock_path(root, "town").unlink()
    with pytest.raises(DownloadError, match="still needed are 2") as error:
        repair(source=f"{server.url}/town.zip")
    assert "it gives no parts of files" in str(error.value)
    assert "not in it as the manifest knows them" in str(error.value)
    assert not (root / ".downloads").exists()


def test_a_broken_connection_goes_on_where_it_was(
    server: Any, installed: Path, make_jpeg: Jpeg
) -> None:
    before = contents(installed)
    damage(installed, make_jpeg(9999))
    server.script.extend(
        [
            server.part,
            lambda request: server.part(request, cut=20_000),
            server.says(503),
            lambda request: server.part(request, cut=0),
        ]
    )
    assert repair().repaired == 4 and contents(installed) == before


def test_an_archive_that_changes_midway_gives_nothing_wrong(
    server: Any, installed: Path, make_jpeg: Jpeg
) -> None:
    before = contents(installed)
    damage(installed, make_jpeg(9999))
    server.script.extend(
        [server.part, server.part, lambda request: server.part(request, short={"ETag": '"new"'})]
    )
    done = repair()  # from the whole of it then
    assert done.repaired == 4 and contents(installed) == before


def test_an_archive_that_was_packed_anew_will_do_as_every_image_is_held_to_the_manifest(
    server: Any, installed: Path, make_folder: MakeFolder, make_jpeg: Jpeg, root: Path
) -> None:
    before, record = contents(installed), read_lock(root, "town")
    other = make_folder("other", {"town/test/database": 510, "town/test/queries": 100})
    archive = Path(shutil.make_archive(str(other), "zip", other))
    server.put("town.zip", archive.read_bytes())
    for source in (None, archive):
        damage(installed, make_jpeg(9999))
        assert repair(source=source).repaired == 4
        assert contents(installed) == before and read_lock(root, "town") == record


def test_an_archive_without_the_images_is_not_fetched_whole_in_vain(
    server: Any, installed: Path, town: bytes, make_folder: MakeFolder, make_jpeg: Jpeg
) -> None:
    left = [images(installed)[-1], images(installed, "queries")[50]]
    damage(installed, make_jpeg(9999))
    other = make_folder("other", {"town/test/database": 400, "town/test/queries": 20})
    archive = Path(shutil.make_archive(str(other), "zip", other))
    server.put("town.zip", archive.read_bytes())
    with pytest.raises(DownloadError) as error:
        repair()
    said = str(error.value)
    assert "2 images of town were repaired; still needed are 2:" in said
    assert (
        "not in it as the manifest knows them (it has "
        f"{archive.stat().st_size:,} bytes, the archive of the first download {len(town):,})"
    ) in said
    assert server.sent < len(town) / 2.5 and all(r.status == 206 for r in server.log)
    (split,) = verify_dataset("town").splits
    assert split.broken == tuple(f"{path.parent.name}/{path.name}" for path in left)


def test_a_source_that_cannot_be_reached_is_told_and_the_recorded_one_gives(
    server: Any, installed: Path, make_jpeg: Jpeg, capfd: pytest.CaptureFixture[str], root: Path
) -> None:
    before = contents(installed)
    damage(installed, make_jpeg(9999))
    nobody = "http://127.0.0.1:9/town.zip"
    patient = Policy(tries=2, backoff=0.5, jitter=0.0)
    done = repair_dataset("town", source=nobody, policy=patient)
    assert done.sources == (f"{server.url}/town.zip",) and contents(installed) == before
    told = capfd.readouterr().err
    assert told == f"{nobody} (--from) does not answer: trying a few times more.\n"


def test_what_cannot_be_reached_is_not_tried_again_for_the_whole(
    server: Any, installed: Path, make_jpeg: Jpeg, capfd: pytest.CaptureFixture[str], root: Path
) -> None:
    damage(installed, make_jpeg(9999))
    lock_path(root, "town").unlink()  # so that no other address is known
    with pytest.raises(DownloadError, match="still needed are 4") as error:
        repair(source="http://127.0.0.1:9/town.zip")
    assert str(error.value).count("the connection was refused") == 1
    assert capfd.readouterr().err == "" and server.log == []
    server.always = server.says(404)
    with pytest.raises(DownloadError, match="still needed are 4") as error:
        repair(source=f"{server.url}/town.zip")
    assert "HTTP 404" in str(error.value) and not (root / ".downloads").exists()


def test_an_edition_with_other_images_never_gets_in(
    server: Any, installed: Path, town: bytes, make_jpeg: Jpeg, root: Path
) -> None:
    """Equal names, equal sizes, an archive of equal size, and no record: the images decide."""
    damage(installed, make_jpeg(9999))
    damaged = contents(installed)
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(town)) as good,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bad,
    ):
        for name in good.namelist():
            data = bytearray(good.read(name))
            if data:
                data[-10] ^= 1
            bad.writestr(name, data)
    server.put("town.zip", packed.getvalue())
    lock_path(root, "town").unlink()
    url = f"{server.url}/town.zip"
    with pytest.raises(DownloadError, match="not in it as the manifest knows them"):
        repair(source=url)
    assert contents(installed) == damaged


def test_a_kept_archive_is_used_first_and_one_that_is_damaged_is_not(
    server: Any, installed: Path, town: bytes, make_jpeg: Jpeg, root: Path
) -> None:
    before = contents(installed)
    kept = root / ".downloads" / "town" / "town.zip"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(town)
    damage(installed, make_jpeg(9999))
    done = repair()
    assert (done.repaired, done.fetched, done.sources) == (4, 0, (str(kept),))
    assert contents(installed) == before and kept.exists() and server.log == []
    kept.write_bytes(town[:-1] + b"x")
    damage(installed, make_jpeg(9999))
    done = repair()
    assert done.repaired == 4 and done.fetched > 0 and contents(installed) == before


@pytest.mark.parametrize("kind", ["gztar", "tar", "zip"])
def test_an_archive_at_hand_will_do_whatever_its_wrapping(
    make_folder: MakeFolder, kind: str, make_jpeg: Jpeg
) -> None:
    folder = make_folder("hamlet", {"a/b/test/gallery": 4, "a/b/test/queries_v1": 2})
    archive = Path(shutil.make_archive(str(folder), kind, folder))
    here = import_dataset("hamlet", folder)
    before = contents(here)
    images(here)[1].unlink()
    images(here, "queries")[0].write_bytes(make_jpeg(7))
    with pytest.raises(DownloadError, match="No source is known"):
        repair_dataset("hamlet")
    done = repair_dataset("hamlet", source=archive)
    assert (done.repaired, done.fetched) == (2, 0) and contents(here) == before


def test_equal_names_in_several_roles_are_not_mixed_up(
    make_folder: MakeFolder, make_jpeg: Jpeg
) -> None:
    folder = make_folder("twins", {"database": 3, "queries": 1})
    name = sorted((folder / "database").iterdir())[0].name
    (folder / "queries" / name).write_bytes(make_jpeg(500))
    archive = Path(shutil.make_archive(str(folder), "zip", folder))
    here = import_dataset("twins", archive)
    before = contents(here)
    for path in here.rglob(name):
        path.unlink()
    assert repair_dataset("twins", source=archive).repaired == 2
    assert contents(here) == before


def test_what_a_killed_repair_left_is_removed(installed: Path) -> None:
    path = images(installed)[0]
    orphan = path.parent / ".vgbench-tmp-abc.jpg"
    orphan.write_bytes(b"half")
    path.unlink()
    assert repair().report.ok and not orphan.exists()


KILLED = """
from vgbench.datasets.repairing import repair_dataset
print("ready", flush=True)
repair_dataset("town")
"""


def kill_repairs(server: Any, folder: Path, root: Path, ranges: bool, times: int) -> None:
    """Damage many images and kill the repair, some of the way on; then let another finish."""
    before = contents(folder)

    def act(request: Any) -> None:
        time.sleep(0.002)
        (server.part if ranges else server.but(ranges=False, seconds=0.2))(request)

    def repairing() -> subprocess.Popen[bytes]:
        for path in images(folder)[::7]:
            path.unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        return process

    server.always = act
    start_to_end = repairing()
    began = time.monotonic()
    assert start_to_end.wait(60) == 0 and contents(folder) == before
    lasts = time.monotonic() - began
    chance, halfway = random.Random(3), 0
    for turn in range(times):
        process = repairing()
        time.sleep(lasts * (turn + chance.random()) / times)
        process.kill()
        process.communicate()
        there = {k: v for k, v in contents(folder).items() if ".vgbench-tmp-" not in k}
        assert there.items() <= before.items()  # an image is right or is not there
        halfway += len(before) - 72 < len(there) < len(before)
        done = repair()
        assert done.report.ok and contents(folder) == before
        assert not list(folder.rglob(".vgbench-tmp-*"))
        left = {path.name for path in root.iterdir()} - {"town.verified.json"}
        assert left == {".locks", "town", "town.lock.json"}
    assert halfway or times < 10


def test_a_killed_repair_leaves_whole_images_and_the_next_one_finishes(
    server: Any, installed: Path, root: Path
) -> None:
    kill_repairs(server, installed, root, ranges=False, times=2)


@pytest.mark.slow
@pytest.mark.parametrize("ranges", [True, False])
def test_twenty_five_kills_of_a_repair(
    server: Any, installed: Path, root: Path, ranges: bool
) -> None:
    kill_repairs(server, installed, root, ranges, times=25)


def test_images_that_are_linked_to_are_not_written(make_folder: MakeFolder) -> None:
    folder = make_folder("mine")
    import_dataset("mine", folder, link=True)
    gone = sorted((folder / "database").iterdir())[0]
    gone.unlink()
    with pytest.raises(DatasetError, match="only linked to"):
        repair_dataset("mine")
    assert not gone.exists()


def test_what_is_not_there_cannot_be_repaired(make_folder: MakeFolder, tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFound):
        repair_dataset("sf_xs")
    here = import_dataset("town", make_folder())
    next((here / "test" / "database").iterdir()).unlink()
    with pytest.raises(DatasetNotFound, match="There is no archive"):
        repair(source=tmp_path / "none.zip")


def test_two_repairs_at_once_end_well(server: Any, installed: Path, make_jpeg: Jpeg) -> None:
    before = contents(installed)
    damage(installed, make_jpeg(9999))
    errors: list[BaseException] = []

    def run() -> None:
        try:
            repair()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and contents(installed) == before and verify_dataset("town").ok


def test_the_record_of_the_archive_stays(installed: Path, town: bytes, root: Path) -> None:
    images(installed)[0].unlink()
    repair()
    lock = read_lock(root, "town")
    assert lock is not None and lock.sha256 == hashlib.sha256(town).hexdigest()
    write_lock(root, "town", Lock("town.zip", "0" * 64, len(town), lock.source))
    images(installed)[0].unlink()
    # By parts every image is held to the manifest, which is stronger than the archive's digest.
    assert repair().repaired == 1
