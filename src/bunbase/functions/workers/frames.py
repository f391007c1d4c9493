"""The frames on a worker's channel. The other side of the channel is runtime/frames.ts.

A frame, big-endian: u32 length of the rest · u8 type · u32 id · payload. If a payload has two parts, it begins with the
u32 length of its first part, which is JSON. `id` is the number of the call in this worker, or 0 if the frame belongs to
no call.

- Asks, the requests of a function to the host (workers/asks.py): frames from REPLY to ASK_CREDIT and from ASK to
  REPLY_CREDIT. The `id` of these frames is the number of the ask.
- Request bodies (workers/upload.py), if INVOKE contains only the beginning: frames from BODY to BODY_FAIL, BODY_CREDIT
  and BODY_CANCEL.
- waitUntil: LINGER before DONE or ERROR means that the call continues after its answer; SETTLED ends that work.
- Bytecode: the worker answers COMPILE (code) with pieces in BYTECODE frames; an empty piece is the end.
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
    # The child of the zygote sends this if the sandbox could not be set up, so that Bun was not started.
    UNCONFINED = 15
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
    """The worker has sent a frame that our runtime never sends, so the worker cannot be trusted any more."""


def encode_frame(type: Frame, id: int, payload: bytes = b"") -> bytes:
    return HEADER.pack(REST_OF_HEADER + len(payload), type, id) + payload


def join_payload(meta: Any, *rest: bytes) -> bytes:
    """Return a payload of two parts: `meta` as JSON, then the bytes of `rest`."""
    first = msgspec.json.encode(meta)
    return b"".join((LENGTH.pack(len(first)), first, *rest))


def text_of(payload: bytes) -> str:
    """Decode text, and replace NUL characters, which PostgreSQL cannot store."""
    return payload.decode("utf-8", "replace").replace("\0", "\ufffd")


class FrameReader:
    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.buffer = bytearray()

    def push(self, data: bytes) -> Generator[tuple[int, int, bytes], None, None]:
        """Yield the type, id and payload of each complete frame. Raises: BadFrame.

        If the caller stops early and closes the generator, the next call yields the remaining frames.
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
