"""How long a download tries: waits, tries and limits as one value, and urllib3's retries by it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InvalidHeader, MaxRetryError, SSLError
from urllib3.util.retry import Retry

from vgbench._version import __version__

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

RETRIED = (408, 425, 429, 500, 502, 503, 504)
"""Statuses by which a server says that it may answer later."""


class TransferError(Exception):
    """Why one source did not give a file; it becomes part of a `DownloadError`."""


class UnreachableError(TransferError):
    """Why a source could not be asked at all: no network, no such name, nobody there."""


class StoppedError(Exception):
    """The user wants no more of it."""


@dataclass(frozen=True)
class Policy:
    """What a download waits for and how much it takes.

    Attributes
    ----------
    tries
        Attempts after the first, of a request or of a body that broke off; each byte gained starts
        the count anew.
    connect, read
        Seconds to wait for a connection, and between bytes.
    backoff, jitter
        Seconds before the second retry (the first is made at once), doubled each time, and a random
        addition of up to `jitter` seconds, so that many users do not come back at one moment.
    longest
        The longest wait in seconds, also where a server asks for more by `Retry-After`.
    redirects, bytes
        At most so many redirects, and so many bytes of a file.
    block
        Bytes read at a time; what a broken connection can cost at most.
    """

    tries: int = 5
    connect: float = 15.0
    read: float = 60.0
    backoff: float = 1.0
    jitter: float = 1.0
    longest: float = 120.0
    redirects: int = 10
    bytes: int = 2**40
    block: int = 64 * 1024


class Meter:
    """What a transfer tells while it runs; this one tells nobody. `stop` ends the transfer."""

    def __init__(self, stop: threading.Event | None = None) -> None:
        self.stop = stop or threading.Event()

    def at(self, have: int, total: int | None) -> None:
        """Tell how many bytes are there, of how many."""

    def waiting(self, seconds: float) -> None:
        """Tell that the next try is `seconds` away."""

    def check(self) -> None:
        """End the transfer if the user wants so."""
        if self.stop.is_set():
            raise StoppedError


class Patience(Retry):
    """urllib3's retries: it counts, doubles and honours `Retry-After`; waits can be ended.

    Certificates that cannot be trusted are not tried again, nor does it wait for longer than the
    policy says.
    """

    policy = Policy()
    meter = Meter()

    @classmethod
    def of(cls, policy: Policy, meter: Meter) -> Patience:
        """Begin to count."""
        patience = cls(
            total=policy.tries,
            redirect=0,  # requests follows them
            status_forcelist=RETRIED,
            allowed_methods={"GET"},
            backoff_factor=policy.backoff / 2,
            backoff_max=policy.longest,
            backoff_jitter=policy.jitter,
            raise_on_status=False,
        )
        patience.policy, patience.meter = policy, meter
        return patience

    def new(self, **changes: Any) -> Patience:
        """Copy with other counts, as urllib3 does after each try."""
        copy = super().new(**changes)
        copy.policy, copy.meter = self.policy, self.meter
        return copy

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> Patience:
        """Count a failure."""
        self.meter.check()
        if isinstance(error, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise MaxRetryError(_pool, url or "", error) from error
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Give the seconds that a server asks to wait, if it says so."""
        try:
            seconds = super().get_retry_after(response)
        except (InvalidHeader, OverflowError, ValueError):
            return None
        if seconds is not None and seconds > self.policy.longest:
            raise TransferError(
                f"the server is busy (HTTP {response.status}) and asks to come back in "
                f"{seconds / 60:,.0f} minutes"
            )
        return seconds

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Wait before the next try, unless the user ends it."""
        asked = self.get_retry_after(response) if response is not None else None
        seconds = asked or self.get_backoff_time()
        if seconds > 0:
            self.meter.waiting(seconds)
            self.meter.stop.wait(seconds)
        self.meter.check()


def open_session(policy: Policy, meter: Meter) -> requests.Session:
    """Make a session that tries again as the policy says and asks for bytes as they are stored."""
    session = requests.Session()
    session.max_redirects = policy.redirects
    session.headers["Accept-Encoding"] = "identity"  # offsets must count the bytes of the file
    session.headers["User-Agent"] = f"Mozilla/5.0 (compatible; vgbench/{__version__})"
    adapter = HTTPAdapter(max_retries=Patience.of(policy, meter))
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def get(
    session: requests.Session, url: str, headers: Mapping[str, str], policy: Policy
) -> requests.Response:
    """Send one request, body unread.

    Raises
    ------
    UnreachableError
        When there is no answer.
    TransferError
        When a secure address leads to one that is not.
    """
    try:
        response = session.get(
            url, headers=dict(headers), stream=True, timeout=(policy.connect, policy.read)
        )
    except requests.exceptions.RequestException as error:
        raise UnreachableError(reason_of(error, policy)) from error
    on_the_way = [answer.url for answer in (*response.history, response)]
    if on_the_way[0].startswith("https:") and any(u.startswith("http:") for u in on_the_way):
        response.close()
        raise TransferError(f"it leads from https to {on_the_way[-1]}, which is not secure")
    return response


def reason_of(error: Exception, policy: Policy) -> str:
    """Say in a few words why a request failed for good."""
    text = str(error)
    if isinstance(error, requests.exceptions.SSLError):
        if "CERTIFICATE_VERIFY_FAILED" in text:
            detail = text.partition("CERTIFICATE_VERIFY_FAILED")[2].strip("] ")
            detail = detail.removeprefix("certificate verify failed: ").partition(" (_ssl")[0]
            return (
                f"its certificate cannot be trusted ({detail}): a wrong clock, a proxy, or somebody"
                " in between"
            )
        return "no secure connection could be made"
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return f"it redirects in a circle (more than {policy.redirects} times)"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema,
                          requests.exceptions.MissingSchema)):  # fmt: skip
        return "it leads to an address that is no http(s) link"
    if isinstance(error, requests.exceptions.Timeout) or "timed out" in text:
        what = "connection" if "ConnectTimeout" in text else "answer"
        seconds = policy.connect if what == "connection" else policy.read
        return f"no {what} within {seconds:g} s, tried {policy.tries + 1} times"
    if "NameResolution" in text or "getaddrinfo" in text or "Name or service" in text:
        return "its name cannot be looked up: no network, or a misspelt address"
    if "refused" in text:
        return f"the connection was refused, tried {policy.tries + 1} times"
    return f"the connection broke off, tried {policy.tries + 1} times"
