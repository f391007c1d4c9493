"""The routes that a room offers to the gateway's fast lane, which answers requests without ASGI and without the web
framework. Each route is one function from request to answer.

The room's ordinary route of documents calls the same function, so both lanes return the same answer. Calls of functions
are an exception: their ordinary route streams bodies of any size, and shares only the parts that make the answer.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bunbase.contracts.caller import Caller


class FastRequest(msgspec.Struct, frozen=True):
    """A request. `names`: the values of the path's placeholders, in order. `headers`: the headers by lower-case name.
    The fast lane passes on only `content-type`, `idempotency-key`, `if-match`, `if-none-match`, `origin` and
    `x-bunbase-at-least`.

    `sent`, `search`: all headers and the query string as the client sent them; only for a route that is `whole`.
    """

    names: tuple[str, ...]
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    body: bytes = b""
    sent: tuple[tuple[str, str], ...] = ()
    search: str = ""


class Answer(msgspec.Struct, frozen=True):
    """`media`: the content type; empty if the answer has no body, or if `headers` has the content type.

    `rest`: an iterator that yields the rest of the body; a Problem ends the answer early. The receiver of the answer
    must close `rest`.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    media: str = ""
    rest: AsyncGenerator[bytes, None] | None = None


Answering = Callable[[Any, Caller, FastRequest], Awaitable[Answer]]


@dataclass(frozen=True)
class FastRoute:
    """`answer(service, caller, asked)` may raise Problems. If the service is in this process, `answer` begins outside
    of any task. Until its first wait, `answer` must not use the current task, as `asyncio.timeout` does.

    `path`: the path, spelt as in the ordinary route. `query`: the parameters that the fast lane accepts, with patterns
    of their values; the ordinary lane handles a request with other parameters, and can refuse it with the right error.
    `whole`: true if the route accepts any query and reads all headers itself. `reads`: true if the work stops when the
    client has disconnected.
    `max_body_bytes`: the limit above which the ordinary lane handles bodies, which it may stream; None for the
    gateway's setting.
    """

    method: str
    path: str
    answer: Answering
    query: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    whole: bool = False
    reads: bool = False
    max_body_bytes: int | None = None
