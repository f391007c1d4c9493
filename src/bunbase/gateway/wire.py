"""The bytes of an answer in the fast lane. uvicorn, SharingApp and Frame together produce the same bytes."""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from bunbase.contracts.fast_routes import Answer
from bunbase.gateway.caching import PRIVATE, TAGGED

Pairs = list[tuple[bytes, bytes]]

PRIVATE_LINES: Final = b"".join([b"%b: %b\r\n" % pair for pair in PRIVATE])
TAGGED_LINES: Final = b"".join([b"%b: %b\r\n" % pair for pair in TAGGED])
CLOSE: Final = b"connection: close\r\n"


def answer_bytes(answer: Answer, date: bytes, more: bytes, request_id: str, keep_alive: bool) -> bytes:
    """Return the bytes of an answer, or the bytes of its head if the body is a stream.

    `date` and `more`: complete header lines. The function makes the same caching headers as `caching.caching`, but from
    text, together with the other lines.
    """
    own, caching = "", PRIVATE_LINES
    for name, value in answer.headers:
        own += f"{name}: {value}\r\n"
        if name == "cache-control":
            caching = b""
        elif name == "etag" and caching:
            caching = TAGGED_LINES
    if answer.rest is not None:
        own += "transfer-encoding: chunked\r\n"
    elif answer.media:
        own = f"{own}content-type: {answer.media}\r\ncontent-length: {len(answer.body)}\r\n"
    return b"%b%b%b%b%bx-request-id: %b\r\nx-content-type-options: nosniff\r\n%b\r\n%b" % (
        STATUS_LINE[answer.status],
        date,
        own.encode("latin-1"),
        more,
        caching,
        request_id.encode(),
        b"" if keep_alive else CLOSE,
        answer.body,
    )


def header_lines(pairs: Pairs) -> bytes:
    return b"".join([b"%b: %b\r\n" % pair for pair in pairs])
