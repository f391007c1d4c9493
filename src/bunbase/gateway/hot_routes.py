"""Which requests the fast lane takes, and what it reads of them. Pure: bytes in, a HotRequest or None out.

None is no refusal. It sends the request the ordinary way, which knows every rule; so whatever is unusual here (a
header sent twice, an escaped path, a parameter with a strange value) needs no second set of rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from urllib.parse import unquote_plus

import msgspec

from bunbase.contracts.fast_routes import FastRoute
from bunbase.pkg.http1.head import is_host

NAME: Final = rb"([A-Za-z0-9_-]{1,64})"
SEGMENT: Final = rb"[A-Za-z0-9_-][A-Za-z0-9._~-]*"
REST: Final = rb"(%b(?:/%b)*)" % (SEGMENT, SEGMENT)  # nothing that could be read in two ways: no escapes, no //, no ..
PLACEHOLDER: Final = re.compile(r"(\{\w+\})")

READ: Final = frozenset(
    b"host x-bunbase-key authorization origin cookie user-agent x-request-id content-length content-type if-match "
    b"if-none-match x-forwarded-for".split()
)
UNUSUAL: Final = frozenset(b"connection transfer-encoding expect upgrade".split())
NONE: Final = b"/"  # in place of a Host that is missing: no host either
OURS: Final = b"x-bunbase-"  # one that is not read above asks for something the lane knows nothing of
WITH_BODY: Final = frozenset({b"POST", b"PUT", b"PATCH"})

Headers = dict[bytes, bytes]


class Mounted(msgspec.Struct, frozen=True):
    """A route and the service that answers it. `by_hand`: it may be begun outside of a task."""

    route: FastRoute
    service: Any
    pattern: re.Pattern[bytes]
    by_hand: bool


class HotRequest(msgspec.Struct, frozen=True):
    """`length`: of the body that follows. `sent`, `search`: as in `Asked`, for a route that is whole."""

    mounted: Mounted
    names: tuple[str, ...]
    query: dict[str, str]
    headers: Headers
    length: int
    sent: tuple[tuple[str, str], ...] = ()
    search: str = ""


class HotRoutes:
    """`welcome`: True for an origin whose pages may write (`local_guard.py`); None: all may. A write of any other
    page goes the ordinary way."""

    def __init__(
        self, mounted: Iterable[Mounted], max_body_bytes: int, welcome: Callable[[str], bool] | None = None
    ) -> None:
        self.max_body_bytes = max_body_bytes
        self.welcome = welcome
        self.by_method: dict[bytes, list[Mounted]] = {}
        for one in mounted:
            self.by_method.setdefault(one.route.method.encode(), []).append(one)

    def request(self, method: bytes, url: bytes, sent: Sequence[tuple[bytes, bytes]]) -> HotRequest | None:
        """`sent`: all headers, their names in lower case."""
        path, _, query = url.partition(b"?")
        for mounted in self.by_method.get(method, ()):
            if match := mounted.pattern.fullmatch(path):
                break
        else:
            return None
        headers = _headers(sent)
        whole = mounted.route.whole
        parameters = _query(mounted.route, query) if query and not whole else {}
        if headers is None or parameters is None or not headers.get(b"x-bunbase-key"):
            return None
        if method != b"GET" and self._is_foreign(headers):
            return None
        if b"#" in query or not is_host(headers.get(b"host", NONE)):
            return None
        length = self._length(headers.get(b"content-length", b"0"), method in WITH_BODY)
        if length is None or (mounted.route.max_body_bytes is not None and length > mounted.route.max_body_bytes):
            return None
        names = tuple([str(name, "ascii") for name in match.groups()])
        if not whole:
            return HotRequest(mounted, names, parameters, headers, length)
        as_sent = tuple([(str(name, "latin-1"), str(value, "latin-1")) for name, value in sent])
        return HotRequest(mounted, names, parameters, headers, length, as_sent, str(query, "latin-1"))

    def _is_foreign(self, headers: Headers) -> bool:
        origin = headers.get(b"origin")
        return self.welcome is not None and origin is not None and not self.welcome(str(origin, "latin-1"))

    def _length(self, sent: bytes, with_body: bool) -> int | None:
        if not with_body:
            return 0 if sent == b"0" else None
        if not sent.isdigit() or len(sent) > 10:
            return None
        length = int(sent)
        return length if 0 < length <= self.max_body_bytes else None


def mounted(route: FastRoute, service: Any, by_hand: bool) -> Mounted:
    pattern = b"".join([_piece(piece) for piece in PLACEHOLDER.split(route.path)])
    return Mounted(route, service, re.compile(pattern), by_hand)


def _piece(piece: str) -> bytes:
    """`{path}` is all that follows, any other placeholder a name."""
    if not PLACEHOLDER.fullmatch(piece):
        return re.escape(piece).encode()
    return REST if piece == "{path}" else NAME


def _headers(sent: Sequence[tuple[bytes, bytes]]) -> Headers | None:
    headers: Headers = {}
    for name, value in sent:
        if name in READ:
            if name in headers:
                return None
            headers[name] = value
        elif name in UNUSUAL:
            if name != b"connection" or value.lower() != b"keep-alive":
                return None
        elif name.startswith(OURS):
            return None
    return headers


def _query(route: FastRoute, sent: bytes) -> dict[str, str] | None:
    if not sent.isascii() or b";" in sent:
        return None
    query: dict[str, str] = {}
    for pair in sent.decode("latin-1").split("&"):
        name, _, value = pair.partition("=")
        accepted = route.query.get(name)
        value = unquote_plus(value)
        if accepted is None or name in query or not accepted.fullmatch(value):
            return None
        query[name] = value
    return query
