from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import random
import runpy
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vgbench.datasets.asking import OVERLAP
from vgbench.datasets.partial import Facts, Partial
from vgbench.datasets.patience import Meter, Policy, StoppedError, TransferError
from vgbench.datasets.sources import WebFile
from vgbench.datasets.transfer import fetch, refuse_no_archive

Server = runpy.run_path(str(Path(__file__).with_name("misbehaving.py")))["Server"]
QUICK = Policy(tries=4, connect=1.0, read=0.4, backoff=0.02, jitter=0.01, longest=2.0)


def zip_of(size: int, seed: int = 0) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", random.Random(seed).randbytes(size))
    return file.getvalue()


DATA = zip_of(600_000)
OTHER = zip_of(600_000, seed=1)
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server() -> Iterator[Any]:
    with Server() as server:
        server.put("a.zip", DATA)
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "a.zip"


def bring(server: Any, target: Path, expected: tuple[str, ...] = (), **changes: Any) -> Any:
    policy = Policy(**{**vars(QUICK), **changes})
    return fetch(WebFile(f"{server.url}/a.zip"), target, expected, policy)


def is_whole(target: Path, data: bytes = DATA) -> bool:
    """The right bytes under the right name, and nothing else."""
    return target.read_bytes() == data and [p.name for p in target.parent.iterdir()] == ["a.zip"]


def test_a_file_comes_whole_with_its_digest(server: Any, target: Path) -> None:
    fetched = bring(server, target)
    assert is_whole(target)
    assert (fetched.sha256, fetched.bytes, fetched.received) == (DIGEST, len(DATA), len(DATA))
    assert server.log[0].headers["Accept-Encoding"] == "identity"


def test_cut_at_30_offsets_no_byte_comes_twice_beyond_one_buffer(server: Any, target: Path) -> None:
    offsets = sorted(random.Random(4).sample(range(512, len(DATA)), 30))
    server.script.extend(server.but(upto=offset) for offset in offsets)
    part = target.with_name("a.zip.part")

    def arrived(offset: int) -> None:
        """Wait, on a busy machine, until the client has what was sent: a reset takes it away."""
        deadline = time.monotonic() + 5
        while part.stat().st_size < offset and time.monotonic() < deadline:
            time.sleep(0.001)

    server.before_reset = arrived
    block = 16 * 1024
    fetched = bring(server, target, block=block)
    assert is_whole(target) and fetched.sha256 == DIGEST
    # Of what came, none is asked for again; at most what a buffer held when the connection broke.
    assert len(server.log) == 31 and server.sent - len(DATA) <= block
    furthest = 0
    for request in server.log:
        assert request.start >= furthest - block
        furthest = max(furthest, request.start + request.sent)


def test_resets_that_take_away_what_is_on_the_way_cost_that_and_no_more(
    server: Any, target: Path
) -> None:
    offsets = sorted(random.Random(5).sample(range(len(DATA)), 30))
    server.script.extend(server.but(upto=offset) for offset in offsets)
    assert bring(server, target).sha256 == DIGEST and is_whole(target)
    starts = [request.start for request in server.log]
    assert starts == sorted(starts)  # it never goes back


@pytest.mark.parametrize("offset", [512, 70_000, len(DATA) - 1])
def test_a_connection_closed_early_is_continued(server: Any, target: Path, offset: int) -> None:
    server.script.append(server.but(upto=offset, cut=False))
    assert bring(server, target).sha256 == DIGEST and is_whole(target)
    assert server.log[1].headers["If-Range"] == server.etags["/a.zip"]
    assert server.sent - len(DATA) <= 64 * 1024


def test_a_connection_closed_before_the_kind_of_file_is_known_begins_anew(
    server: Any, target: Path
) -> None:
    server.script.extend([server.but(upto=1, cut=False), server.but(upto=511, cut=False)])
    assert bring(server, target).sha256 == DIGEST and is_whole(target)
    assert server.log[-1].start == 0 and server.sent == len(DATA) + 512


def test_a_later_run_goes_on_where_an_earlier_one_gave_up(server: Any, target: Path) -> None:
    server.always = server.says(500)
    server.script.append(server.but(upto=300_000, cut=False))
    with pytest.raises(TransferError, match="HTTP 500"):
        bring(server, target)
    assert not target.exists()
    part = target.with_name("a.zip.part")
    assert DATA.startswith(part.read_bytes()) and part.stat().st_size > 200_000
    server.always = None
    fetched = bring(server, target)
    assert fetched.sha256 == DIGEST and is_whole(target)
    assert fetched.received == len(DATA) - server.log[-1].start < 400_000


def test_without_a_strong_validator_a_few_bytes_are_compared(server: Any, target: Path) -> None:
    date = "Wed, 01 Jul 2026 00:00:00 GMT"
    for headers in ({"ETag": ""}, {"ETag": "", "Last-Modified": date}, {"ETag": 'W/"1"'}):
        plain = server.but(headers=headers, condition=False)
        server.script.extend([server.but(upto=200_000, headers=headers, cut=False), plain])
        assert bring(server, target).sha256 == DIGEST
        assert 0 < server.log[-1].start <= 200_000 - OVERLAP
        assert server.log[-1].headers.get("If-Range") == headers.get("Last-Modified")


def test_a_changed_file_with_no_validator_is_found_by_comparing(server: Any, target: Path) -> None:
    server.script.append(server.but(upto=200_000, headers={"ETag": ""}))
    server.always = server.but(headers={"ETag": ""})
    server.script.append(lambda request: (server.put("a.zip", OTHER), server.always(request)))
    bring(server, target)
    assert is_whole(target, OTHER)


@pytest.mark.parametrize("condition", [True, False])
def test_a_file_that_changes_midway_comes_anew(server: Any, target: Path, condition: bool) -> None:
    def change(request: Any) -> None:
        server.put("a.zip", OTHER)
        server.serve(request, condition=condition)  # False: a server that ignores If-Range

    server.script.extend([server.but(upto=300_000), change])
    bring(server, target)
    assert is_whole(target, OTHER)


def test_a_file_that_changes_all_the_time_is_an_error(server: Any, target: Path) -> None:
    def change(request: Any) -> None:
        server.put("a.zip", DATA, f'"{len(server.log)}"')
        server.serve(request, upto=300_000, condition=False)

    server.always = change
    with pytest.raises(TransferError, match="changes from one answer to the next"):
        bring(server, target)
    assert not target.exists()


def test_a_server_that_ignores_ranges_begins_anew(server: Any, target: Path) -> None:
    server.script.append(server.but(upto=300_000))
    server.always = server.but(ranges=False)
    fetched = bring(server, target)
    assert is_whole(target) and fetched.sha256 == DIGEST and len(server.log) == 2


def test_a_server_that_ignores_ranges_and_always_breaks_is_given_up(
    server: Any, target: Path
) -> None:
    server.always = server.but(ranges=False, upto=300_000, cut=False)
    with pytest.raises(TransferError, match="broke off 5 times after 300,000 of 600"):
        bring(server, target)
    assert len(server.log) == 5


def test_a_content_length_too_long_ends_in_the_right_bytes_or_an_error(
    server: Any, target: Path
) -> None:
    lying = server.but(headers={"Content-Length": str(len(DATA) + 500)}, ranges=True)
    server.script.append(lying)
    bring(server, target)  # asked for the rest, the server says that there is none
    assert is_whole(target)
    server.always = server.but(headers={"Content-Length": str(len(DATA) + 500)}, ranges=False)
    with pytest.raises(TransferError, match="broke off 5 times"):
        bring(server, target)


def test_a_content_length_too_short_is_an_error(server: Any, target: Path) -> None:
    server.always = server.but(headers={"Content-Length": "400000"}, upto=400_000, cut=False)
    with pytest.raises(TransferError, match="400,000 bytes .* no complete zip or tar"):
        bring(server, target)
    assert list(target.parent.iterdir()) == []


def test_429_is_honoured_for_as_long_as_it_says(server: Any, target: Path) -> None:
    server.script.append(server.says(429, headers={"Retry-After": "1"}))
    start = time.monotonic()
    bring(server, target)
    assert is_whole(target) and 1.0 <= time.monotonic() - start < 3.0


def test_429_for_an_hour_is_no_wait_but_an_error(server: Any, target: Path) -> None:
    server.always = server.says(429, headers={"Retry-After": "3600"})
    with pytest.raises(TransferError, match=r"busy \(HTTP 429\).* come back in 60 minutes"):
        bring(server, target)
    assert len(server.log) == 1
    server.script.append(server.says(503, headers={"Retry-After": "soon"}))
    server.always = None
    bring(server, target)
    assert is_whole(target)


def test_503_three_times_and_then_well(server: Any, target: Path) -> None:
    server.script.extend([server.says(503)] * 3)
    bring(server, target)
    assert is_whole(target) and len(server.log) == 4


def test_503_for_ever_and_404_are_errors(server: Any, target: Path) -> None:
    server.always = server.says(503)
    with pytest.raises(TransferError, match=r"HTTP 503 \(Service Unavailable\)"):
        bring(server, target)
    assert len(server.log) == QUICK.tries + 1
    server.always = server.says(404)
    with pytest.raises(TransferError, match=r"HTTP 404 \(Not Found\)"):
        bring(server, target)
    assert len(server.log) == QUICK.tries + 2  # not tried again
    assert list(target.parent.iterdir()) == []


def test_silence_is_waited_for_and_then_gone_on(server: Any, target: Path) -> None:
    def silent(request: Any) -> None:
        server.serve(request, upto=200_000, cut=False)
        time.sleep(1.5)  # the connection stays, and nothing comes

    server.script.extend([lambda request: time.sleep(1.5), silent])
    bring(server, target)
    assert is_whole(target) and len(server.log) == 3
    server.always = lambda request: time.sleep(1.0)
    with pytest.raises(TransferError, match="no answer within 0.2 s, tried 2 times"):
        bring(server, target, read=0.2, tries=1)


def test_redirects_are_followed_but_not_in_circles(server: Any, target: Path) -> None:
    server.script.append(server.says(302, headers={"Location": "/a.zip"}))
    bring(server, target)
    assert is_whole(target)
    server.always = server.says(302, headers={"Location": "/a.zip"})
    with pytest.raises(TransferError, match="redirects in a circle"):
        bring(server, target)
    server.always = server.says(302, headers={"Location": "file:///etc/passwd"})
    with pytest.raises(TransferError, match="no http"):
        bring(server, target)


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/zip", ""])
def test_a_web_page_is_no_archive_whatever_it_is_called(
    server: Any, target: Path, kind: str
) -> None:
    page = b"<!DOCTYPE html><html><title>Sign in\n to Wi-Fi</title>" + b"<p>hello</p>" * 100
    server.always = server.says(200, page, {"Content-Type": kind} if kind else {})
    with pytest.raises(TransferError, match="a web page, 'Sign in to Wi-Fi', not an archive"):
        bring(server, target)
    assert list(target.parent.iterdir()) == []


def test_a_web_page_in_place_of_the_rest_does_not_cost_what_came(server: Any, target: Path) -> None:
    server.script.append(server.but(upto=300_000, cut=False))
    server.always = server.says(200, b"<html>" * 200, {"Content-Type": "text/html"})
    with pytest.raises(TransferError, match="a web page"):
        bring(server, target)
    assert target.with_name("a.zip.part").stat().st_size == 300_000
    server.always = None
    assert bring(server, target).received == len(DATA) - 300_000 and is_whole(target)


@pytest.mark.parametrize("body", [b"", b"short", b'{"error": "no such file"}' * 100])
def test_what_is_no_archive_is_refused(server: Any, target: Path, body: bytes) -> None:
    server.always = server.says(200, body)
    with pytest.raises(TransferError, match=r"not a zip or tar|no complete zip"):
        bring(server, target)
    assert list(target.parent.iterdir()) == []


def test_gzip_for_the_way_is_undone_and_never_continued(server: Any, target: Path) -> None:
    packed = gzip.compress(DATA)
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/zip"}

    def cut(request: Any) -> None:
        request.head(200, {"Content-Length": str(len(packed)), **headers})
        request.body(packed[:200_000])

    server.script.extend([cut, server.says(200, packed, headers)])
    fetched = bring(server, target)
    assert is_whole(target) and fetched.sha256 == DIGEST
    assert "Range" not in server.log[1].headers


def test_a_packed_file_stays_packed_where_servers_call_that_an_encoding(
    server: Any, tmp_path: Path
) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    url = server.put("a.tar.gz", file.getvalue())
    server.script.append(server.but(headers={"Content-Encoding": "x-gzip"}))
    fetch(WebFile(url), tmp_path / "a.tar.gz", (), QUICK)
    assert (tmp_path / "a.tar.gz").read_bytes() == file.getvalue()


def test_a_certificate_that_nobody_signed_is_an_error_at_once(tmp_path: Path) -> None:
    certificate = tmp_path / "self.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-days", "2", "-keyout", certificate, "-out", tmp_path / "cert.pem",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    certificate.write_bytes(certificate.read_bytes() + (tmp_path / "cert.pem").read_bytes())
    start = time.monotonic()
    with Server(certificate) as server, pytest.raises(TransferError, match="cannot be trusted"):
        server.put("a.zip", DATA)
        bring(server, tmp_path / "a.zip", backoff=1.0)
    assert time.monotonic() - start < 1.0 and not (tmp_path / "a.zip").exists()


def test_nobody_there_and_no_such_name_are_said(target: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/a.zip"
        with pytest.raises(TransferError, match="connection was refused, tried 5 times"):
            fetch(WebFile(url), target, (), QUICK)
    with pytest.raises(TransferError, match="its name cannot be looked up"):
        fetch(WebFile("http://nowhere.invalid/a.zip"), target, (), QUICK)


@pytest.mark.skipif(sys.platform != "linux", reason="fills a queue as Linux keeps it")
def test_a_server_that_never_picks_up_is_said(target: Path) -> None:
    with socket.socket() as busy, contextlib.ExitStack() as waiting:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        for _ in range(4):  # more than it lets wait: whoever comes next gets no answer
            caller = waiting.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(busy.getsockname())
        url = f"http://127.0.0.1:{busy.getsockname()[1]}/a.zip"
        with pytest.raises(TransferError, match="no connection within 0.3 s, tried 2 times"):
            fetch(WebFile(url), target, (), Policy(**{**vars(QUICK), "connect": 0.3, "tries": 1}))
    assert list(target.parent.iterdir()) == []


def test_other_bytes_than_expected_are_not_kept(server: Any, target: Path) -> None:
    wanted = hashlib.sha256(OTHER).hexdigest()
    with pytest.raises(TransferError, match=f"{DIGEST} instead of {wanted}"):
        bring(server, target, (wanted,))
    assert list(target.parent.iterdir()) == []
    assert bring(server, target, (wanted, DIGEST)).sha256 == DIGEST


def test_bytes_spoilt_on_the_disk_are_found_out_and_come_again(server: Any, target: Path) -> None:
    server.script.append(server.but(upto=300_000, cut=False))
    server.always = server.says(404)
    with pytest.raises(TransferError):
        bring(server, target)
    with target.with_name("a.zip.part").open("r+b") as file:
        file.seek(1000)
        file.write(b"spoilt")
    server.always = None
    assert bring(server, target, (DIGEST,)).sha256 == DIGEST and is_whole(target)


def test_another_source_goes_on_only_where_a_mixture_would_be_found_out(
    server: Any, target: Path
) -> None:
    other = server.put("mirror.zip", DATA)
    for expected, least in (((DIGEST,), 280_000), ((), 0)):
        server.script.extend([server.but(upto=300_000, cut=False), server.says(404)])
        with pytest.raises(TransferError):
            bring(server, target, expected)
        fetch(WebFile(other), target, expected, QUICK)
        assert is_whole(target) and (server.log[-1].start > least) == bool(least)
        target.unlink()


def test_room_is_asked_for_before_anything_is_written(server: Any, target: Path) -> None:
    asked = []

    def room(total: int | None, have: int) -> None:
        asked.append((total, have))
        raise MemoryError

    with pytest.raises(MemoryError):
        fetch(WebFile(f"{server.url}/a.zip"), target, (), QUICK, room=room)
    assert asked == [(len(DATA), 0)] and list(target.parent.iterdir()) == []


def test_more_than_the_greatest_size_is_refused_unread_or_when_it_is_reached(
    server: Any, target: Path
) -> None:
    with pytest.raises(TransferError, match="600,.* bytes, more than 100,000"):
        bring(server, target, bytes=100_000)
    server.always = server.but(headers={"Content-Length": ""})
    with pytest.raises(TransferError, match="more than 100,000"):
        bring(server, target, bytes=100_000)
    assert list(target.parent.iterdir()) == []


def test_a_stopped_transfer_ends_soon_and_keeps_what_came(server: Any, target: Path) -> None:
    stop = threading.Event()
    server.always = server.but(seconds=20.0)
    threading.Timer(0.3, stop.set).start()
    start = time.monotonic()
    with pytest.raises(StoppedError):
        fetch(WebFile(f"{server.url}/a.zip"), target, (), QUICK, Meter(stop))
    assert time.monotonic() - start < 5
    server.always = server.says(503)
    stop.clear()
    threading.Timer(0.3, stop.set).start()
    slow = Policy(backoff=60.0)
    with pytest.raises(StoppedError):
        fetch(WebFile(f"{server.url}/a.zip"), target, (), slow, Meter(stop))
    assert time.monotonic() - start < 10


def test_facts_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    part = Partial(tmp_path / "a.zip")
    part.begin(Facts("here", 10, '"1"'))
    part.append(b"12345")
    part.close()
    again = Partial(tmp_path / "a.zip")
    assert (again.have, again.facts) == (5, Facts("here", 10, '"1"'))
    assert again.sha256() == hashlib.sha256(b"12345").hexdigest() and again.tail(2) == b"45"
    again.close()
    for text in ("", "[]", "{}", '{"schema": 2}', '{"schema": 1, "source": 3}', "\0"):
        (tmp_path / "a.zip.part.json").write_text(text)
        broken = Partial(tmp_path / "a.zip")
        assert (broken.have, broken.facts) == (5, None)
        broken.close()


def test_archives_are_known_by_their_first_bytes() -> None:
    for mode in ("w", "w:gz", "w:bz2", "w:xz"):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode, format=tarfile.USTAR_FORMAT) as archive:
            archive.addfile(tarfile.TarInfo("a"))
        refuse_no_archive(file.getvalue()[:512], "text/html")
    refuse_no_archive(zip_of(1)[:512], "text/html")
    with pytest.raises(TransferError, match="text/plain that begins b'hello'"):
        refuse_no_archive(b"hello", "text/plain\x1b[31m; charset=utf-8")
    with pytest.raises(TransferError, match="gives something that begins"):
        refuse_no_archive(b"\x1b[31m", "\x1b]0;title\x07")


@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_server_does_the_bytes_are_those_of_one_file_or_none(
    server: Any, target: Path, seed: int
) -> None:
    chance = random.Random(seed)
    facts = chance.choice(
        [{}, {"ETag": ""}, {"ETag": "", "Last-Modified": "Wed, 01 Jul 2026 00:00:00 GMT"}]
    )
    for _ in range(chance.randrange(1, 12)):
        offset = chance.randrange(len(DATA))
        how = {"ranges": chance.random() < 0.8, "condition": chance.random() < 0.8}
        broken = server.but(upto=offset, cut=chance.random() < 0.5, headers=facts, **how)
        data = chance.choice([DATA, OTHER])
        short = {**facts, "Content-Length": str(offset)}
        server.script.append(
            chance.choice([
                broken,
                broken,
                lambda request, data=data, broken=broken: (
                    server.put("a.zip", data),
                    broken(request),
                ),
                server.says(chance.choice([302, 403, 404, 429, 500, 503])),
                server.says(200, b"<html>" + b"x" * offset, {"Content-Type": "text/html"}),
                server.but(headers=short, upto=offset, cut=False),
                server.but(headers={**facts, "Content-Encoding": "gzip"}),
            ])
        )  # fmt: skip
    server.always = server.but(headers=facts)
    for _ in range(12):
        try:
            bring(server, target, backoff=0.001, jitter=0.001)
            break
        except TransferError:
            assert not target.exists()
    assert is_whole(target) or is_whole(target, OTHER)
