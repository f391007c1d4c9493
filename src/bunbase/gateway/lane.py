"""The fast lane after a request has been read: the caller, the answer, its bytes.

One meaning: the same function answers here and behind the web framework, the same Problems come out, the same headers
go around them. Only the way there is shorter.
"""

from __future__ import annotations

import time
from collections.abc import Container, Coroutine
from typing import Any, Final, cast

import msgspec
from litestar.config.cors import CORSConfig

from bunbase.contracts.caller import Caller
from bunbase.contracts.fast_routes import Answer, Asked
from bunbase.gateway.credentials import MAX_LENGTH, bearer_token, caller_address
from bunbase.gateway.guards import Guards
from bunbase.gateway.hot import Headers, Hot, HotRequest
from bunbase.gateway.problems import MEDIA_TYPE, bug_problem, for_the_public, unreadable_problem
from bunbase.gateway.wire import Cors
from bunbase.pkg.errors import Problem

MAX_AGENT: Final = 200
MEANT: Final = {name.encode(): name for name in ("content-type", "if-match", "if-none-match", "origin")}  # for the room
IDENTIFYING: Final = (b"x-bunbase-key", b"authorization", b"x-forwarded-for", b"user-agent")
KNOWN_SECONDS: Final = 1.0  # a token that runs out within it is good for so much longer at most


Sent = tuple[bytes | None, ...]


class Lane:
    """The state that all connections share."""

    def __init__(self, hot: Hot, guards: Guards, trusted_proxies: Container[str], cors: CORSConfig) -> None:
        self.hot = hot
        self.identity = guards.identity
        self.limits = guards.limits
        self.hosts = guards.hosts
        self.trusted_proxies = trusted_proxies
        self.cors = Cors(cors)

    def known_caller(self, request: HotRequest, peer: str) -> Caller | None:
        """Return the Caller if it is cached. None: ask, or refuse."""
        headers = request.headers
        holder = self.identity.known_holder(_key(headers))
        if holder is None:
            return None
        user = None
        if b"authorization" in headers:
            scheme, _, token = str(headers[b"authorization"], "latin-1").partition(" ")
            user = self.identity.known_user(holder.project, token) if scheme == "Bearer" else None
            if user is None:
                return None
        return Caller(holder.kind, holder.project, user=user, ip=self._address(headers, peer), agent=_agent(headers))

    async def caller(self, request: HotRequest, peer: str) -> Caller:
        """Return the Caller. Raises: InvalidKey, InvalidToken, TokenExpired, RateLimited, Unreachable."""
        headers = request.headers
        key, ip = _key(headers), self._address(headers, peer)
        holder = self.identity.known_holder(key)
        if holder is None:
            holder = await self.limits.look_up(ip, key, lambda: self.identity.key_holder(key))
        token = bearer_token({"authorization": str(headers.get(b"authorization", b""), "latin-1")})
        user = await self.identity.end_user(holder.project, token) if token else None
        return Caller(holder.kind, holder.project, user=user, ip=ip, agent=_agent(headers))

    def still_known(self, signed_in: bool) -> bool:
        """True if new revocations still reach this process; `signed_in`: also those of users' sessions."""
        identity = self.identity
        return identity.changed_projects.live() and (not signed_in or identity.ended_user_sessions.live())

    def _address(self, headers: Headers, peer: str) -> str:
        return caller_address(peer, [str(headers.get(b"x-forwarded-for", b""), "latin-1")], self.trusted_proxies)


class Known:
    """The Caller of the requests before this one on a connection: most send the same credentials again.

    Kept for KNOWN_SECONDS, until anything at all is revoked, or until the feeds of revocations fall silent.
    """

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.sent: Sent | None = None
        self.epoch = -1
        self.until = 0.0
        self.last: Caller | None = None

    def caller(self, request: HotRequest, peer: str) -> Caller | None:
        """Return the Caller if it is cached. None: ask, or refuse."""
        headers, lane, last = request.headers, self.lane, self.last
        sent, now = tuple([headers.get(name) for name in IDENTIFYING]), time.monotonic()
        same = sent == self.sent and self.epoch == lane.identity.epoch and now < self.until
        if last is not None and same and lane.still_known(last.user is not None):
            return last
        self.last = caller = lane.known_caller(request, peer)
        self.sent, self.epoch, self.until = sent, lane.identity.epoch, now + KNOWN_SECONDS
        return caller


def answering(request: HotRequest, caller: Caller, body: bytes) -> Coroutine[Any, Any, Answer]:
    sent, mounted = request.headers, request.mounted
    headers = {name: str(sent[key], "latin-1") for key, name in MEANT.items() if key in sent}
    asked = Asked(request.names, headers, request.query, body, request.sent, request.search)
    answer = mounted.route.answer(mounted.service, caller, asked)
    return cast(Coroutine[Any, Any, Answer], answer)


def problem_answer(error: Exception, request: HotRequest, request_id: str) -> Answer:
    """Answer an error as the ordinary lane does (`problems.HANDLERS`)."""
    match error:
        case Problem():
            problem = for_the_public(error)
        case UnicodeDecodeError() | RecursionError():
            problem = unreadable_problem()
        case _:
            route = request.mounted.route
            problem = bug_problem(error, route.method, route.path, request_id)
    body = msgspec.json.encode(problem.body(request_id))
    return Answer(problem.status, tuple(problem.headers().items()), body, MEDIA_TYPE)


def _key(headers: Headers) -> str:
    return str(headers[b"x-bunbase-key"], "latin-1")[:MAX_LENGTH]


def _agent(headers: Headers) -> str:
    return str(headers.get(b"user-agent", b""), "latin-1")[:MAX_AGENT]
