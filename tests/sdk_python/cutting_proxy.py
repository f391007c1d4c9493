"""A proxy that passes bytes on and cuts connections: one after some bytes of its answer, or all at once."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit


class CuttingProxy(ThreadingTCPServer):
    """The proxy. The proxy cuts each of the next `cuts` connections after `after_bytes` bytes of the answer."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        parts = urlsplit(target)
        self.target = (parts.hostname or "", parts.port or 80)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.cuts = 0
        self.after_bytes = 0
        self.connections = 0
        self.open: set[socket.socket] = set()
        self.lock = threading.Lock()

    def cut_all(self) -> None:
        """Cut every connection that is open now."""
        with self.lock:
            for one in self.open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def allowed(self) -> int | None:
        """Return how many bytes of its answer a new connection passes on, or None for all bytes."""
        with self.lock:
            self.connections += 1
            if self.cuts <= 0:
                return None
            self.cuts -= 1
            return self.after_bytes


class Connection(BaseRequestHandler):
    server: CuttingProxy
    request: socket.socket

    def handle(self) -> None:
        allowed = self.server.allowed()
        with socket.create_connection(self.server.target, 10) as target:
            ends = {self.request, target}
            self.server.open |= ends
            upstream = threading.Thread(target=_copy, args=(self.request, target), daemon=True)
            upstream.start()
            _copy(target, self.request, allowed)
            for one in ends:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            upstream.join(10)
            with self.server.lock:
                self.server.open -= ends


def _copy(source: socket.socket, target: socket.socket, allowed: int | None = None) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            if allowed is not None and len(part) >= allowed:
                target.sendall(part[:allowed])
                break
            target.sendall(part)
            allowed = None if allowed is None else allowed - len(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
