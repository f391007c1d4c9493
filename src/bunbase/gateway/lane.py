"""The part of the fast lane that all connections share: the routes, the CORS headers, and the check of callers."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from bunbase.gateway.clients import Admitted
from bunbase.gateway.cookie_requests import SentCookies
from bunbase.gateway.credentials import MAX_LENGTH, Sender, sender_in
from bunbase.gateway.guards import Guards
from bunbase.gateway.hot_routes import Headers, HotRequest, HotRoutes
from bunbase.gateway.live.openings import Openings
from bunbase.gateway.sharing import Cors

SAID: Final = (b"cookie", b"origin", b"x-bunbase-csrf", b"sec-fetch-site", b"sec-fetch-mode")


class Lane:
    def __init__(
        self, hot: HotRoutes, openings: Openings, guards: Guards, trusted_proxies: Container[str], cors: Cors
    ) -> None:
        self.hot = hot
        self.openings = openings
        self.identity = guards.identity
        self.clients = guards.clients
        self.hosts = guards.hosts
        self.trusted_proxies = trusted_proxies
        self.cors = cors

    def known_caller(self, request: HotRequest, peer: str) -> Admitted | None:
        """Return the caller if it is cached, else None. In the second case, `caller` looks it up."""
        headers = request.headers
        authorization = str(headers[b"authorization"], "latin-1") if b"authorization" in headers else None
        return self.clients.known_caller(
            self._sender(headers, peer), _key(headers), authorization, _cookies(request), _origin(headers)
        )

    async def caller(self, request: HotRequest, peer: str) -> Admitted:
        """Return the caller. Raises: the problems of `Clients.caller`."""
        headers = request.headers
        authorization = str(headers.get(b"authorization", b""), "latin-1")
        route = request.mounted.route.path
        return await self.clients.caller(
            self._sender(headers, peer), _key(headers), authorization, _cookies(request), route, _origin(headers)
        )

    def shares(self, request: HotRequest) -> bool:
        """True if the page may read even a refusal of its request, because its origin belongs to the project."""
        holder, origin = self.identity.known_holder(_key(request.headers)), _origin(request.headers)
        mode = self.clients.cookies.known_mode(holder.project) if holder and origin else None
        return mode is not None and origin in mode.origins

    def still_known(self, signed_in: bool) -> bool:
        """True if this process receives new revocations.

        `signed_in`: true if the feed of revoked sessions must work too.
        """
        identity = self.identity
        return identity.changed_projects.live() and (not signed_in or identity.ended_user_sessions.live())

    def _sender(self, headers: Headers, peer: str) -> Sender:
        return sender_in(headers, peer, self.trusted_proxies)


def _origin(headers: Headers) -> str | None:
    return str(headers[b"origin"], "latin-1") if b"origin" in headers else None


def _cookies(request: HotRequest) -> SentCookies:
    headers = request.headers
    cookie, origin, csrf, site, mode = [str(headers.get(name, b""), "latin-1") for name in SAID]
    return SentCookies(request.mounted.route.method, cookie, origin, csrf, site, mode)


def _key(headers: Headers) -> str:
    return str(headers[b"x-bunbase-key"], "latin-1")[:MAX_LENGTH]
