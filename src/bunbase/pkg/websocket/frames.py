"""Frames that the server sends (RFC 6455 §5.2): never masked, never fragmented, without extensions."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

TEXT: Final = 0x81  # This byte means FIN and opcode 1.
CLOSE: Final = 0x88
SHORT: Final = 125
MEDIUM: Final = 0xFFFF
MAX_REASON: Final = 123  # The reason in a close frame has at most this many bytes, in addition to the code.
LONG_HEADER: Final = struct.Struct("!BBQ")
MEDIUM_HEADER: Final = struct.Struct("!BBH")


class CloseCode(IntEnum):
    """Close codes of RFC 6455 §7.4.1 that a server sends."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    INVALID_DATA = 1007
    POLICY = 1008
    TOO_BIG = 1009
    INTERNAL = 1011
    RESTART = 1012


def text_frame(body: bytes) -> bytes:
    """Return a frame with a whole text message. `body`: UTF-8."""
    size = len(body)
    if size <= SHORT:
        return b"%c%c%b" % (TEXT, size, body)
    if size <= MEDIUM:
        return MEDIUM_HEADER.pack(TEXT, 126, size) + body
    return LONG_HEADER.pack(TEXT, 127, size) + body


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close frame. A reason that is too long is cut at the end of a character."""
    text = reason.encode()[:MAX_REASON].decode(errors="ignore").encode()
    return b"%c%c%b%b" % (CLOSE, 2 + len(text), code.to_bytes(2, "big"), text)
