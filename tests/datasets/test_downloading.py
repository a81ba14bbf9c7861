from __future__ import annotations

import io
import json
import os
import random
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vgbench.datasets import (
    Dataset,
    download_dataset,
    download_datasets,
    installed,
    load_dataset,
)
from vgbench.datasets import drive as drive_module
from vgbench.datasets import obtaining as obtaining_module
from vgbench.datasets.lockfile import lock_path, read_lock
from vgbench.datasets.obtaining import downloading_alone
from vgbench.datasets.patience import Policy
from vgbench.datasets.records import unwritten_path
from vgbench.datasets.registry import parse_registry
from vgbench.datasets.sources import known_digests, places_of
from vgbench.errors import (
    ArchiveError,
    DatasetError,
    DatasetNotFound,
    DownloadError,
    UsageError,
    VgbenchError,
)

Server = runpy.run_path(str(Path(__file__).with_name("misbehaving.py")))["Server"]
QUICK = Policy(tries=2, connect=1.0, read=0.5, backoff=0.02, jitter=0.01, longest=2.0)
MakeFolder = Callable[..., Path]


@pytest.fixture
def root() -> Path:
    return Path(os.environ["VGBENCH_DATA"])


@pytest.fixture
def server() -> Iterator[Any]:
    with Server() as server:
        yield server


@pytest.fixture
def town(make_folder: MakeFolder) -> bytes:
    """A zip of a small dataset."""
    return zipped(make_folder("town", {"town/test/database": 40, "town/test/queries": 10}))


@pytest.fixture
def hamlet(make_folder: MakeFolder) -> bytes:
    return zipped(make_folder("hamlet", {"database": 4, "queries": 2}))


def zipped(folder: Path) -> bytes:
    archive = shutil.make_archive(str(folder.parent / f"{folder.name}-packed"), "zip", folder)
    return Path(archive).read_bytes()


def visible(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.name != ".locks")


def registry(monkeypatch: pytest.MonkeyPatch, *sources: str, **changes: str) -> None:
    """Make "town" a registered dataset with these addresses."""
    lines = ["schema = 1", "[town]", 'title = "Town"', 'description = ""', 'terms = "Free."']
    lines += ["[town.splits.test]", "database = 40", "queries = 10"]
    for url in sources:
        kind = f'kind = "url"\nurl = "{url}"' if "/" in url else f'kind = "drive"\nid = "{url}"'
        lines += ["[[town.sources]]", kind, 'file = "town.zip"']
        lines += [f'{key} = "{value}"' for key, value in changes.items()]
    specs = parse_registry("\n".join(lines))
    monkeypatch.setattr(obtaining_module, "find_spec", lambda name, root: specs.get(name))


def test_a_name_becomes_an_installed_dataset_and_the_archive_goes(
    server: Any, root: Path, town: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry(monkeypatch, server.put("town.zip", town))
    folder = download_dataset("town", policy=QUICK)
    assert folder == root / "town" and installed() == [("town", "test")]
    load_dataset("town").check_unchanged()
    assert visible(root) == ["town", "town.lock.json"]
    lock = read_lock(root, "town")
    assert lock is not None and lock.bytes == len(town) and lock.source.endswith("/town.zip")
    assert lock.recorded.endswith("+00:00")
    # Once installed, it is not asked for again.
    assert download_datasets(["town"], policy=QUICK)[0].state == "installed already"
    assert len(server.log) == 1


def test_the_archive_stays_where_wanted(server: Any, root: Path, town: bytes) -> None:
    url = server.put("my%20town.zip", town)
    (done,) = download_datasets(["town"], from_url=url, keep_archive=True, policy=QUICK)
    assert done.archive == root / ".downloads" / "town" / "my town.zip"
    assert done.archive.read_bytes() == town
    assert json.loads(json.dumps(done.to_json()))["archive"] == str(done.archive)


def test_dataset_download_opens_what_it_brought(server: Any, town: bytes) -> None:
    url = server.put("town.zip", town)
    dataset = Dataset.download("town", from_url=url, policy=QUICK)
    assert len(dataset) == 50 and dataset.split == "test"
    assert len(Dataset.download("town/test", policy=QUICK, from_url=url)) == 50
    assert len(server.log) == 1


def test_what_comes_with_vgbench_needs_no_network(root: Path) -> None:
    assert download_datasets(["demo-city"])[0].state == "comes with vgbench"
    assert ("demo-city", "test") in installed()


def test_sources_are_tried_in_order_users_choice_first(
    server: Any, town: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry(monkeypatch, server.put("registered.zip", town))
    monkeypatch.setenv("VGBENCH_MIRROR", f"{server.url}/mirror")
    download_dataset("town", from_url=f"{server.url}/chosen/", policy=QUICK)
    assert [r.path for r in server.log] == [
        "/chosen/town.zip", "/mirror/town.zip", "/registered.zip",
    ]  # fmt: skip


def test_a_dead_mirror_and_a_slow_one(
    server: Any, town: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry(monkeypatch, "http://127.0.0.1:9/town.zip", server.put("town.zip", town))
    half = len(town) // 2

    def stalls(request: Any) -> None:
        server.serve(request, upto=half, cut=False)
        time.sleep(QUICK.read * 3)  # nothing more comes, and the connection stays

    server.script.append(stalls)
    server.always = server.but(seconds=0.8)  # longer than what it waits for, with no long silence
    (done,) = download_datasets(["town"], policy=QUICK)
    assert done.source == f"{server.url}/town.zip" and done.received == len(town)
    starts = [request.start for request in server.log]
    assert starts[:2] == [0, half] and starts == sorted(starts)
    assert len(load_dataset("town")) == 50


def test_when_no_source_gives_it_one_error_names_all_and_the_way_by_hand(
    server: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = b"<html><title>Quota exceeded</title></html>"
    registry(monkeypatch, "http://127.0.0.1:9/town.zip", "1q7usSe9")
    monkeypatch.setattr(drive_module.DriveFile, "__init__", _local_drive(server.url))
    server.script.extend([server.says(404), server.says(200, page, {"Content-Type": "text/html"})])
    with pytest.raises(DownloadError) as raised:
        download_dataset("town", from_url=f"{server.url}/t.zip?key=secret", policy=QUICK)
    lines = str(raised.value).splitlines()
    assert lines[0] == "town could not be downloaded. Tried:"
    assert lines[1] == f"  {server.url}/t.zip (--from):"
    assert lines[2] == "    it answers HTTP 404 (Not Found)."
    assert lines[4] == "    the connection was refused, tried 3 times."
    assert "Google says that too many people" in lines[6]
    assert lines[7:] == [
        "By hand: save this in a browser, as town.zip,",
        f"  {server.url}/file/d/1q7usSe9/view",
        "and run: vgbench datasets import town ~/Downloads/town.zip",
        "From elsewhere: vgbench datasets download town --from URL",
    ]
    assert "secret" not in str(raised.value)
    assert visible(root) == []


def _local_drive(host: str) -> Callable[..., None]:
    def init(self: Any, id: str) -> None:  # noqa: A002
        for name, value in (("id", id), ("host", host), ("if_range", False)):
            object.__setattr__(self, name, value)

    return init


def test_what_came_is_kept_and_the_error_says_so(server: Any, root: Path, town: bytes) -> None:
    url = server.put("town.zip", town)
    server.always = server.says(403)
    server.script.append(server.but(upto=len(town) // 2, cut=False))
    with pytest.raises(DownloadError, match="0.0 MB came and are kept: run it again"):
        download_dataset("town", from_url=url, policy=QUICK)
    server.always = None
    (done,) = download_datasets(["town"], from_url=url, policy=QUICK)
    assert done.received == len(town) - len(town) // 2
    assert visible(root) == ["town", "town.lock.json"]


def test_other_bytes_than_the_first_time_are_an_error(
    server: Any, root: Path, town: bytes, hamlet: bytes
) -> None:
    url = server.put("town.zip", town)
    download_dataset("town", from_url=url, policy=QUICK)
    server.put("town.zip", hamlet)
    with pytest.raises(DownloadError, match="another file: SHA-256") as raised:
        download_dataset("town", from_url=url, replace=True, policy=QUICK)
    assert f"{lock_path(root, 'town')} has the digest of the first download" in str(raised.value)
    assert len(load_dataset("town")) == 50
    lock_path(root, "town").unlink()
    download_dataset("town", from_url=url, replace=True, policy=QUICK)
    assert len(load_dataset("town")) == 6


def test_a_record_that_cannot_be_read_is_an_error(server: Any, root: Path, town: bytes) -> None:
    url = server.put("town.zip", town)
    root.mkdir(exist_ok=True)
    for text in ("", "[]", '{"schema": 1}', '{"schema": 2, "sha256": ""}'):
        lock_path(root, "town").write_text(text)
        with pytest.raises(DatasetError, match="Delete it to accept"):
            download_dataset("town", from_url=url, policy=QUICK)
    assert server.log == []


def test_registered_digests_decide(
    server: Any, root: Path, town: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    url = server.put("town.zip", town)
    registry(monkeypatch, url, sha256="0" * 64)
    with pytest.raises(DownloadError, match=f"instead of {'0' * 64}"):
        download_dataset("town", policy=QUICK)
    registry(monkeypatch, url, sha256=hashlib.sha256(town).hexdigest())
    download_dataset("town", policy=QUICK)
    assert visible(root) == ["town"]  # nothing to record: the registry knows it


def test_an_edition_whose_digest_is_unknown_is_not_refused() -> None:
    text = """schema = 1
    [town]
    title = "T"
    description = ""
    terms = ""
    [town.splits.test]
    [[town.sources]]
    kind = "url"
    url = "http://example.org/town.zip"
    file = "town.zip"
    [[town.editions]]
    name = "full"
    images = "big"
    archive_sha256 = "DIGEST"
    """.replace("DIGEST", "1" * 64)
    one = parse_registry(text)["town"]
    assert known_digests(one) == {"1" * 64}
    two = parse_registry(text + '[[town.editions]]\nname = "small"\nimages = ""')["town"]
    assert known_digests(two) == frozenset()


def test_an_archive_that_is_not_the_dataset_is_set_aside(
    server: Any, root: Path, hamlet: bytes
) -> None:
    server.put("sf_xs.zip", hamlet)
    for _ in range(2):  # and does not stand in the way of the next download
        with pytest.raises(DatasetError, match="is not sf-xs as the registry knows it") as raised:
            download_dataset("sf-xs", from_url=f"{server.url}/", policy=QUICK)
    aside = root / ".downloads" / "sf-xs" / "refused-sf_xs.zip"
    assert f"The archive is kept: {aside}" in str(raised.value)
    assert aside.read_bytes() == hamlet and visible(root) == [".downloads"]
    assert [r.path for r in server.log] == ["/sf_xs.zip"] * 2


def test_a_damaged_archive_is_removed(server: Any, root: Path, town: bytes) -> None:
    spoilt = bytearray(town)
    at = len(town) // 3
    spoilt[at : at + 200] = bytes(200)
    url = server.put("town.zip", bytes(spoilt))
    with pytest.raises(ArchiveError):
        download_dataset("town", from_url=url, policy=QUICK)
    assert [p for p in (root / ".downloads").rglob("*") if p.is_file()] == []
    server.put("town.zip", town)
    download_dataset("town", from_url=url, policy=QUICK)
    assert len(load_dataset("town")) == 50


def test_an_archive_that_was_complete_before_is_not_fetched_again(
    server: Any, root: Path, town: bytes
) -> None:
    url = server.put("town.zip", town)
    there = root / ".downloads" / "town" / "town.zip"
    there.parent.mkdir(parents=True)
    there.write_bytes(town)
    (done,) = download_datasets(["town"], from_url=url, policy=QUICK)
    assert (done.received, done.bytes, server.log) == (0, len(town), [])


def test_a_run_ended_after_unpacking_is_recorded_and_cleaned_by_the_next(
    server: Any, root: Path, town: bytes
) -> None:
    url = server.put("town.zip", town)
    download_dataset("town", from_url=url, keep_archive=True, policy=QUICK)
    first = read_lock(root, "town")
    lock_path(root, "town").rename(unwritten_path(lock_path(root, "town")))
    (root / ".downloads" / "town" / ".vgbench-tmp-abc.json").write_text("{")
    download_dataset("town", from_url=url, policy=QUICK)
    again = read_lock(root, "town")
    assert first and again and (first.sha256, first.bytes) == (again.sha256, again.bytes)
    assert visible(root) == ["town", "town.lock.json"]


def test_without_room_nothing_is_fetched(
    server: Any, root: Path, town: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.put("town.zip", town)
    server.always = server.but(headers={"Content-Length": str(10**15)})
    huge = Policy(**{**vars(QUICK), "bytes": 10**16})
    with pytest.raises(VgbenchError, match="no room for town in .* .1000000.00 GB for the archive"):
        download_dataset("town", from_url=url, policy=huge)
    assert [p for p in (root / ".downloads").rglob("*") if p.is_file()] == []


def test_names_are_taken_as_people_type_them(server: Any, hamlet: bytes) -> None:
    server.put("sf_xs.zip", hamlet)
    with pytest.raises(DatasetError, match="is not sf-xs as the registry knows it"):
        download_dataset("sf_xs", from_url=f"{server.url}/", policy=QUICK)


def test_the_users_own_registry_counts(server: Any, root: Path, hamlet: bytes) -> None:
    root.mkdir(exist_ok=True)
    url = server.put("hamlet.zip", hamlet)
    (root / "registry.toml").write_text(
        'schema = 1\n[hamlet]\ntitle = "H"\ndescription = ""\nterms = ""\n'
        "[hamlet.splits.test]\ndatabase = 4\n[[hamlet.sources]]\n"
        f'kind = "url"\nurl = "{url}"\nfile = "hamlet.zip"\n'
    )
    download_dataset("hamlet", policy=QUICK)
    assert len(load_dataset("hamlet")) == 6


def test_a_full_disk_is_said_and_what_came_is_kept(server: Any, root: Path, town: bytes) -> None:
    resource = pytest.importorskip("resource")
    url = server.put("town.zip", town)
    limit = len(town) // 2
    full = subprocess.run(
        [sys.executable, "-c", CHILD, url],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True, text=True,
    )  # fmt: skip
    assert "VgbenchError: Cannot write" in full.stderr and not (root / "town").exists()
    part = root / ".downloads" / "town" / "town.zip.part"
    assert part.read_bytes() == town[:limit]
    (done,) = download_datasets(["town"], from_url=url, policy=QUICK)
    assert done.received == len(town) - limit


def test_several_come_side_by_side_and_one_that_fails_keeps_no_other_away(
    server: Any, root: Path, town: bytes, hamlet: bytes
) -> None:
    server.put("a.archive", town)
    server.put("b.archive", hamlet)
    server.always = server.but(seconds=1.0)
    start = time.monotonic()
    with pytest.raises(DownloadError, match="c could not be downloaded"):
        download_datasets(["a", "c", "b", "a"], from_url=f"{server.url}/", policy=QUICK)
    assert time.monotonic() - start < 1.9
    assert installed() == [("a", "test"), ("b", "test")]
    assert sorted(r.path for r in server.log) == ["/a.archive", "/b.archive", "/c.archive"]


def test_usage_is_checked_before_anything_is_done(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="one archive, and several"):
        download_datasets(["a", "b"], from_url="http://127.0.0.1:9/a.zip")
    with pytest.raises(UsageError, match="http"):
        download_dataset("a", from_url="ftp://example.org/a.zip")
    with pytest.raises(UsageError, match="whole: vgbench datasets download sf-xs"):
        download_dataset("sf-xs/test")
    with pytest.raises(UsageError, match="name"):
        download_dataset("../a", from_url="http://127.0.0.1:9/a.zip")
    with pytest.raises(
        DatasetNotFound, match="no dataset 'a' .* sf-xs, tokyo-xs, gsv-xs.*--from URL"
    ):
        download_dataset("a")
    monkeypatch.setenv("VGBENCH_MIRROR", "/local/folder")
    with pytest.raises(UsageError, match="VGBENCH_MIRROR"):
        download_dataset("sf-xs")
    (root / "a").mkdir()
    with pytest.raises(DatasetError, match="with no manifest"):
        monkeypatch.delenv("VGBENCH_MIRROR")
        download_dataset("a", from_url="http://127.0.0.1:9/a.zip", policy=QUICK)


def test_links_of_drive_are_taken_as_drive_and_passwords_stay_secret() -> None:
    places = places_of("a", None, "https://drive.google.com/file/d/1tQqEyt3go3v/view?usp=sharing")
    assert isinstance(places[0].source, drive_module.DriveFile)
    (place,) = places_of("a", None, "https://me:secret@example.org/a.zip?key=secret")
    assert str(place) == "https://example.org/a.zip (--from)"


CHILD = """
import sys
from vgbench.datasets import download_dataset
from vgbench.datasets.obtaining import downloading_alone
from vgbench.datasets.patience import Policy
quick = Policy(tries=2, connect=1.0, read=1.0, backoff=0.02, jitter=0.01, block=16384)
print("ready", flush=True)
download_dataset("town", from_url=sys.argv[1], policy=quick)
"""


def child(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, url],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_processes_that_want_the_same_wait_for_each_other(
    server: Any, root: Path, town: bytes
) -> None:
    url = server.put("town.zip", town)
    server.always = server.but(seconds=1.5)
    children = [child(url) for _ in range(3)]
    errors = [process.communicate(timeout=60)[1] for process in children]
    assert [process.returncode for process in children] == [0, 0, 0], errors
    assert len(server.log) == 1 and any("waiting for it" in error for error in errors)
    load_dataset("town").check_unchanged()
    assert visible(root) == ["town", "town.lock.json"]


def test_a_held_lock_is_no_way_around(root: Path, server: Any, town: bytes) -> None:
    url = server.put("town.zip", town)
    with downloading_alone(root, "town"):
        waiting = threading.Thread(
            target=download_dataset, args=("town",), kwargs={"from_url": url, "policy": QUICK}
        )
        waiting.start()
        time.sleep(0.3)
        assert server.log == []
    waiting.join(timeout=30)
    assert installed() == [("town", "test")]


@pytest.fixture
def big_town(tmp_path: Path, make_jpeg: Callable[..., bytes], make_name: Callable[..., str]
             ) -> bytes:  # fmt: skip
    """A zip of 800 small images: unpacking it takes a while."""
    file = io.BytesIO()
    pictures = [make_jpeg(seed) for seed in range(10)]
    with zipfile.ZipFile(file, "w") as archive:
        for index in range(800):
            role = "queries" if index % 10 == 0 else "database"
            name = make_name(550_000 + index, 4_180_000)
            archive.writestr(f"town/test/{role}/{name}", pictures[index % 10])
    return file.getvalue()


def kill_at_random(server: Any, root: Path, data: bytes, times: int, seed: int) -> None:
    """Kill downloads, in turn while the archive comes and while it is unpacked."""
    url = server.put("town.zip", data)
    server.always = server.but(seconds=0.25)
    downloads = root / ".downloads" / "town"
    archive, part = downloads / "town.zip", downloads / "town.zip.part"

    def started() -> subprocess.Popen[str]:
        process = child(url)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        return process

    def wait(process: subprocess.Popen[str], until: Callable[[], bool]) -> None:
        while not until() and process.poll() is None:
            time.sleep(0.001)

    def came(size: float) -> Callable[[], bool]:
        return lambda: archive.exists() or (part.exists() and part.stat().st_size >= size)

    whole = started()
    wait(whole, archive.exists)
    began = time.monotonic()
    assert whole.wait(timeout=120) == 0
    unpacking = time.monotonic() - began
    expected = load_dataset("town", data_root=root)
    shutil.rmtree(root)
    chance = random.Random(seed)
    states = set()
    for turn in range(times):
        killed = started()
        if turn % 2:
            wait(killed, archive.exists)
            # One moment in each part of the time that it takes, so that all of it is met.
            time.sleep(unpacking * (turn + chance.random()) / times)
        else:
            wait(killed, came(len(data) * (turn + chance.random()) / (times + 1)))
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        if (root / "town").exists():  # then all of it
            load_dataset("town", data_root=root).check_unchanged()
            states.add("installed")
        elif archive.exists():
            states.add("unpacking")
        elif part.exists():
            states.add("downloading")
        download_dataset("town", from_url=url, policy=QUICK, data_root=root)
        dataset = load_dataset("town", data_root=root)
        assert (dataset.ground_truth, dataset.content) == (
            expected.ground_truth, expected.content,
        )  # fmt: skip
        dataset.check_unchanged()
        left = {"town", "town.lock.json", ".locks"}
        assert {path.name for path in root.iterdir()} == left
        shutil.rmtree(root)
    assert {"downloading", "unpacking"} <= states, states


def test_a_kill_at_any_moment_leaves_nothing_half_and_the_next_run_finishes(
    server: Any, tmp_path: Path, big_town: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    monkeypatch.setenv("VGBENCH_DATA", str(root))
    kill_at_random(server, root, big_town, times=6, seed=1)


@pytest.mark.slow
def test_fifty_kills_at_random_moments(
    server: Any, tmp_path: Path, big_town: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    monkeypatch.setenv("VGBENCH_DATA", str(root))
    kill_at_random(server, root, big_town, times=50, seed=2)
