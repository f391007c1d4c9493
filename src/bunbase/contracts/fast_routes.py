"""Routes hot enough for the gateway's fast lane, as a room offers them: one function from request to answer.

The room's ordinary route calls the very same function, so an answer cannot depend on the lane it took.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bunbase.contracts.caller import Caller


class Asked(msgspec.Struct, frozen=True):
    """`names`: what the path's placeholders hold, in order. `headers`: by lower-case name; the fast lane hands
    on `content-type`, `if-match`, `if-none-match` and `origin` alone. `sent`, `search`: all headers as they
    came and the query as it was written, for a route that is `whole`.
    """

    names: tuple[str, ...]
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    body: bytes = b""
    sent: tuple[tuple[str, str], ...] = ()
    search: str = ""


class Answer(msgspec.Struct, frozen=True):
    """`media`: empty for an answer without a body, or whose headers say all of it. `rest`: more of the body, as it
    comes; a Problem breaks it off. Whoever has the answer closes it.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    media: str = ""
    rest: AsyncGenerator[bytes, None] | None = None


Answering = Callable[[Any, Caller, Asked], Awaitable[Answer]]


@dataclass(frozen=True)
class FastRoute:
    """`answer(service, caller, asked)` may raise Problems. When the service is in this process it is begun outside
    of any task: before its first wait for something it must not ask for the current task (`asyncio.timeout` does).

    `path` as the ordinary route spells it. `query`: which values of which parameters the lane may take; a request
    with any other goes the ordinary way, which knows how to refuse it. `whole`: the route takes any query and reads
    all headers itself. `reads`: what it does ends when its client has gone. `max_body_bytes`: a larger body goes the
    ordinary way, which may stream it; None: as the gateway is set.
    """

    method: str
    path: str
    answer: Answering
    query: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    whole: bool = False
    reads: bool = False
    max_body_bytes: int | None = None
