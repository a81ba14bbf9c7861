"""Google Drive as a source: past its question about viruses, and its refusals in plain words.

gdown reads the pages; the bytes go through the same transfer as those of any other source.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import requests

from vgbench.datasets.patience import Policy, TransferError, get

DRIVE = "https://drive.google.com"
_PAGES = 2  # the question, and once more in case that its answer is asked for again
_LONGEST_PAGE = 2 * 2**20

_NOT_PUBLIC = "it is not public: its owner shares it with some people only (its permission page)"
_GONE = "the file is there no more"

# In the order in which they are looked for; the words are those of Drive's own pages.
_REFUSALS = (
    (
        r"quota exceeded|too many users have viewed or downloaded|can.t view or download this file "
        r"at this time|download quota",
        "Google says that too many people have downloaded it lately (its quota page); it usually "
        "works again within a day",
    ),
    (
        r"automated queries|unusual traffic",
        "Google takes this network for a robot and gives nothing to it for now",
    ),
    (
        r"you need access|request access|you need permission|access denied",
        _NOT_PUBLIC,
    ),
    (
        r"does not exist|not found|no longer exists|in owner.s trash|violation of our terms",
        _GONE,
    ),
)


@dataclass(frozen=True)
class DriveFile:
    """A file that is shared on Google Drive."""

    id: str
    host: str = DRIVE
    # Drive is not known to honour the condition; what it says of the file is compared instead.
    if_range: bool = False

    @property
    def label(self) -> str:
        """How messages name it: also the page to open in a browser."""
        return f"{self.host}/file/d/{self.id}/view"

    def open(
        self, session: requests.Session, headers: Mapping[str, str], policy: Policy
    ) -> requests.Response:
        """Ask for the file, answering Drive's question whether one really wants it.

        Raises
        ------
        TransferError
            When Drive shows a page of another kind; says which.
        """
        url = f"{self.host}/uc?id={self.id}&export=download"
        for _ in range(_PAGES + 1):
            response = get(session, url, headers, policy)
            if not _is_page(response):
                return response
            with response:
                page = _read(response)
                url = read_page(page, response.url, response.status_code)
        raise TransferError("Google Drive asks for a confirmation again and again")


def drive_id(url: str) -> str | None:
    """Give the id of the file that a Google Drive link leads to; None for other links.

    >>> drive_id("https://drive.google.com/file/d/1tQqEyt3go3vMh4fj_LZrRcahoTbzzH-y/view?usp=x")
    '1tQqEyt3go3vMh4fj_LZrRcahoTbzzH-y'
    >>> drive_id("https://example.org/file/d/1tQq/view")
    """
    if urlsplit(url).hostname not in ("drive.google.com", "docs.google.com"):
        return None  # gdown is imported for links of Drive only
    from gdown.parse_url import parse_url

    found: str | None = parse_url(url)[0]
    return found


def read_page(page: str, url: str, status: int = 200) -> str:
    """Find the address of the file in a page of Drive.

    Parameters
    ----------
    page, url, status
        The page's HTML, where it came from, and with which HTTP status.

    Raises
    ------
    TransferError
        When it is a page of refusal: quota, permission, a file that is gone, or another.
    """
    from gdown.download import get_url_from_gdrive_confirmation
    from gdown.exceptions import FileURLRetrievalError

    refusal = ""
    if status == 200:
        try:  # gdown looks at one line at a time, as Drive writes its pages
            found = str(get_url_from_gdrive_confirmation(" ".join(page.split())))
        except FileURLRetrievalError as error:
            refusal = str(error)
        else:
            address = urljoin(url, found)
            if urlsplit(address).scheme in ("http", "https"):
                return address
            raise TransferError(f"Google Drive's page leads to {address[:80]!r}, which is no link")
    if urlsplit(url).hostname == "accounts.google.com":  # led to the door where one signs in
        raise TransferError(_NOT_PUBLIC)
    for words, meaning in _REFUSALS:
        if re.search(words, html.unescape(page), re.IGNORECASE):
            raise TransferError(meaning)
    if status in (404, 410):
        raise TransferError(_GONE)
    said = _said(page) or (_plain(refusal) if "Cannot retrieve" not in refusal else "")
    raise TransferError(
        f"Google Drive shows a page in place of the file (HTTP {status}"
        + (f": {said!r})" if said else ")")
        + "; such pages stand for too many downloads lately, or for a file that is not public"
    )


def _is_page(response: requests.Response) -> bool:
    if "Content-Disposition" in response.headers:
        return False
    return "html" in response.headers.get("Content-Type", "").lower()


def _read(response: requests.Response) -> str:
    from urllib3.exceptions import HTTPError

    try:
        body = response.raw.read(_LONGEST_PAGE, decode_content=True)
    except (HTTPError, OSError) as error:
        raise TransferError("the connection broke off in a page of Google Drive") from error
    return bytes(body).decode(response.encoding or "utf-8", "replace")


def _said(page: str) -> str:
    found = re.search(r"(?is)<title[^>]*>(.*?)</title>", page)
    return _plain(found[1]) if found else ""


def _plain(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())[:120]
