from __future__ import annotations

import os
import runpy
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vgbench.datasets import download_dataset, load_dataset, remove_dataset, verify_dataset
from vgbench.datasets.adding import add_dataset
from vgbench.datasets.private import load_private
from vgbench.errors import DatasetError, DownloadError, UsageError

Server = runpy.run_path(str(Path(__file__).with_name("misbehaving.py")))["Server"]
PARTS = {"test/database": 2, "test/queries": 2}
MakeFolder = Callable[..., Path]


@pytest.fixture
def root() -> Path:
    return Path(os.environ["VGBENCH_DATA"])


@pytest.fixture
def server() -> Iterator[Any]:
    with Server() as server:
        yield server


@pytest.fixture
def archive(make_folder: MakeFolder) -> Path:
    folder = make_folder("town", {"town/test/database": 40, "town/test/queries": 10}, ["day", ""])
    return Path(shutil.make_archive(str(folder), "zip", folder))


def visible(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.name != ".locks")


def test_a_dataset_of_ones_own_is_pinned_and_goes_as_it_came(
    make_folder: MakeFolder, root: Path
) -> None:
    folder = make_folder(parts=PARTS, notes=["day", "night"])
    assert add_dataset("my-set", folder, condition="note") == root / "my-set"
    split, dataset = load_private(root)["my-set"].splits["test"], load_dataset("my-set")
    assert (split.database, split.queries) == (2, 2)
    assert (split.ground_truth, split.content) == (dataset.ground_truth, dataset.content)
    assert dataset.query_conditions == ["day", "night"] and not dataset.pinned
    with pytest.raises(DatasetError, match="is there already"):
        add_dataset("my-set", folder)
    remove_dataset("my-set")
    assert not load_private(root)
    add_dataset("my-set", folder, link=True)
    assert load_dataset("my-set").folder == folder / "test"


@pytest.mark.parametrize("name", ["sf-xs", "My_set", "a.b", ""])
def test_a_name_that_cannot_be_taken_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="choose another"):
        add_dataset(name, tmp_path)


def test_an_address_becomes_a_dataset_that_can_be_downloaded_again(
    server: Any, root: Path, archive: Path
) -> None:
    data = archive.read_bytes()
    url = server.put("data/my%20town.zip", data)
    server.script.append(server.but(upto=len(data) // 2))  # a bad network: it goes on from there
    assert add_dataset("my-set", f"{url}?key=1", condition="note") == root / "my-set"
    assert [request.status for request in server.log] == [200, 206]
    assert visible(root) == ["my-set", "my-set.lock.json", "registry.toml"]
    (source,) = load_private(root)["my-set"].sources
    assert (source.kind, source.url, source.file) == ("url", f"{url}?key=1", "my town.zip")
    dataset = load_dataset("my-set")
    assert len(dataset) == 50 and dataset.query_conditions == ["day", None] * 5
    assert verify_dataset("my-set").ok
    shutil.rmtree(root / "my-set")
    download_dataset("my-set")
    assert load_dataset("my-set").content == dataset.content
    remove_dataset("my-set")
    assert visible(root) == ["registry.toml"] and not load_private(root)


def test_an_address_without_an_archive_leaves_nothing(
    server: Any, root: Path, make_folder: MakeFolder
) -> None:
    with pytest.raises(UsageError, match="that of the archive itself"):
        add_dataset("my-set", f"{server.url}/data/")
    page = server.says(200, b"<html><title>Sign in</title></html>", {"Content-Type": "text/html"})
    server.script.append(page)
    with pytest.raises(DownloadError, match="a web page, 'Sign in', not an archive"):
        add_dataset("my-set", f"{server.url}/town.zip")
    assert visible(root) == [] and not load_private(root)
    folder = make_folder("x", {"train": 2})
    packed = shutil.make_archive(str(folder.parent / "packed"), "zip", folder)
    url = server.put("train.zip", Path(packed).read_bytes())
    add_dataset("for-training", url)  # no queries: it is a dataset all the same
    assert load_private(root)["for-training"].splits["train"].train == 2


CHILD = """
import os, signal, sys
from pathlib import Path
from vgbench.datasets import adding

name, source, moment = sys.argv[1:]
rename, remember = Path.rename, adding.remember

def die(which):
    if moment == which:
        os.kill(os.getpid(), signal.SIGKILL)

def renaming(self, target):
    if Path(target).name == name:
        die("registered")
    result = rename(self, target)
    if Path(target).name == name:
        die("renamed")
    return result

def remembering(*arguments):
    die("checked")
    return remember(*arguments)

Path.rename, adding.remember = renaming, remembering
adding.add_dataset(name, source)
"""


@pytest.mark.parametrize("moment", ["checked", "registered", "renamed"])
@pytest.mark.parametrize("kind", ["folder", "address"])
def test_a_kill_at_the_worst_moments_leaves_what_the_next_run_finishes(
    server: Any, root: Path, archive: Path, kind: str, moment: str
) -> None:
    address = server.put("town.zip", archive.read_bytes())
    source = address if kind == "address" else str(archive.with_suffix("") / "town")
    killed = subprocess.run([sys.executable, "-c", CHILD, "my-set", source, moment])
    assert killed.returncode == -signal.SIGKILL
    whole = (root / "my-set").exists()
    assert whole == (moment == "renamed")
    assert ("my-set" in load_private(root)) == (moment != "checked")
    if whole:
        assert load_private(root)["my-set"].splits["test"].content == load_dataset("my-set").content
        with pytest.raises(DatasetError, match="is there already"):
            add_dataset("my-set", source)
    else:
        with pytest.raises(DatasetError):
            load_dataset("my-set")
        add_dataset("my-set", source)
        assert len(server.log) == (1 if kind == "address" else 0)  # the archive had come
        assert visible(root) == (
            ["my-set", "my-set.lock.json", "registry.toml"]
            if kind == "address"
            else ["my-set", "registry.toml"]
        )
    assert verify_dataset("my-set").ok and len(load_dataset("my-set")) == 50


@pytest.mark.parametrize("kind", ["folder", "address", "its own place"])
def test_an_entry_that_cannot_be_written_leaves_no_dataset(
    server: Any, root: Path, archive: Path, kind: str
) -> None:
    resource = pytest.importorskip("resource")
    mine = f"schema = 1\n{'# My notes.' * 60_000}\n"
    (root / "registry.toml").write_text(mine)  # no file may be as long as this one
    source = {
        "folder": str(archive.with_suffix("") / "town"),
        "address": server.put("town.zip", archive.read_bytes()),
        "its own place": str(root / "my-set"),
    }[kind]
    if kind == "its own place":
        shutil.copytree(archive.with_suffix("") / "town", root / "my-set")
    before = sorted(root.rglob("*"))
    command = [sys.executable, "-m", "vgbench", "datasets", "add", "my-set", source]
    failed = subprocess.run(
        command, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000)),
    )  # fmt: skip
    assert failed.returncode == 1 and "Traceback" not in failed.stderr
    assert f"Cannot write {root / 'registry.toml'}" in failed.stderr
    assert (root / "registry.toml").read_text() == mine
    left = [path for path in sorted(root.rglob("*")) if ".locks" not in path.parts]
    came = {root / ".downloads", root / ".downloads/my-set", root / ".downloads/my-set/town.zip"}
    assert set(left) - set(before) == (came if kind == "address" else set())
    subprocess.run(command, check=True, capture_output=True)
    assert len(server.log) == (1 if kind == "address" else 0)
    assert load_private(root)["my-set"].splits["test"].database == 40
    assert not (root / ".downloads").exists() and verify_dataset("my-set").ok


def test_an_entry_that_the_user_wrote_is_never_replaced(
    root: Path, make_folder: MakeFolder
) -> None:
    mine = 'schema = 1\n[my-set]\ntitle = "T"\ndescription = "Mine."\nterms = ""\n'
    mine += "[my-set.splits.test]\n"
    (root / "registry.toml").write_text(mine)
    with pytest.raises(DatasetError, match="is there already"):
        add_dataset("my-set", make_folder())
    assert visible(root) == ["registry.toml"]
    assert (root / "registry.toml").read_text() == mine


def test_of_two_that_add_the_same_name_at_once_one_succeeds(
    server: Any, root: Path, archive: Path
) -> None:
    server.always = server.but(seconds=0.5)
    url = server.put("town.zip", archive.read_bytes())
    errors: list[Exception] = []

    def add() -> None:
        try:
            add_dataset("my-set", url)
        except DatasetError as error:
            errors.append(error)

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["is there already" in str(error) for error in errors] == [True]
    assert verify_dataset("my-set").ok and len(server.log) == 1
