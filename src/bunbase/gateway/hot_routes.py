"""Decide which requests the fast lane takes.

A pure function turns the bytes of a request head into a HotRequest or None.

None does not refuse a request, but sends it to the ordinary lane, where all rules are implemented. So this file returns
None for everything unusual: a header sent twice, an escaped path, a parameter with an unexpected value.
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
# The rest of a path without ambiguous parts: it has no escapes, no //, and no `..`.
REST: Final = rb"(%b(?:/%b)*)" % (SEGMENT, SEGMENT)
PLACEHOLDER: Final = re.compile(r"(\{\w+\})")

READ: Final = frozenset(
    b"host x-bunbase-key authorization origin cookie user-agent x-request-id content-length content-type if-match "
    b"if-none-match x-forwarded-for x-bunbase-csrf sec-fetch-site sec-fetch-mode idempotency-key "
    b"x-bunbase-at-least".split()
)
UNUSUAL: Final = frozenset(b"connection transfer-encoding expect upgrade".split())
NONE: Final = b"/"  # This stands for a missing Host. This text is not a valid host, so is_host rejects the request.
OURS: Final = b"x-bunbase-"  # Any such header that is not in READ asks for a feature of the ordinary lane.
WITH_BODY: Final = frozenset({b"POST", b"PUT", b"PATCH"})

Headers = dict[bytes, bytes]


class Mounted(msgspec.Struct, frozen=True):
    """A route and the service that answers it. `by_hand`: true if its coroutine may start outside of a task."""

    route: FastRoute
    service: Any
    pattern: re.Pattern[bytes]
    by_hand: bool


class HotRequest(msgspec.Struct, frozen=True):
    """The head of a request for the fast lane. `length`: the size of the body that follows, in bytes. `sent` and
    `search`: all headers and the query string, as in `FastRequest`; only set if the route is `whole`.
    """

    mounted: Mounted
    names: tuple[str, ...]
    query: dict[str, str]
    headers: Headers
    length: int
    sent: tuple[tuple[str, str], ...] = ()
    search: str = ""


class HotRoutes:
    """All routes of the fast lane. `welcome`: True for an origin whose pages may write (`local_guard.py`); None allows
    all origins. Writes from pages of other origins go to the ordinary lane."""

    def __init__(
        self, mounted: Iterable[Mounted], max_body_bytes: int, welcome: Callable[[str], bool] | None = None
    ) -> None:
        self.max_body_bytes = max_body_bytes
        self.welcome = welcome
        self.by_method: dict[bytes, list[Mounted]] = {}
        for one in mounted:
            self.by_method.setdefault(one.route.method.encode(), []).append(one)

    def request(self, method: bytes, url: bytes, sent: Sequence[tuple[bytes, bytes]]) -> HotRequest | None:
        """Return the request, or None for the ordinary lane. `sent`: all headers, with their names in lower case."""
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
        length = 0
        if method in WITH_BODY:
            length = self._length(headers.get(b"content-length", b"0"), mounted.route)
            if not length:
                return None
        elif headers.get(b"content-length", b"0") != b"0":
            return None
        names = tuple(map(bytes.decode, match.groups()))  # NAME and REST match only ASCII.
        if not whole:
            return HotRequest(mounted, names, parameters, headers, length)
        as_sent = tuple([(str(name, "latin-1"), str(value, "latin-1")) for name, value in sent])
        return HotRequest(mounted, names, parameters, headers, length, as_sent, str(query, "latin-1"))

    def _is_foreign(self, headers: Headers) -> bool:
        origin = headers.get(b"origin")
        return self.welcome is not None and origin is not None and not self.welcome(str(origin, "latin-1"))

    def _length(self, sent: bytes, route: FastRoute) -> int:
        """Return the number of bytes of the body, 0 if the ordinary lane must handle it."""
        if not sent.isdigit() or len(sent) > 10:
            return 0
        length = int(sent)
        most = self.max_body_bytes if route.max_body_bytes is None else min(route.max_body_bytes, self.max_body_bytes)
        return length if length <= most else 0


def mounted(route: FastRoute, service: Any, by_hand: bool) -> Mounted:
    pattern = b"".join([_piece(piece) for piece in PLACEHOLDER.split(route.path)])
    return Mounted(route, service, re.compile(pattern), by_hand)


def _piece(piece: str) -> bytes:
    """Return a pattern for a piece of a path. `{path}` matches the rest of the path.

    Any other placeholder matches one name.
    """
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
        if "%" in value or "+" in value:
            value = unquote_plus(value)
        if accepted is None or name in query or not accepted.fullmatch(value):
            return None
        query[name] = value
    return query
