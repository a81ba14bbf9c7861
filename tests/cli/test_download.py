from __future__ import annotations

import hashlib
import os
import pty
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Server = runpy.run_path(
    str(Path(__file__).parents[1] / "datasets" / "misbehaving.py")
)["Server"]  # fmt: skip
Run = Callable[..., Any]


@pytest.fixture
def server() -> Iterator[Any]:
    with Server() as server:
        yield server


@pytest.fixture
def archive(city: Path) -> bytes:
    return Path(shutil.make_archive(str(city.parent / "city"), "zip", city)).read_bytes()


def test_download_tells_where_it_is_and_what_it_came_from(
    vgbench: Run, server: Any, archive: bytes
) -> None:
    url = server.put("city.zip", archive)
    done = vgbench("datasets", "download", "my-city", "--from", url, "--keep-archive")
    assert done.code == 0 and done.err == ""  # silent in a pipe
    root = Path(os.environ["VGBENCH_DATA"])
    kept = root / ".downloads" / "my-city" / "city.zip"
    assert done.out.splitlines() == [
        f"my-city: downloaded, {root / 'my-city'}",
        f"  {len(archive) / 1e6:.1f} MB from {url}",
        f"  SHA-256 {hashlib.sha256(archive).hexdigest()}",
        "  test: 24 database images, 7 queries, ground truth (not pinned)",
        "  Intact; not verified, as too little of it is registered.",
        f"  archive kept: {kept}",
    ]
    assert kept.read_bytes() == archive
    assert "my-city" in vgbench("datasets", "list").out
    assert vgbench("datasets", "list").out.count("not pinned") == 1  # verified, as far as it goes


def test_download_gives_json(vgbench: Run, server: Any, archive: bytes, tmp_path: Path) -> None:
    url = server.put("city.zip", archive)
    first, again = (
        vgbench("datasets", "download", "my-city", "--from", url, "--json", "--data-root", tmp_path)
        for _ in range(2)
    )
    (document,) = first.document
    assert document["folder"] == str(tmp_path / "my-city") and document["archive"] is None
    assert document["sha256"] == hashlib.sha256(archive).hexdigest()
    assert (document["state"], document["bytes"]) == ("downloaded", len(archive))
    assert document["status"] == "unknown"
    assert again.document[0]["state"] == "installed already" and not again.document[0]["status"]


def test_a_failure_is_one_message_and_exit_code_1(vgbench: Run, server: Any) -> None:
    done = vgbench("datasets", "download", "x", "--from", f"{server.url}/none.zip", "--json")
    assert done.code == 1
    assert done.document["error"]["type"] == "DownloadError"
    assert "HTTP 404 (Not Found)" in done.document["error"]["message"]
    wrong = vgbench("datasets", "download", "x", "y", "--from", f"{server.url}/none.zip")
    assert wrong.code == 2 and "several datasets" in wrong.err


def test_a_terminal_shows_bytes_rate_and_time_left(server: Any, archive: bytes) -> None:
    url = server.put("city.zip", archive)
    server.script.append(server.says(503, headers={"Retry-After": "1"}))
    server.always = server.but(seconds=1.5)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "vgbench", "datasets", "download", "my-city", "--from", url],
        stderr=theirs, stdout=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 65536):
            shown += block
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert process.wait(timeout=30) == 0
    text = shown.decode()
    assert "my-city" in text and "kB" in text and "kB/s" in text and ":0" in text
    assert "(again in 1 s)" in text


def test_an_interrupt_ends_it_soon_and_the_next_run_goes_on(
    vgbench: Run, server: Any, archive: bytes
) -> None:
    url = server.put("city.zip", archive)
    server.always = server.but(seconds=60.0)
    process = subprocess.Popen(
        [sys.executable, "-m", "vgbench", "datasets", "download", "my-city", "--from", url],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    part = Path(os.environ["VGBENCH_DATA"]) / ".downloads" / "my-city" / "city.zip.part"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    message = process.communicate(timeout=30)[1]
    assert process.returncode == 130 and "Interrupted" in message and "Traceback" not in message
    assert time.monotonic() - start < 8
    assert "What came is kept: the same command goes on from there." in message
    server.always = None
    done = vgbench("datasets", "download", "my-city", "--from", url, "--json")
    assert 0 < done.document[0]["received"] < len(archive)
