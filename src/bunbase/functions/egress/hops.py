"""Builds the request of each hop. After a redirect, the method may change, and headers are dropped (Fetch, §4.4)."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from bunbase.contracts.functions.host_calls import InvalidFetch
from bunbase.functions.egress.addressed import Target
from bunbase.functions.egress.secrets import has_placeholder
from bunbase.functions.workers.answer_head import HOP_BY_HOP, NAME, VALUE, Headers
from bunbase.functions.workers.limits import MAX_HEADER_BYTES, MAX_HEADERS

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
KEEPS_METHOD: Final = frozenset({307, 308})
NEVER_SENT: Final = HOP_BY_HOP | {"host", "expect"}
FOR_ONE_ORIGIN: Final = frozenset({"authorization", "cookie"})
ABOUT_THE_BODY: Final = frozenset({"content-encoding", "content-language", "content-location", "content-type"})
METHOD: Final = re.compile(r"[A-Z]{1,32}")
FORBIDDEN_METHODS: Final = frozenset({"CONNECT", "TRACE"})


class FetchRequest(msgspec.Struct, frozen=True):
    """The arguments of `fetch` from the runtime.

    `length`: the size of the body in bytes, or None if the runtime does not know the size before the end of the body.
    """

    url: str
    method: str = "GET"
    headers: Headers = ()
    redirect: Literal["follow", "manual", "error"] = "follow"
    length: int | None = None


class Hop(msgspec.Struct, frozen=True):
    """One request to one host. `headers`: the headers, with placeholders that are not replaced yet."""

    target: Target
    method: str
    headers: Headers
    with_body: bool


def check_asked(asked: FetchRequest) -> None:
    """Check the method and the headers. Raises: InvalidFetch."""
    if not METHOD.fullmatch(asked.method) or asked.method in FORBIDDEN_METHODS:
        raise InvalidFetch("fetch cannot send this method.")
    size = sum(len(name) + len(value) for name, value in asked.headers)
    if len(asked.headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise InvalidFetch(f"A request may have at most {MAX_HEADERS} headers, {MAX_HEADER_BYTES >> 10} KiB in total.")
    if not all(NAME.fullmatch(name) and VALUE.fullmatch(value) for name, value in asked.headers):
        raise InvalidFetch("A request has a header that HTTP does not allow.")


def first_hop(asked: FetchRequest, target: Target, with_body: bool) -> Hop:
    headers = tuple(header for header in asked.headers if header[0] not in NEVER_SENT)
    return Hop(target, asked.method, headers, with_body)


def next_hop(hop: Hop, status: int, target: Target) -> Hop:
    """Return the request that follows a redirect. Credentials and secrets for one origin are not sent to another."""
    method, with_body, dropped = hop.method, hop.with_body, frozenset[str]()
    if status not in KEEPS_METHOD and method not in ("GET", "HEAD") and (status == 303 or method == "POST"):
        method, with_body, dropped = "GET", False, ABOUT_THE_BODY
    headers = tuple(header for header in hop.headers if header[0] not in dropped)
    if target.origin != hop.target.origin:
        headers = tuple(
            (name, value) for name, value in headers if name not in FOR_ONE_ORIGIN and not has_placeholder(value)
        )
    return Hop(target, method, headers, with_body)
