"""Protection of dev mode against web pages: pages of other sites must not use BunBase through the developer's browser.

There are two attacks. A foreign page can send a form or a `fetch` in the mode `no-cors` to 127.0.0.1, although it
cannot read the answer. A foreign page can also point its own domain to 127.0.0.1 (DNS rebinding), and then read the
answers too. Browsers send the page's Origin and the Host that they called, so this middleware checks both headers.
Programs that are not browsers can send any headers, but they run on this machine already.
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
from bunbase.pkg.http import HOST_SLUG
from bunbase.pkg.own_pages import is_own_page

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FUNCTIONS: Final = "/v1/functions/"
# Sandboxed pages have this origin: pages of functions on the shared host, and pages of other sites.
NOBODY: Final = "null"
DATA_PLANE: Final = "/v1/"  # These routes need a project key, which foreign pages do not have.
# Nobody can register these names: see RFC 6761, RFC 6762, and ICANN's .internal.
LOCAL_NAMES: Final = ("localhost", "local", "internal", "test")
LOCAL_ORIGINS: Final = r"https?://((([a-z0-9_-]+\.)*localhost)|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?"


class OriginRefused(Problem):
    status, code, title = 403, "origin_refused", "In dev mode only pages of this machine may do this"


class HostRefused(Problem):
    status, code, title = 403, "host_refused", "In dev mode BunBase answers to names of this machine only"


class LocalGuard:
    """Protects all routes in dev mode. `allowed`: a function that returns True for an origin that the CORS settings
    allow.

    `own`: the public URL of this installation.
    """

    def __init__(self, app: ASGIApp, allowed: Callable[[str], bool], own: str) -> None:
        self.app = app
        self.allowed = allowed
        self.own_host = host_of(urlsplit(own).netloc)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            on_own_host = HOST_SLUG in scope.get("state", {})
            self.check(scope["method"], scope["path"], Headers.from_scope(scope), on_own_host)
        await self.app(scope, receive, send)

    def check(self, method: str, path: str, headers: Headers, on_own_host: bool = False) -> None:
        """Refuse a request of a foreign page. `on_own_host`: true if the request was sent to the host of a project.

        Raises: OriginRefused, HostRefused.
        """
        sent_to = headers.get("host", "")
        ours = self._ours(host_of(sent_to))
        if not ours and not path.startswith(DATA_PLANE):
            raise HostRefused(
                f"Call localhost or the server's IP address; or set gateway.public_url to a URL of {sent_to[:100]}."
            )
        origin = headers.get("origin", "")
        if not origin or method in READING or self.allowed(origin):
            return
        if origin == NOBODY and path.startswith(FUNCTIONS) and not on_own_host:
            # Forms of sandboxed pages of functions are allowed, because foreign pages know neither a key nor the
            # project's id.
            return
        if not (ours and is_own_page(origin, sent_to)):
            raise OriginRefused(f"Add the page's origin to gateway.cors_origins: {origin[:100]}.")

    def _ours(self, host: str) -> bool:
        return host == self.own_host or is_local(host)


def is_local(host: str) -> bool:
    """True if a host is an IP address, a name without a dot, or a name that nobody can register.

    `host`: the host in lower case."""
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return "." not in host or host.rpartition(".")[2] in LOCAL_NAMES
    return True


def host_of(netloc: str) -> str:
    """Return the host of a Host header in lower case, without the port and without a dot at the end."""
    host = netloc.lower()
    if not host.endswith("]"):
        name, colon, port = host.rpartition(":")
        host = name if colon and port.isdecimal() else host
    return host.removesuffix(".")
