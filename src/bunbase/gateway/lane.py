"""The part of the fast lane that all connections share: the routes, the CORS headers, and the check of callers."""

from __future__ import annotations

from collections.abc import Container

from bunbase.contracts.caller import Caller
from bunbase.gateway.credentials import MAX_AGENT, MAX_LENGTH, Sender, caller_address
from bunbase.gateway.guards import Guards
from bunbase.gateway.hot_routes import Headers, HotRequest, HotRoutes
from bunbase.gateway.sharing import Cors


class Lane:
    def __init__(self, hot: HotRoutes, guards: Guards, trusted_proxies: Container[str], cors: Cors) -> None:
        self.hot = hot
        self.identity = guards.identity
        self.clients = guards.clients
        self.hosts = guards.hosts
        self.trusted_proxies = trusted_proxies
        self.cors = cors

    def known_caller(self, request: HotRequest, peer: str) -> Caller | None:
        """Return the Caller if it is cached, else None: then `caller` looks it up."""
        headers = request.headers
        authorization = str(headers[b"authorization"], "latin-1") if b"authorization" in headers else None
        return self.clients.known_caller(self._sender(headers, peer), _key(headers), authorization, _origin(headers))

    async def caller(self, request: HotRequest, peer: str) -> Caller:
        """Return the Caller. Raises: as `Clients.caller`."""
        headers = request.headers
        authorization = str(headers.get(b"authorization", b""), "latin-1")
        return await self.clients.caller(self._sender(headers, peer), _key(headers), authorization, _origin(headers))

    def still_known(self, signed_in: bool) -> bool:
        """True if this process receives new revocations. `signed_in`: also require the feed of users' sessions."""
        identity = self.identity
        return identity.changed_projects.live() and (not signed_in or identity.ended_user_sessions.live())

    def _sender(self, headers: Headers, peer: str) -> Sender:
        forwarded = [str(headers.get(b"x-forwarded-for", b""), "latin-1")]
        agent = str(headers.get(b"user-agent", b""), "latin-1")[:MAX_AGENT]
        return Sender(caller_address(peer, forwarded, self.trusted_proxies), agent)


def _origin(headers: Headers) -> str | None:
    return str(headers[b"origin"], "latin-1") if b"origin" in headers else None


def _key(headers: Headers) -> str:
    return str(headers[b"x-bunbase-key"], "latin-1")[:MAX_LENGTH]
