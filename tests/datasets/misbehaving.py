"""A real HTTP server on loopback that serves files well, until told to misbehave.

Each request takes the next behaviour of `server.script`; when that is empty, files are served as a
good server does: ranges, strong ETags, If-Range.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

BLOCK = 16 * 1024


class Request:
    """One request as it came, and what was sent: `status`, `sent` bytes of body."""

    def __init__(self, handler: Any) -> None:
        self.handler = handler
        self.path = handler.path
        self.headers = dict(handler.headers.items())
        self.status = 0
        self.sent = 0

    @property
    def start(self) -> int:
        found = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found else 0

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.status = status
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name, value)
        self.handler.send_header("Connection", "close")
        self.handler.end_headers()

    def body(self, data: bytes, seconds: float = 0.0) -> None:
        """Send bytes, spread over some seconds."""
        blocks = [data[at : at + BLOCK] for at in range(0, len(data), BLOCK)]
        for block in blocks:
            self.handler.wfile.write(block)
            self.sent += len(block)
            if seconds:
                time.sleep(seconds / len(blocks))

    def cut(self) -> None:
        """Break the connection as a network does: a reset, with nothing said."""
        with contextlib.suppress(OSError):
            self.handler.wfile.flush()
            time.sleep(0.01)  # what was sent shall arrive before the reset throws it away
            self.handler.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            self.handler.connection.close()


class Server:
    """A server with `files` by path; used as a context."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.files: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.script: deque[Any] = deque()
        self.always: Any = None
        self.log: list[Request] = []
        self.before_reset: Any = None  # called with the offset: a reset throws away what is unread
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                request = Request(self)
                outer.log.append(request)
                act = outer.script.popleft() if outer.script else outer.always or outer.well
                self.close_connection = True
                with contextlib.suppress(OSError):
                    act(request)

            def log_message(self, *arguments: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *arguments: object) -> None:
                pass

        self.http = Quiet(("127.0.0.1", 0), Handler)
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.http.server_port}"

    def __enter__(self) -> Server:
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.http.shutdown()
        self.http.server_close()

    def put(self, name: str, data: bytes, etag: str | None = None) -> str:
        """Serve a file; returns its address."""
        self.files[f"/{name}"] = data
        self.etags[f"/{name}"] = etag or f'"{hash(data):x}"'
        return f"{self.url}/{name}"

    @property
    def sent(self) -> int:
        """Bytes of files sent so far."""
        return sum(request.sent for request in self.log if request.status in (200, 206))

    def serve(
        self,
        request: Request,
        *,
        upto: int | None = None,
        ranges: bool = True,
        condition: bool = True,
        headers: dict[str, str] | None = None,
        seconds: float = 0.0,
        cut: bool = True,
    ) -> None:
        """Serve a file; `upto` breaks off at that offset of it, by a reset or a close."""
        path = request.path.partition("?")[0]
        data = self.files.get(path)
        if data is None:
            request.head(404, {"Content-Length": "0"})
            return
        etag = self.etags[path]
        start = request.start if ranges else 0
        wanted = request.headers.get("If-Range")
        if condition and wanted and wanted != etag:
            start = 0
        facts = {"Content-Type": "application/zip", "ETag": etag}
        if start and start >= len(data):
            request.head(416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"})
            return
        facts["Content-Length"] = str(len(data) - start)
        if start:
            facts["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        facts |= headers or {}
        request.head(206 if start else 200, {k: v for k, v in facts.items() if v})
        end = len(data) if upto is None else upto
        request.body(data[start:end], seconds)
        if upto is not None and cut:
            if self.before_reset:
                request.handler.wfile.flush()
                self.before_reset(upto)
            request.cut()

    def well(self, request: Request) -> None:
        """Serve as a good server does."""
        self.serve(request)

    def but(self, **how: Any) -> Any:
        """A behaviour: serve, but so."""
        return lambda request: self.serve(request, **how)

    def says(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> Any:
        """A behaviour: answer with this."""

        def act(request: Request) -> None:
            request.head(status, {"Content-Length": str(len(body)), **(headers or {})})
            request.handler.wfile.write(body)

        return act
