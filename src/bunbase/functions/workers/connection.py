"""The socket between the server and one worker.

The connection also limits the time for which a worker may occupy the event loop.

The life of the bytes that arrive:
1. `data_received` cuts the bytes into frames (frames.py) and passes each frame to `hear`.
2. After MAX_FRAMES_A_TURN frames, the connection stops reading and continues in the next turn of the event loop.
   Without this limit, a worker that sent 28,000 of the smallest frames in one write delayed every other caller by 0.3
   s.
3. The worker pays for every frame from its budget (frame_budget.py). If a worker exceeds its budget, or sends malformed
   frames, the server kills the worker.
4. While the worker does not read what the server writes, the server does not read from the worker (`pause_writing`).
   Otherwise each ask of the worker would add one more reply to the server's memory.
5. When the process ends, the kernel closes the socket, and `on_lost` is called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from typing import Final, cast

from bunbase.functions.workers.frame_budget import FrameBudget
from bunbase.functions.workers.frames import BadFrame, Frame, FrameReader, encode_frame
from bunbase.functions.workers.limits import MAX_FRAME_BYTES

MAX_FRAMES_A_TURN: Final = 128  # Handling this many frames takes 1 ms.


class Connection(asyncio.Protocol):
    """The server's end of the socket. After `close`, it neither sends nor receives frames.

    `hear(type, id, payload)` processes one frame, and may raise BadFrame. `on_broken(why)` is called when the worker
    has violated the protocol. `on_lost()` is called when the socket is closed.
    """

    def __init__(
        self,
        hear: Callable[[int, int, bytes], None],
        on_broken: Callable[[str], None],
        on_lost: Callable[[], None],
        budget: FrameBudget,
    ) -> None:
        self.closed = False
        self._hear = hear
        self._on_broken = on_broken
        self._on_lost = on_lost
        self._budget = budget
        self._frames = FrameReader(MAX_FRAME_BYTES)
        self._loop = asyncio.get_running_loop()
        self._writing: asyncio.WriteTransport | None = None
        self._reading: asyncio.ReadTransport | None = None
        self._full = False  # True while the worker does not read and the write buffer is full.

    @property
    def unsent_bytes(self) -> int:
        """The number of bytes that wait in the server's memory until the worker reads them."""
        return self._writing.get_write_buffer_size() if self._writing is not None else 0

    def send(self, type: Frame, id: int, payload: bytes = b"") -> None:
        if self._writing is not None and not self.closed:
            self._writing.write(encode_frame(type, id, payload))

    def close(self) -> None:
        self.closed = True
        if self._writing is not None:
            self._writing.abort()

    # Methods of asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._writing = cast(asyncio.WriteTransport, transport)
        # The cast is needed, because uvloop's transports have other base classes.
        self._reading = cast(asyncio.ReadTransport, transport)

    def data_received(self, data: bytes) -> None:
        heard = 0
        try:
            with closing(self._frames.push(data)) as frames:
                for type, id, payload in islice(frames, MAX_FRAMES_A_TURN):
                    heard += 1
                    self._hear(type, id, payload)
                    if self.closed:
                        return
            self._budget.spend(heard)
        except (BadFrame, RecursionError) as wrong:  # A RecursionError means JSON that is nested too deeply.
            self._on_broken(f"it broke the protocol: {wrong}")
        if heard == MAX_FRAMES_A_TURN and not self.closed:
            self._stop_reading()
            self._loop.call_soon(self._read_on)

    def pause_writing(self) -> None:
        self._full = True
        self._stop_reading()

    def resume_writing(self) -> None:
        self._full = False
        self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost()

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.pause_reading()

    def _read_on(self) -> None:
        """Handle the frames that have already arrived, then read from the socket again."""
        if self._reading is None or self._full or self.closed or self._reading.is_closing():
            return
        self._reading.resume_reading()
        self.data_received(b"")
