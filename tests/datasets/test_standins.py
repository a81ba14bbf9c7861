"""From an archive to a verified dataset, at the real sets' sizes, through the real commands."""

from __future__ import annotations

import hashlib
import json
import os
import runpy
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
Server = runpy.run_path(str(HERE / "misbehaving.py"))["Server"]
standins = runpy.run_path(str(HERE / "standins.py"))

OPEN = """
import sys, time
import numpy, vgbench  # NumPy is what vgbench needs for anything at all
started = time.perf_counter()
dataset = vgbench.load_dataset(sys.argv[1])
dataset.database_positions, dataset.query_positions, dataset.ground_truth
print(time.perf_counter() - started, len(dataset.database_paths), len(dataset.query_paths))
"""


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that gives the archive of a name, written when it is first asked for."""
    folder = tmp_path_factory.mktemp("archives")
    names = {
        "sf_xs": standins["sf_xs_names"],
        "sf_xs_v1": lambda: standins["sf_xs_names"]("queries_v1"),
        "tokyo_xs": standins["tokyo_xs_names"],
    }

    def archive(name: str) -> Path:
        path = folder / name / f"{name.removesuffix('_v1')}.zip"
        if not path.exists():
            path.parent.mkdir()
            standins["write_zip"](path, names[name](), 2_500)
        return path

    return archive


@pytest.fixture
def server() -> Iterator[Any]:
    with Server() as server:
        yield server


def vgbench(*arguments: str | Path) -> Any:
    """Run a command in a process of its own; its JSON where it was asked for."""
    command = [sys.executable, "-m", "vgbench", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout) if "--json" in arguments else done.stdout


def fingerprints(archive: Path) -> tuple[str, str]:
    """Both fingerprints of the test split, from the archive alone and by the contract's words."""
    rows = []
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            if not name.endswith("/"):
                role, image = PurePosixPath(name).parts[2:]
                path = f"{role.removesuffix('_v1')}/{image}"
                rows.append((path, hashlib.sha256(file.read(name)).digest()))
    rows.sort()
    names = "".join(f"{path}\n" for path, _ in rows)
    content = hashlib.sha256(b"".join(digest for _, digest in rows))
    return hashlib.sha256(names.encode()).hexdigest(), content.hexdigest()


def opens_at_once(name: str, counts: tuple[int, int], bytecode: Path) -> None:
    """Open it in fresh processes, which find vgbench compiled, as those of a user do."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(bytecode)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    seconds: list[float] = []
    # Whatever else the machine does only adds to it: the least of some is what it takes.
    while len(seconds) < 30 and min(seconds[1:], default=1.0) >= 0.150:
        time.sleep(0.1 * len(seconds))
        done = subprocess.run(
            [sys.executable, "-c", OPEN, name],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        took, *found = done.stdout.split()
        assert tuple(map(int, found)) == counts
        seconds.append(float(took))
    print(f"{name} opened in", *(f"{1000 * took:.0f}" for took in seconds), "ms")
    assert min(seconds[1:]) < 0.150, seconds


@pytest.mark.parametrize("archive", ["sf_xs", "sf_xs_v1"])
def test_sf_xs_goes_from_its_archive_to_a_verified_dataset(
    tmp_path: Path, archives: Callable[[str], Path], archive: str
) -> None:
    path, root = archives(archive), Path(os.environ["VGBENCH_DATA"])
    vgbench("datasets", "import", "sf-xs", path)
    assert sorted(p.name for p in root.iterdir()) == [".locks", "sf-xs"]
    test = root / "sf-xs" / "test"
    database, queries = standins["SF_XS"]
    assert len(os.listdir(test / "database")) == database == 27_191
    assert len(os.listdir(test / "queries")) == queries == 1_000
    report = vgbench("datasets", "verify", "sf-xs", "--json")
    (split,) = report["splits"]
    assert report["ok"] and report["registered"] and split["images"] == 28_191
    # Nothing is pinned of the images, so nothing is claimed of them.
    assert (split["ground_truth"], split["content"]) == ("unknown", "unknown")
    info = vgbench("datasets", "info", "sf-xs", "--json")
    (split,) = [split for split in info["splits"] if split["name"] == "test"]
    assert (split["ground_truth"], split["content"]) == fingerprints(path)
    opens_at_once("sf-xs", (database, queries), tmp_path)


def test_both_sets_are_downloaded_side_by_side_to_verified_datasets(
    tmp_path: Path,
    archives: Callable[[str], Path],
    server: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = Path(os.environ["VGBENCH_DATA"])
    paths = {name: archives(name.replace("-", "_")) for name in ("sf-xs", "tokyo-xs")}
    sizes = {name: path.stat().st_size for name, path in paths.items()}
    for path in paths.values():
        server.put(f"mirror/{path.name}", path.read_bytes())

    def cuts_each_once(request: Any) -> None:
        first = [other.path for other in server.log].count(request.path) == 1
        half = len(server.files[request.path]) // 2
        server.serve(request, upto=half if first else None)

    server.always = cuts_each_once
    monkeypatch.setenv("VGBENCH_MIRROR", f"{server.url}/mirror")
    done = vgbench("datasets", "download", "sf-xs", "tokyo-xs", "--json")
    assert sorted(path.name for path in root.iterdir()) == [
        ".locks",
        *(f"{name}{end}" for name in paths for end in ("", ".lock.json", ".verified.json")),
    ]
    for told, (name, path) in zip(done, paths.items(), strict=True):
        assert (told["name"], told["state"], told["bytes"]) == (name, "downloaded", sizes[name])
        assert told["status"] == "verified"
        assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        statuses = [r.status for r in server.log if r.path == f"/mirror/{path.name}"]
        assert statuses == [200, 206]  # gone on, not begun anew
    assert server.sent <= sum(sizes.values()) + 4 * 65_536
    database, queries = standins["TOKYO_XS"]
    assert (database, queries) == (12_771, 315)
    report = vgbench("datasets", "verify", "tokyo-xs", "--deep", "--json")
    assert report["ok"] and report["splits"][0]["images"] == database + queries == 13_086
    info = vgbench("datasets", "info", "tokyo-xs", "--json")
    (split,) = info["splits"]
    assert (split["ground_truth"], split["content"]) == fingerprints(paths["tokyo-xs"])
    told = vgbench("datasets", "conditions", "tokyo-xs", "--json")
    assert Counter(told["conditions"].values()) == {"day": 105, "sunset": 105, "night": 105}
    assert "derived" in told["from"]
    opens_at_once("tokyo-xs", (database, queries), tmp_path)
    opens_at_once("sf-xs", standins["SF_XS"], tmp_path)


def test_an_archive_that_lacks_images_is_not_the_set(
    tmp_path: Path, archives: Callable[[str], Path]
) -> None:
    names = list(standins["tokyo_xs_names"]())[1:]
    short = standins["write_zip"](tmp_path / "tokyo_xs.zip", iter(names), 1_500)
    command = [sys.executable, "-m", "vgbench", "datasets", "import", "tokyo-xs", str(short)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "12,770" in done.stderr and "12,771" in done.stderr
    assert os.listdir(os.environ["VGBENCH_DATA"]) == [".locks"]
