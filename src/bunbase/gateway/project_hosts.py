"""Hosts that belong to one project each: `functions.host` as `*.fn.example.com`, a project's slug for the asterisk.

A page that a function answers has the origin of its host. Here that origin is the project's alone, and nothing else is
to be found on it: every path is taken for a function's, so neither the API nor another project can be reached.

Expects a Host header that was validated before; of several the first counts, as everywhere here.
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
        self.suffix = suffix  # `.fn.example.com`; empty: there are none

    def slug(self, headers: Headers) -> str | None:
        """Return the project's slug, None for a host that is shared. A host below without a project has an odd slug."""
        if not self.suffix:
            return None
        host = next((value for name, value in headers if name == b"host"), b"").decode("latin-1").lower()
        host = host.partition(":")[0].rstrip(".")
        return host.removesuffix(self.suffix) if host.endswith(self.suffix) else None


class ProjectHostsApp:
    """Sends requests to a project's host to the functions of that project, and all others on as they are."""

    def __init__(self, app: Any, hosts: ProjectHosts) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        slug = self.hosts.slug(scope["headers"]) if scope["type"] == "http" else None
        if slug is not None:  # in place: the frame around this reads what the app writes there
            scope.setdefault("state", {})[HOST_SLUG] = slug
            scope["path"] = FUNCTIONS + scope["path"]
            if scope.get("raw_path"):
                scope["raw_path"] = FUNCTIONS.encode() + scope["raw_path"]
        await self.app(scope, receive, send)


def project_hosts(wildcard: str, public_url: str) -> ProjectHosts:
    """Read `functions.host`. Raises: CannotStart."""
    if not wildcard:
        return ProjectHosts("")
    found = WILDCARD.fullmatch(wildcard.lower())
    if found is None:
        raise CannotStart(
            f"functions.host: {wildcard!r} is no wildcard; write it like *.fn.example.com, without a port"
        )
    hosts = ProjectHosts(found[1])
    own = urlsplit(public_url).netloc.rpartition("@")[2]
    if hosts.slug([(b"host", own.encode())]) is not None or shares_cookies(own, hosts.suffix):
        raise CannotStart(f"functions.host: {wildcard} covers {own} itself; the API needs a host beside it")
    return hosts


def shares_cookies(netloc: str, suffix: str) -> bool:
    """True if projects' pages could set cookies for this host: it is the parent of theirs, and has a dot."""
    parent = suffix.removeprefix(".")
    return "." in parent and netloc.lower().partition(":")[0].rstrip(".") == parent
