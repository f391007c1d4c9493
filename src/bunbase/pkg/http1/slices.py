"""What a connection brings is parsed in slices, with a turn of the event loop between them.

Symptom: asyncio hands over pieces of up to 256 KiB. One of them held 9,000 pipelined requests, and all were parsed and
answered before any other connection had its turn. Cause: the parser calls back for every request in the data it is fed.

So a larger piece waits in `unparsed`, and at most SLICE_BYTES of requests are parsed in one turn. Reading stays paused
meanwhile (`held_flow.py`), and no slice is parsed while requests wait for their answers: a client that pipelines
thousands of requests is served no faster, and delays nobody. A slice in which no request begins is part of a body; the
next one follows at once. Smaller reads from the socket would do too, but they would cost every upload a turn for each
8 KiB. Record: docs/decisions/0034-one-protocol-bounds-every-connection.md.
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

SLICE_BYTES: Final = 8 << 10  # parsed in one turn of the loop: 300 of the smallest requests, each of them some 80 µs


class SlicedProtocol(TimedProtocol):
    """Its subclass parses a slice in `_parse`, and sets `began` if a request begins in it."""

    def __init__(
        self,
        limits: Limits,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(limits, config, server_state, app_state, _loop)
        self.unparsed = bytearray()  # the rest of a piece that is parsed slice by slice
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
        """Parse slices up to the end of the first in which a request begins."""
        self.next_slice, self.began = None, False
        while self.unparsed and not self.began:
            piece = bytes(self.unparsed[:SLICE_BYTES])
            del self.unparsed[:SLICE_BYTES]
            self._parse(piece)
        self._go_on()

    def _go_on(self) -> None:
        """Parse the next slice in the next turn of the loop, but not while requests wait for their answers."""
        if self.unparsed:
            self.flow.hold()
            if self.next_slice is None and not self.pipeline:
                self.next_slice = self.loop.call_soon(self._parse_slice)
        elif self.flow.held:
            self.flow.held = False
            if not self.pipeline and len(getattr(self.cycle, "body", b"")) <= HIGH_WATER_LIMIT:
                self.flow.resume_reading()

    def _forget_unparsed(self) -> int:
        """Drop the bytes that wait, and return how many there were."""
        if self.next_slice is not None:
            self.next_slice.cancel()
            self.next_slice = None
        left = len(self.unparsed)
        self.unparsed.clear()
        self.flow.held = False
        return left
