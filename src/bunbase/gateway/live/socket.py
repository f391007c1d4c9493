"""A live connection over WebSocket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bunbase.gateway.live.outlet import Packed, joined
from bunbase.gateway.live.server import LiveServer
from bunbase.gateway.live.session import Session
from bunbase.pkg.websocket.connection import WebSocket
from bunbase.pkg.websocket.frames import text_frame

SUBPROTOCOL: Final = "bunbase.live.v1"


class SocketOutlet:
    transport = "websocket"
    answers_pings = True

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket

    @property
    def waiting_bytes(self) -> int:
        return self.socket.waiting_bytes

    def send(self, messages: Sequence[bytes], packed: Packed | None = None) -> int:
        if packed is None:
            frame = text_frame(joined(messages))
        else:
            key = tuple(messages)
            frame = packed.get(key) or packed.setdefault(key, text_frame(joined(messages)))
        self.socket.send(frame)
        return len(frame)

    def close(self, code: int, reason: str) -> None:
        self.socket.close(code, reason)

    def abort(self) -> None:
        self.socket.abort()


class SocketReceiver:
    """Passes the events of a WebSocket to its session."""

    def __init__(self, server: LiveServer, session: Session) -> None:
        self.server = server
        self.session = session

    def on_frames(self, frames: int) -> None:
        self.session.count(frames)

    def on_text(self, message: bytes) -> None:
        self.session.receive(message)

    def on_pause(self) -> None:
        self.session.read_slowly()

    def on_resume(self) -> None:
        self.session.read_again()

    def on_shutdown(self) -> None:
        self.server.shut(self.session)

    def on_lost(self) -> None:
        self.server.end(self.session)
