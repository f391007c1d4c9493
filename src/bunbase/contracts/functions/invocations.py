"""Calls of functions, and their answers."""

from __future__ import annotations

from typing import Final

import msgspec

MAX_BEGINNING_BYTES: Final = 64 << 10  # of a body whose rest follows; a smaller body is best sent whole


class Invocation(msgspec.Struct, frozen=True):
    """`path`: from the function's own root, query included: `/a/b?c=d`. `headers`: lower-case names, repeats kept.

    `more`: `body` is only its beginning, at most MAX_BEGINNING_BYTES; the rest comes by `feed`. `length`: of
    all of it, where that is known. `own_host`: the request came to the project's own host (`functions.host`).
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    more: bool = False
    length: int | None = None
    own_host: bool = False


class Receiving(msgspec.Struct, frozen=True, tag="receiving"):
    """A worker has the call: `room` bytes of the rest of its body may be fed, under the name of the `invocation`."""

    invocation: str
    room: int


class Head(msgspec.Struct, frozen=True, tag="head"):
    """`queued_ms`: time that the call waited for a worker; `cold`: a worker was started for this call.

    `body`: all of the body, if it was there with the head; then no Chunk follows.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    version: int
    invocation: str
    queued_ms: float
    cold: bool
    body: bytes | None = None


class Chunk(msgspec.Struct, frozen=True, tag="chunk"):
    data: bytes
