"""Project hosts: if `functions.host` is `*.fn.example.com`, each project has the host `<slug>.fn.example.com`.

A page that a function returns has the origin of its host. So with its own host, each project has its own origin.
Every path on a project host belongs to the project's functions, so such a page reaches neither the API nor another
project. If a request has several Host headers, the first counts; http1 has validated the header before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from bunbase.pkg.errors import CannotStart
from bunbase.pkg.http import HOST_SLUG

FUNCTIONS: Final = "/v1/functions"
LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
WILDCARD: Final = re.compile(rf"\*((?:\.{LABEL})+)")

Headers = Iterable[tuple[bytes, bytes]]


class ProjectHosts:
    def __init__(self, suffix: str) -> None:
        self.suffix = suffix  # For example `.fn.example.com`. The suffix is empty if there are no project hosts.

    def slug(self, headers: Headers) -> str | None:
        """Return the slug in a project host, or None for any other host. A project with this slug need not exist."""
        if not self.suffix:
            return None
        host = next((value for name, value in headers if name == b"host"), b"").decode("latin-1").lower()
        host = host.partition(":")[0].rstrip(".")
        return host.removesuffix(self.suffix) if host.endswith(self.suffix) else None


class ProjectHostsApp:
    """An ASGI app that rewrites requests to a project host: their path becomes one of the project's functions."""

    def __init__(self, app: Any, hosts: ProjectHosts) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        slug = self.hosts.slug(scope["headers"]) if scope["type"] == "http" else None
        if slug is not None:
            # The scope is not copied, because the app writes values into the scope, and Frame reads these values
            # afterwards.
            scope.setdefault("state", {})[HOST_SLUG] = slug
            scope["path"] = FUNCTIONS + scope["path"]
            if scope.get("raw_path"):
                scope["raw_path"] = FUNCTIONS.encode() + scope["raw_path"]
        await self.app(scope, receive, send)


def project_hosts(wildcard: str, public_url: str) -> ProjectHosts:
    """Return the ProjectHosts for the setting `functions.host`. Raises: CannotStart."""
    if not wildcard:
        return ProjectHosts("")
    found = WILDCARD.fullmatch(wildcard.lower())
    if found is None:
        raise CannotStart(
            f"functions.host: {wildcard!r} is not a wildcard; write it like *.fn.example.com, without a port"
        )
    hosts = ProjectHosts(found[1])
    own = urlsplit(public_url).netloc.rpartition("@")[2]
    if hosts.slug([(b"host", own.encode())]) is not None or shares_cookies(own, hosts.suffix):
        raise CannotStart(f"functions.host: {wildcard} conflicts with the API's host {own}; choose another domain")
    return hosts


def shares_cookies(netloc: str, suffix: str) -> bool:
    """True if pages on project hosts could set cookies for this host, because it is their parent domain."""
    parent = suffix.removeprefix(".")
    return "." in parent and netloc.lower().partition(":")[0].rstrip(".") == parent
