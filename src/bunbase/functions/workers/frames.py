"""Frames on a worker's channel, the twin of runtime/frames.ts.

u32 length of the rest · u8 type · u32 id · payload, big-endian. Where a payload has two parts, the first (JSON) is led
by its own u32 length. `id` is the call's number in this worker, 0 for what belongs to none.

Frames from REPLY to ASK_CREDIT and from ASK to REPLY_CREDIT carry what a function asks of the host (workers/asks.py);
their `id` is the number of the ask. Frames from BODY to BODY_FAIL, BODY_CREDIT and BODY_CANCEL are about a request that
did not come whole with INVOKE (workers/upload.py). LINGER before DONE or ERROR: the call works on behind its answer,
until SETTLED. COMPILE (code) is answered by pieces of BYTECODE, the last one empty.
"""

from __future__ import annotations

import struct
from collections.abc import Generator
from enum import IntEnum
from typing import Any, Final

import msgspec

LENGTH: Final = struct.Struct(">I")
HEADER: Final = struct.Struct(">IBI")
REST_OF_HEADER: Final = HEADER.size - LENGTH.size


class Frame(IntEnum):
    LOAD = 1
    INVOKE = 2
    CANCEL = 3
    CREDIT = 4
    PING = 5
    REPLY = 6
    REPLY_CHUNK = 7
    REPLY_END = 8
    REFUSED = 9
    ASK_CREDIT = 10
    BODY = 11
    BODY_END = 12
    BODY_FAIL = 13
    COMPILE = 14
    UNCONFINED = 15  # from the zygote's child in Bun's place: it could not be confined, so Bun was not started
    READY = 16
    LOADED = 17
    FAILED = 18
    HEAD = 19
    CHUNK = 20
    DONE = 21
    ERROR = 22
    LOG = 23
    PONG = 24
    LINGER = 25
    SETTLED = 26
    ASK = 27
    ASK_CHUNK = 28
    ASK_END = 29
    ASK_CANCEL = 30
    REPLY_CREDIT = 31
    BODY_CREDIT = 32
    BODY_CANCEL = 33
    BYTECODE = 34


class BadFrame(Exception):
    """The other side sent what no runtime of ours sends."""


def encode_frame(type: Frame, id: int, payload: bytes = b"") -> bytes:
    return HEADER.pack(REST_OF_HEADER + len(payload), type, id) + payload


def join_payload(meta: Any, *rest: bytes) -> bytes:
    """Make a payload of two parts: JSON, and the bytes behind it."""
    first = msgspec.json.encode(meta)
    return b"".join((LENGTH.pack(len(first)), first, *rest))


def text_of(payload: bytes) -> str:
    """Read text that PostgreSQL can store: it knows no NUL."""
    return payload.decode("utf-8", "replace").replace("\0", "\ufffd")


class FrameReader:
    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.buffer = bytearray()

    def push(self, data: bytes) -> Generator[tuple[int, int, bytes], None, None]:
        """Yield type, id and payload of each frame that is now complete. Raises: BadFrame.

        If the caller stops early and closes the generator, the next push yields the remaining frames.
        """
        buffer = self.buffer
        buffer += data
        at = 0
        try:
            while len(buffer) - at >= LENGTH.size:
                (length,) = LENGTH.unpack_from(buffer, at)
                if not REST_OF_HEADER <= length <= self.max_bytes:
                    raise BadFrame(f"a frame of {length} bytes")
                end = at + LENGTH.size + length
                if len(buffer) < end:
                    break
                _, type, id = HEADER.unpack_from(buffer, at)
                begin, at = at + HEADER.size, end
                yield type, id, bytes(buffer[begin:end])
        finally:
            del buffer[:at]
