"""An HTTP proxy that fails on purpose, before or after the server has processed a request.

A client asks for a fault with the header `X-Fault: <name> <fault> <times>`: the first `times` requests of this name get
the fault, and later requests pass. `GET /faults/<name>` lists the requests that the proxy has seen under the name.
"""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

HOP = ("connection", "content-length", "host", "keep-alive", "transfer-encoding", "x-fault")
PREFLIGHT = (
    ("Access-Control-Allow-Methods", "*"),
    ("Access-Control-Allow-Headers", "*, Authorization"),
)
CORS = (("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "*"))


class Seen(msgspec.Struct):
    method: str
    path: str
    idempotency_key: str
    at_least: str
    authorization: str
    body: str


class FaultProxy(ThreadingHTTPServer):
    """A proxy for the server at `target`. If `target` is empty, the proxy answers everything itself."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target = target
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.seen: dict[str, list[Seen]] = {}
        self.lock = threading.Lock()
        self.stopping = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print no error when a client ends its connection."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultProxy

    def log_message(self, format: str, *args: Any) -> None: ...

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "OPTIONS":
            return self.reply(204, b"", *PREFLIGHT)
        if self.path.startswith("/faults/"):
            return self.reply(200, msgspec.json.encode(self.server.seen.get(self.path.rpartition("/")[2], [])))
        name, fault, times = (*self.headers.get("X-Fault", "").split(), "", "", "0")[:3]
        with self.server.lock:
            earlier = self.server.seen.setdefault(name, [])
            meets = len(earlier) < int(times)
            earlier.append(self.request_seen(body))
        return self.meet(fault, body) if meets else self.forward(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815 - http.server wants these names

    def meet(self, fault: str, body: bytes) -> None:
        match fault:
            case "cut-before":
                self.cut()
            case "cut-after":
                self.forwarded(body)
                self.cut()
            case "cut-within":
                answer, content = self.forwarded(body)
                self.head(
                    answer.status, [("Content-Type", "application/json"), ("Content-Length", str(len(content) + 9))]
                )
                self.wfile.write(content[:9])
                self.cut()
            case "hang":
                self.server.stopping.wait(60)
                self.cut()
            case "captive":
                self.reply(200, b"<h1>Welcome to the airport</h1>", ("Content-Type", "text/html"))
            case "429" | "500" | "502" | "503":
                self.problem(int(fault), ("Retry-After", "0"))
            case "429-long":
                self.problem(429, ("Retry-After", "60"))
            case _:
                raise ValueError(fault)

    def forward(self, body: bytes) -> None:
        answer, content = self.forwarded(body)
        kept = [
            (name, value)
            for name, value in answer.getheaders()
            if name.lower() not in HOP and not name.lower().startswith("access-control-")
        ]
        self.head(answer.status, [*kept, ("Content-Length", str(len(content)))])
        self.wfile.write(content)

    def forwarded(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        target = urlsplit(self.server.target)
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in (*HOP, "origin")}
        try:
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def request_seen(self, body: bytes) -> Seen:
        header = self.headers.get
        key, least = header("Idempotency-Key", ""), header("X-Bunbase-At-Least", "")
        return Seen(self.command, self.path, key, least, header("Authorization", ""), body.decode())

    def problem(self, status: int, *headers: tuple[str, str]) -> None:
        body = msgspec.json.encode({"code": "rate_limited" if status == 429 else "internal", "status": status})
        self.reply(status, body, ("Content-Type", "application/problem+json"), *headers)

    def reply(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.head(status, [("Content-Type", "application/json"), *headers, ("Content-Length", str(len(body)))])
        self.wfile.write(body)

    def head(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in {**dict(CORS), **dict(headers)}.items():
            if status != 204 or name != "Content-Length":
                self.send_header(name, value)
        self.end_headers()

    def cut(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


Server = TypeVar("Server", bound=TCPServer)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Run the proxy in a thread until the end of the block."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        stopping = getattr(server, "stopping", None)
        if stopping is not None:
            stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
