"""Serve ASGI apps. One process may serve several apps, each during a block. The caller handles signals."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import uvicorn

from bunbase.pkg.errors import CannotStart
from bunbase.pkg.http1.connections import Connections
from bunbase.pkg.http1.limits import Limits, descriptors
from bunbase.pkg.http1.protocol import Http1Protocol

# This many connections may wait to be accepted while the server starts. Linux allows net.core.somaxconn, 4,096.
BACKLOG = 16_384
TAKEN_SECONDS = 0.5
POLL_SECONDS = 0.01
# At the end, current requests have this time to finish. After this time, the connections of these requests are closed.
DRAIN_SECONDS = 10


class PortTaken(CannotStart):
    """Another program listens on this address already."""


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int, how: str = "") -> socket.socket:
    """Return a listening socket. Port 0 means any free port. `how`: a text for the error that names the setting for the
    port.

    Blocks for up to TAKEN_SECONDS, because a server that was just killed may still hold the port. Raises: PortTaken.
    """
    end = time.monotonic() + TAKEN_SECONDS
    while True:
        try:
            return _bound(host, port)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            if not taken or time.monotonic() > end:
                advice = f"; stop what listens there, or choose another port{how and f' with {how}'}" if taken else ""
                raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}{advice}") from error
        time.sleep(POLL_SECONDS)


def base_url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only if the protocol is given here.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


@asynccontextmanager
async def serving(
    app: Any,
    listener: socket.socket,
    limits: Limits | None = None,
    protocol: Callable[..., Http1Protocol] = Http1Protocol,
) -> AsyncIterator[str]:
    """Serve the app on `listener` during the block, and yield the base URL.

    At the end of the block, current requests have DRAIN_SECONDS to finish.
    `protocol`: makes the protocol object of a connection, with its `limits`.
    """
    connections = Connections((limits or Limits()).fitting(descriptors()))
    config = uvicorn.Config(
        app,
        http=partial(protocol, connections),  # type: ignore[arg-type]  # uvicorn accepts any callable that returns a protocol
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        backlog=BACKLOG,
        ws="none",
        proxy_headers=False,  # the app decides which proxies it trusts
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    up = asyncio.create_task(server.up.wait())
    try:
        await asyncio.wait((task, up), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        host, port = listener.getsockname()[:2]
        yield base_url(host, port)
    finally:
        up.cancel()
        server.should_exit = True
        await task
