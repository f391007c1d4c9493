"""The data of a connection is parsed in slices, with an iteration of the event loop between two slices.

asyncio delivers pieces of up to 256 KiB, and the parser calls back for every request in the data. One piece held 9,000
pipelined requests, and all of them were parsed and answered before any other connection was served.

So a larger piece waits in `unparsed`, and at most SLICE_BYTES of requests are parsed per iteration. Reading is paused
meanwhile (`held_flow.py`). No slice is parsed while requests wait for their answers. So a client that pipelines
thousands of requests does not delay other clients. A slice in which no request begins is part of a body: the next slice
is parsed at once.

Smaller reads from the socket were rejected, because they would cost every upload an iteration for each 8 KiB.
Record: docs/decisions/0034-one-protocol-bounds-every-connection.md.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.server import ServerState

from bunbase.pkg.http1.held_flow import HeldFlow
from bunbase.pkg.http1.limits import Limits
from bunbase.pkg.http1.timed import TimedProtocol

# One iteration of the loop parses this much: at most 300 requests, each of which takes about 80 µs.
SLICE_BYTES: Final = 8 << 10


class SlicedProtocol(TimedProtocol):
    """Parses data in slices. The subclass parses one slice in `_parse`, and sets `began` if a request begins in it."""

    def __init__(
        self,
        limits: Limits,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(limits, config, server_state, app_state, _loop)
        self.unparsed = bytearray()  # This data waits to be parsed.
        self.next_slice: asyncio.Handle | None = None
        self.began = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.flow: HeldFlow = HeldFlow(transport)

    def data_received(self, data: bytes) -> None:
        if not self.unparsed and len(data) <= SLICE_BYTES:
            self._parse(data)
            return
        self.unparsed += data
        if self.next_slice is None:
            self._parse_slice()

    @abstractmethod
    def _parse(self, data: bytes) -> None:
        """Parse all of this slice."""

    def _parse_slice(self) -> None:
        """Parse slices until a request has begun in one of them."""
        self.next_slice, self.began = None, False
        while self.unparsed and not self.began:
            piece = bytes(self.unparsed[:SLICE_BYTES])
            del self.unparsed[:SLICE_BYTES]
            self._parse(piece)
        self._go_on()

    def _go_on(self) -> None:
        """Parse the next slice in the next iteration of the loop, but not while requests wait for their answers."""
        if self.unparsed:
            self.flow.hold()
            if self.next_slice is None and not self.pipeline:
                self.next_slice = self.loop.call_soon(self._parse_slice)
        elif self.flow.held:
            self.flow.held = False
            if not self.pipeline and not self._app_must_read():
                self.flow.resume_reading()

    def _app_must_read(self) -> bool:
        """True if the app must take a part of the body before more data is read."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False  # After its answer, an app takes nothing, even if the body is larger than the limit.
        return len(getattr(cycle, "body", b"")) > HIGH_WATER_LIMIT

    def _forget_unparsed(self) -> int:
        """Drop the unparsed data, and return its number of bytes."""
        if self.next_slice is not None:
            self.next_slice.cancel()
            self.next_slice = None
        left = len(self.unparsed)
        self.unparsed.clear()
        self.flow.held = False
        return left
