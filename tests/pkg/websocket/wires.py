"""Frames of a client, and a WebSocket on a transport that only records the written data."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

from bunbase.pkg.websocket.connection import MAX_WAITING_BYTES, WebSocket

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"


def frame(opcode: int, data: bytes = b"", fin: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    bit = 0x80 if masked else 0
    if len(data) < 126:
        head = struct.pack("!BB", first, bit | len(data))
    elif len(data) < 1 << 16:
        head = struct.pack("!BBH", first, bit | 126, len(data))
    else:
        head = struct.pack("!BBQ", first, bit | 127, len(data))
    if not masked:
        return head + data
    return head + MASK + bytes(byte ^ MASK[index % 4] for index, byte in enumerate(data))


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


class Wire:
    """A transport that records what is written, and the owner of the WebSocket on it."""

    def __init__(self, max_bytes: int = 1 << 16) -> None:
        self.written = b""
        self.texts: list[bytes] = []
        self.frames = 0
        self.closing = self.aborted = self.reading = self.lost = False
        self.told: list[str] = []
        self.socket = WebSocket(max_bytes, lambda _socket: self)
        self.socket.left = lambda: self.told.append("left")
        self.socket.connection_made(self)  # type: ignore[arg-type]  # this object is the transport, too

    # The transport:

    def write(self, data: bytes) -> None:
        assert not self.closing
        self.written += data

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, _name: str) -> None:
        """Return nothing, because there is no socket."""

    def set_write_buffer_limits(self, **_: Any) -> None:
        """Accept any limit."""

    # The owner of the WebSocket:

    def on_text(self, message: bytes) -> None:
        self.texts.append(message)

    def on_frames(self, frames: int) -> None:
        self.frames += frames

    def on_pause(self) -> None:
        self.told.append("pause")

    def on_resume(self) -> None:
        self.told.append("resume")

    def on_shutdown(self) -> None:
        self.told.append("shutdown")

    def on_lost(self) -> None:
        self.lost = True

    async def feed(self, data: bytes, pieces: int = 1) -> None:
        """Let data arrive in pieces of equal size, and wait until all of it is parsed."""
        size = max(1, -(-len(data) // pieces))
        for start in range(0, len(data), size):
            if not self.closing:
                self.socket.data_received(data[start : start + size])
            while self.socket.next_slice is not None and not self.closing:
                await asyncio.sleep(0)

    @property
    def sent(self) -> list[tuple[int, bytes]]:
        """The opcode and data of each frame that the server has sent."""
        found, rest = [], self.written
        while rest:
            assert rest[0] & 0xF0 == 0x80, "fragmented, or with reserved bits"
            assert not rest[1] & 0x80, "a server does not mask"
            size, start = rest[1], 2
            if size == 126:
                size, start = int.from_bytes(rest[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(rest[2:10], "big"), 10
            found.append((rest[0] & 15, rest[start : start + size]))
            rest = rest[start + size :]
        return found

    @property
    def close_code(self) -> int | None:
        """The code in the server's close frame: 1005 if the frame has no code, None if there is no close frame."""
        for opcode, data in self.sent:
            if opcode == CLOSE:
                return int.from_bytes(data[:2], "big") if data else 1005
        return None


class Echo(Wire):
    """A wire whose owner sends each message back."""

    def on_text(self, message: bytes) -> None:
        super().on_text(message)
        self.socket.send_text(message)


class SlowWire(Wire):
    """A transport whose client reads only when `read` is called.

    `held` has the size of each object that is not yet sent.

    Like a real transport, this one keeps an object until the last byte of the object is sent.
    """

    def __init__(self) -> None:
        self.held: list[int] = []
        self.unsent = 0
        self.paused = False
        super().__init__()

    def write(self, data: bytes) -> None:
        super().write(data)
        self.held.append(len(data))
        self.unsent += len(data)
        if self.unsent > MAX_WAITING_BYTES and not self.paused:
            self.paused = True
            self.socket.pause_writing()

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def read(self, count: int) -> None:
        """Let the client read this number of bytes, or less if the transport has less."""
        count = min(count, self.unsent)
        self.unsent -= count
        count = sum(self.held) - self.unsent
        while self.held and count >= self.held[0]:
            count -= self.held.pop(0)
        if self.paused and self.unsent <= MAX_WAITING_BYTES // 4:
            self.paused = False
            self.socket.resume_writing()
