"""Calls of functions, and their answers."""

from __future__ import annotations

from typing import Final

import msgspec

MAX_BEGINNING_BYTES: Final = 64 << 10  # the first part of a streamed body; a smaller body is sent in one piece


class Invocation(msgspec.Struct, frozen=True):
    """A request to a function. `path`: path and query below the function's URL, such as `/a/b?c=d`. `headers`: names in
    lower case; a repeated header appears as often as it was sent.

    `more`: true if `body` is only the first part of the body, at most MAX_BEGINNING_BYTES; `feed` sends the rest.
    `length`: the length of the whole body, if known. `own_host`: true if the request came to the project's own host
    (`functions.host`).
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    more: bool = False
    length: int | None = None
    own_host: bool = False


class Receiving(msgspec.Struct, frozen=True, tag="receiving"):
    """A worker has taken the call. `feed` may send the next `room` bytes of the body for this `invocation`."""

    invocation: str
    room: int


class Head(msgspec.Struct, frozen=True, tag="head"):
    """The head of an answer. `queued_ms`: the time that the call waited for a worker; `cold`: true if a worker was
    started for this call.

    `body`: the whole body, if the worker sent it with the head; then no Chunk follows.
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
