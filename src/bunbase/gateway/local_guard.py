"""In dev mode BunBase belongs to this machine: pages of other sites may not use it through the browser that runs here.

A page elsewhere can send requests to 127.0.0.1 without being allowed to read the answers (a form, `fetch` in the mode
`no-cors`), or let its own name lead here (DNS rebinding) and read them too. Browsers tell where a request comes from
(Origin) and which name it was sent to (Host); whoever is no browser can say anything there and has nothing to gain.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from bunbase.pkg.errors import Problem

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FUNCTIONS: Final = "/v1/functions/"
NO_ORIGIN: Final = "null"  # of sandboxed pages, as functions' own pages are where projects have no hosts
DATA_PLANE: Final = "/v1/"  # its routes ask for a key, which a page elsewhere lacks
# names that nobody can register: RFC 6761, RFC 6762, and ICANN's .internal; a name without a dot leads nowhere outside
LOCAL_NAMES: Final = ("localhost", "local", "internal", "test")
LOCAL_ORIGINS: Final = r"https?://((([a-z0-9_-]+\.)*localhost)|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?"


class OriginRefused(Problem):
    status, code, title = 403, "origin_refused", "In dev mode only pages of this machine may do this"


class HostRefused(Problem):
    status, code, title = 403, "host_refused", "In dev mode BunBase answers to names of this machine only"


class LocalGuard:
    """`allowed`: origins whose pages may read answers, as CORS is set. `own`: the public URL."""

    def __init__(self, app: ASGIApp, allowed: Callable[[str], bool], own: str) -> None:
        self.app = app
        self.allowed = allowed
        self.own_host = host_of(urlsplit(own).netloc)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            self.check(scope["method"], scope["path"], Headers.from_scope(scope))
        await self.app(scope, receive, send)

    def check(self, method: str, path: str, headers: Headers) -> None:
        """Raises: OriginRefused, HostRefused."""
        sent_to = headers.get("host", "")
        ours = self._ours(host_of(sent_to))
        if not ours and not path.startswith(DATA_PLANE):
            raise HostRefused(
                f"Call it by localhost or by its address; or set gateway.public_url to a URL of {sent_to[:100]}."
            )
        origin = headers.get("origin", "")
        if not origin or method in READING or self.allowed(origin):
            return
        if origin == NO_ORIGIN and path.startswith(FUNCTIONS):
            return  # any site can send it from a sandboxed frame: functions decide themselves, as in production
        if not (ours and urlsplit(origin).netloc.lower() == sent_to.lower()):
            raise OriginRefused(f"Add the page's origin to gateway.cors_origins: {origin[:100]}.")

    def _ours(self, host: str) -> bool:
        return host == self.own_host or is_local(host)


def is_local(host: str) -> bool:
    """Return whether a host is an address, or a name that nobody can register. `host`: in lower case."""
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return "." not in host or host.rpartition(".")[2] in LOCAL_NAMES
    return True


def host_of(netloc: str) -> str:
    """Return the name or address in a Host header: without the port, in lower case, without the root's dot."""
    host = netloc.lower()
    if not host.endswith("]"):
        name, colon, port = host.rpartition(":")
        host = name if colon and port.isdecimal() else host
    return host.removesuffix(".")
