"""The bytes of a Problem as an HTTP answer, for requests that are refused before they reach the app."""

from __future__ import annotations

from typing import Final

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from bunbase.pkg.errors import Problem
from bunbase.pkg.ids import new_id

MEDIA_TYPE: Final = b"application/problem+json"

Pairs = list[tuple[bytes, bytes]]


def refusal(problem: Problem, common: Pairs) -> bytes:
    """Return a complete answer with `connection: close`. `common`: headers that every answer has, such as the date."""
    headers, body = problem_message(problem, new_id("req"))
    lines = b"".join([b"%b: %b\r\n" % pair for pair in (*common, *headers, (b"connection", b"close"))])
    return b"%b%b\r\n%b" % (STATUS_LINE[problem.status], lines, body)


def problem_message(problem: Problem, request_id: str) -> tuple[Pairs, bytes]:
    """Return the headers and the body of the answer for a problem."""
    body = msgspec.json.encode(problem.body(request_id))
    own = [(name.encode(), value.encode()) for name, value in problem.headers().items()]
    headers = [
        *own,
        (b"content-type", MEDIA_TYPE),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    return headers, body
