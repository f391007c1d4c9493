"""One WebSocket, after its handshake: an asyncio protocol that passes whole text messages to a Receiver.

The library parses the data of the client, answers pings, and closes after errors. Data is parsed in slices, with an
iteration of the event loop between two slices, because one piece of data may hold thousands of tiny frames. Answers are
sent in the order of the frames that caused them.

A large frame is written in pieces, each of them when the transport has room for it. So a client that reads slowly only
takes memory for the pieces that it has not read, and `waiting_bytes` counts all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Final, Protocol, cast

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol as LibraryParser
from websockets.protocol import Side, State

from bunbase.pkg.http1.kernel_buffer import limit_kernel_buffer
from bunbase.pkg.http1.switching import SwitchedProtocol
from bunbase.pkg.http1.unacknowledged import limit_unacknowledged
from bunbase.pkg.pieces import pieces_of
from bunbase.pkg.websocket.frames import CloseCode, close_frame, text_frame

SLICE_BYTES: Final = 4 << 10
CLOSE_SECONDS: Final = 5.0  # A client has this time to answer a close frame, and to read earlier data.
MAX_WAITING_BYTES: Final = 64 << 10  # This is the high-water mark of the write buffer.
PIECE_BYTES: Final = 64 << 10


class Receiver(Protocol):
    """The owner of a WebSocket. `frames`: the number of frames that arrived together, control frames included."""

    def on_text(self, message: bytes) -> None: ...

    def on_frames(self, frames: int) -> None: ...

    def on_pause(self) -> None:
        """Notice that the client reads too slowly, so more data would have to wait in the memory of the server."""

    def on_resume(self) -> None: ...

    def on_shutdown(self) -> None:
        """Notice that the server stops. The owner must close the WebSocket."""

    def on_lost(self) -> None:
        """Notice that the connection has ended. No other method is called afterwards."""


class Phase(IntEnum):
    OPEN = 0
    CLOSING = 1  # A close frame was sent or received, so nothing more is sent.
    CLOSED = 2


class Parser(LibraryParser):
    """The parser of the library, which also accepts a close frame amid the fragments of a message (RFC 6455 §5.4)."""

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None  # The rest of the message never comes, and the library calls this an error.
        super().recv_frame(frame)


class WebSocket(SwitchedProtocol):
    """One WebSocket. `max_bytes`: the largest size of a message.

    `opened`: a function that is called after the handshake, and returns the owner.

    `unacknowledged_seconds`: the time for which sent data may wait for an acknowledgement of the client's machine; 0
    for no limit.
    """

    receiver: Receiver
    transport: asyncio.Transport

    def __init__(
        self, max_bytes: int, opened: Callable[[WebSocket], Receiver], unacknowledged_seconds: float = 0
    ) -> None:
        self.opened = opened
        self.unacknowledged_seconds = unacknowledged_seconds
        self.parser = Parser(Side.SERVER, max_size=max_bytes)
        self.phase = Phase.OPEN
        self.reads_slowly = False
        self.full = False  # True while the transport can take no more data.
        self.backlog: deque[bytes] | None = None  # These pieces wait. None saves the 600 bytes of an empty deque.
        self.backlog_bytes = 0
        self.ends = False  # The connection ends when the backlog is written.
        self.fragments: list[bytes] = []
        self.unparsed = bytearray()
        self.next_slice: asyncio.Handle | None = None
        self.end: asyncio.TimerHandle | None = None

    # The owner calls these methods.

    def send(self, frame: bytes) -> None:
        """Send a frame that `text_frame` has made. If the connection is closing, send nothing."""
        if self.phase is Phase.OPEN:
            self._write(frame)

    def send_text(self, message: bytes) -> None:
        self.send(text_frame(message))

    @property
    def waiting_bytes(self) -> int:
        """The bytes that wait in the memory of this process until the client reads."""
        return self.transport.get_write_buffer_size() + self.backlog_bytes

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, and end the connection when the client has answered it. Idempotent."""
        if self.phase is Phase.OPEN:
            self.phase = Phase.CLOSING
            self._write(close_frame(code, reason))
            self._end_soon()

    def abort(self) -> None:
        """End the connection now. Data that was not sent is lost."""
        self.phase = max(self.phase, Phase.CLOSING)
        self._drop_backlog()
        self.transport.abort()

    # The event loop calls these methods.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transport is not a subclass of this type.
        self.transport.set_write_buffer_limits(high=MAX_WAITING_BYTES)
        limit_kernel_buffer(transport, MAX_WAITING_BYTES)
        self._limit_unacknowledged(self.unacknowledged_seconds)
        self.receiver = self.opened(self)
        del self.opened  # A connection may last for days, so this frees memory that it does not need.
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self.unparsed += data
        if self.next_slice is None:
            self._parse_slice()

    def eof_received(self) -> bool:
        return False  # The transport closes itself.

    def pause_writing(self) -> None:
        self.full = True
        if self.reads_slowly:
            return
        self.reads_slowly = True
        self._limit_unacknowledged(0)  # The owner limits the time of a slow reader.
        self.transport.pause_reading()  # Further messages would cause answers, which the client does not read.
        self.receiver.on_pause()

    def resume_writing(self) -> None:
        self.full = False
        self._write_backlog()
        if self.full:
            return
        self.reads_slowly = False
        self._limit_unacknowledged(self.unacknowledged_seconds)
        if self.next_slice is None and not self.transport.is_closing():
            self.transport.resume_reading()
        self.receiver.on_resume()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.phase = Phase.CLOSED
        self.unparsed.clear()
        self._drop_backlog()
        for timer in (self.next_slice, self.end):
            if timer is not None:
                timer.cancel()
        self.receiver.on_lost()

    def shutdown(self) -> None:
        self.receiver.on_shutdown()

    def _limit_unacknowledged(self, seconds: float) -> None:
        if self.unacknowledged_seconds:
            limit_unacknowledged(self.transport, seconds)

    def _write(self, data: bytes) -> None:
        if self.backlog is None:
            if len(data) <= PIECE_BYTES:
                self.transport.write(data)
                return
            self.backlog = deque()
        self.backlog += pieces_of(data, PIECE_BYTES)
        self.backlog_bytes += len(data)
        if not self.full:
            self._write_backlog()

    def _write_backlog(self) -> None:
        while self.backlog and not self.full:
            piece = self.backlog.popleft()
            self.backlog_bytes -= len(piece)
            self.transport.write(piece)
        if not self.backlog:
            self.backlog = None
            if self.ends:
                self.transport.close()

    def _drop_backlog(self) -> None:
        self.backlog, self.backlog_bytes = None, 0

    def _parse_slice(self) -> None:
        self.next_slice = None
        piece = bytes(self.unparsed[:SLICE_BYTES])
        del self.unparsed[:SLICE_BYTES]
        self.parser.receive_data(piece)
        frames = [event for event in self.parser.events_received() if isinstance(event, Frame)]
        answers = deque(self.parser.data_to_send())
        if frames and self.phase is Phase.OPEN:
            self.receiver.on_frames(len(frames))
        for frame in frames:
            if frame.opcode is Opcode.PING:
                self._answer(answers.popleft())
            else:
                self._take(frame)
        for answer in answers:
            self._answer(answer)
        self._end_with_the_parser()
        if self.unparsed:
            self.transport.pause_reading()
            self.next_slice = asyncio.get_running_loop().call_soon(self._parse_slice)
        elif not self.reads_slowly and not self.transport.is_closing():
            self.transport.resume_reading()

    def _take(self, frame: Frame) -> None:
        if self.phase is not Phase.OPEN:
            return
        match frame.opcode:
            case Opcode.BINARY:
                self.close(CloseCode.POLICY, "send text frames with JSON")
            case Opcode.TEXT if frame.fin:
                self._pass_on(bytes(frame.data))
            case Opcode.TEXT | Opcode.CONT:
                self.fragments.append(bytes(frame.data))
                if frame.fin:
                    message, self.fragments = b"".join(self.fragments), []
                    self._pass_on(message)
            case _:
                pass  # This is a pong, or a close frame, which the parser has answered.

    def _pass_on(self, message: bytes) -> None:
        try:
            message.decode()
        except UnicodeDecodeError:
            self.close(CloseCode.INVALID_DATA, "text frames must be UTF-8")
        else:
            self.receiver.on_text(message)

    def _answer(self, data: bytes) -> None:
        """Send one answer of the parser: a pong, or a close frame after the client's close frame or an error."""
        if data and self.phase is Phase.OPEN:
            self._write(data)

    def _end_with_the_parser(self) -> None:
        if self.parser.state is not State.OPEN:
            if self.phase is Phase.OPEN:
                self.phase = Phase.CLOSING
                self._end_soon()
            self.ends = True
            if self.backlog is None:
                self.transport.close()  # A server closes first (RFC 6455 §7.1.1). Written data is still sent.

    def _end_soon(self) -> None:
        self.end = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.abort)
