from __future__ import annotations

import hashlib
import io
import random
import runpy
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vgbench.datasets.drive import DriveFile, drive_id, read_page
from vgbench.datasets.patience import Policy, TransferError
from vgbench.datasets.transfer import fetch

Server = runpy.run_path(str(Path(__file__).with_name("misbehaving.py")))["Server"]
QUICK = Policy(tries=2, connect=1.0, read=0.5, backoff=0.02, jitter=0.01, longest=2.0)
ID = "1tQqEyt3go3vMh4fj_LZrRcahoTbzzH-y"
DRIVE = f"https://drive.google.com/uc?id={ID}&export=download"

QUOTA = """<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>
<a href="https://accounts.google.com/ServiceLogin?service=wise">Sign in</a>
<p class="uc-error-caption">Sorry, you can&#39;t view or download this file at this time.</p>
<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently. Please
try accessing the file again later.</p></body></html>"""
NO_ACCESS = """<html><head><title>Google Drive: Access Denied</title></head><body>
<p>You need access</p><p>Request access, or switch to an account with access.</p></body></html>"""
GONE = """<html><head><title>Error 404 (Not Found)!!1</title></head><body>
<p>Sorry, the file you have requested does not exist.</p></body></html>"""
ROBOT = """<html><head><title>Sorry...</title></head><body><h1>We're sorry...</h1><p>... but your
computer or network may be sending automated queries.</p></body></html>"""
OTHER = """<html><head><title>Something &amp; new</title></head><body><b>Hello</b></body></html>"""


def question(address: str, uuid: str = "u-1") -> str:
    """Drive's page that says that it cannot look for viruses in so large a file."""
    return f"""<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head>
<body><p class="uc-warning-caption">Google Drive can't scan this file for viruses.</p>
<p class="uc-warning-subcaption"><a href="/open?id={ID}">quota exceeded.zip</a> (1.0G) is too large
for Google to scan for viruses. Would you still like to download this file?</p>
<form id="download-form" action="{address}" method="get"><input type="submit" value="Download
anyway"/><input type="hidden" name="id" value="{ID}"><input type="hidden" name="export"
value="download"><input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid"
value="{uuid}"></form></body></html>"""


def data() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", random.Random(1).randbytes(400_000))
    return file.getvalue()


DATA = data()


class Drive:
    """An imitation of Drive: a question at /uc, the file at /download for who has the answer."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.asked = 0
        self.file: list[Any] = []  # how to serve the file, the next time and the next
        server.put("download", DATA)
        server.always = self

    def __call__(self, request: Any) -> None:
        if request.path.startswith("/uc?"):
            assert f"id={ID}" in request.path
            self.asked += 1
            page = question(f"{self.server.url}/download", f"u-{self.asked}")
            self.page(page)(request)
        elif f"uuid=u-{self.asked}" in request.path and "confirm=t" in request.path:
            how = self.file.pop(0) if self.file else {}
            facts = {
                "ETag": "",
                "Last-Modified": "Wed, 01 Jul 2026 00:00:00 GMT",
                "Content-Type": "application/octet-stream",
                "Content-Disposition": 'attachment; filename="sf_xs.zip"',
            }
            self.server.serve(request, headers=facts, **how)
        else:
            self.page(GONE, 404)(request)

    def page(self, text: str, status: int = 200) -> Any:
        return self.server.says(status, text.encode(), {"Content-Type": "text/html; charset=utf-8"})


@pytest.fixture
def drive() -> Iterator[Drive]:
    with Server() as server:
        yield Drive(server)


def bring(drive: Drive, target: Path) -> Any:
    return fetch(DriveFile(ID, drive.server.url), target, (), QUICK)


def test_the_question_about_viruses_is_answered(drive: Drive, tmp_path: Path) -> None:
    fetched = bring(drive, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == DATA
    assert fetched.sha256 == hashlib.sha256(DATA).hexdigest()
    assert [request.path.partition("?")[0] for request in drive.server.log] == ["/uc", "/download"]


def test_a_small_file_comes_without_a_question(drive: Drive, tmp_path: Path) -> None:
    drive.server.put("uc", DATA)
    drive.server.always = drive.server.well
    bring(drive, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == DATA and len(drive.server.log) == 1


def test_a_broken_download_asks_anew_and_goes_on(drive: Drive, tmp_path: Path) -> None:
    drive.file = [{"upto": 100_000, "cut": False}, {"upto": 250_000, "cut": False}]
    bring(drive, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == DATA
    assert drive.asked == 3  # each answer is good for once
    assert len(DATA) < drive.server.log[-1].start + drive.server.log[-1].sent + 1
    files = [r for r in drive.server.log if r.path.startswith("/download")]
    assert sum(r.sent for r in files) <= len(DATA) + 2 * 16 * 1024
    assert all("If-Range" not in r.headers for r in files)


@pytest.mark.parametrize(
    ("page", "status", "words"),
    [
        (QUOTA, 200, "too many people have downloaded it lately .its quota page"),
        (QUOTA, 403, "too many people have downloaded it lately"),
        (NO_ACCESS, 200, "not public: its owner shares it .* .its permission page"),
        (NO_ACCESS, 403, "not public"),
        (GONE, 404, "the file is there no more"),
        ("<html>nothing said</html>", 404, "the file is there no more"),
        (ROBOT, 403, "takes this network for a robot"),
        (OTHER, 200, "shows a page in place of the file .HTTP 200: 'Something & new'"),
        ("<html></html>", 403, r"shows a page in place of the file .HTTP 403."),
    ],
)
def test_each_page_of_refusal_is_said_in_plain_words(
    drive: Drive, tmp_path: Path, page: str, status: int, words: str
) -> None:
    drive.server.always = drive.page(page, status)
    with pytest.raises(TransferError, match=words):
        bring(drive, tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_after_the_question_is_said_too_and_costs_nothing(
    drive: Drive, tmp_path: Path
) -> None:
    drive.file = [{"upto": 100_000, "cut": False}]

    def refuse(request: Any) -> None:
        again = request.path.startswith("/uc") and drive.asked > 0
        (drive.page(QUOTA) if again else drive)(request)

    drive.server.always = refuse
    with pytest.raises(TransferError, match="quota page"):
        bring(drive, tmp_path / "a.zip")
    assert (tmp_path / "a.zip.part").read_bytes() == DATA[:100_000]


def test_a_question_without_end_is_an_error(drive: Drive, tmp_path: Path) -> None:
    drive.server.always = drive.page(question(f"{drive.server.url}/uc"))
    with pytest.raises(TransferError, match="again and again"):
        bring(drive, tmp_path / "a.zip")
    assert len(drive.server.log) == 3


def test_the_door_to_sign_in_stands_for_a_file_that_is_not_public() -> None:
    url = "https://accounts.google.com/v3/signin/identifier?continue=https://drive.google.com/uc"
    with pytest.raises(TransferError, match="not public"):
        read_page("<html><title>Google Drive: Sign-in</title></html>", url)


def test_pages_of_older_kinds_lead_to_the_file_too() -> None:
    old = (
        '<a id="uc-download-link" href="/uc?export=download&amp;confirm=AbC&amp;id=1">Download</a>'
    )
    assert read_page(old, DRIVE) == ("https://docs.google.com/uc?export=download&confirm=AbC&id=1")
    assert read_page('{"downloadUrl":"https://x.org/a?b\\u003d1\\u0026c"}', DRIVE) == (
        "https://x.org/a?b=1&c"
    )
    assert read_page(question("/download"), DRIVE).startswith("https://drive.google.com/download?")
    with pytest.raises(TransferError, match="no link"):
        read_page('{"downloadUrl":"javascript:alert(1)"}', DRIVE)


@pytest.mark.parametrize(
    "url",
    [
        f"https://drive.google.com/file/d/{ID}/view?usp=sharing",
        f"https://drive.google.com/open?id={ID}",
        f"https://drive.google.com/uc?id={ID}&export=download",
    ],
)
def test_links_of_drive_are_known(url: str) -> None:
    assert drive_id(url) == ID
    assert drive_id(url.replace("drive.google.com", "drive.google.com.example.org")) is None
