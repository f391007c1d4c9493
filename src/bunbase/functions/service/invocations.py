"""Calls functions for clients: checks the caller, finds the active version, and streams the answer."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.invocations import MAX_BEGINNING_BYTES, Chunk, Head, Invocation, Receiving
from bunbase.contracts.functions.problems import FunctionNotFound, FunctionOverloaded
from bunbase.functions.boundary.access import admit
from bunbase.functions.boundary.arriving import headers_for_function, without_key
from bunbase.functions.boundary.leaving import headers_for_client
from bunbase.functions.service.kept_calls import KeptCalls, Parts, key_of
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.usage.meter import Meter
from bunbase.functions.versions.active import ActiveVersions
from bunbase.functions.workers.call import Call
from bunbase.functions.workers.deployment import Deployment, Request
from bunbase.functions.workers.pool import Pool
from bunbase.functions.workers.upload import Upload, too_large
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.idempotency import HEADER
from bunbase.pkg.ids import new_id

MAX_PATH_LENGTH: Final = 16 << 10
PATH: Final = re.compile(r"/[\x21-\x7e\x80-\uffff]*")
METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"})
# In the Fetch standard, a Request with one of these methods has no body.
WITHOUT_BODY: Final = frozenset({"GET", "HEAD"})


class Invocations:
    def __init__(
        self, active: ActiveVersions, pool: Pool, meter: Meter, settings: FunctionsSettings, kept_calls: KeptCalls
    ) -> None:
        self.active = active
        self.pool = pool
        self.meter = meter
        self.settings = settings
        self.kept_calls = kept_calls
        self.uploads: dict[tuple[str, str], Upload] = {}  # The running uploads, by project and invocation.

    def invoke(self, caller: Caller, name: str, invocation: Invocation) -> AsyncIterator[Receiving | Head | Chunk]:
        if any(header == HEADER for header, _ in invocation.headers):
            return self._once(caller, name, invocation)
        return self._run(caller, name, invocation)

    async def _once(self, caller: Caller, name: str, invocation: Invocation) -> Parts:
        """Run the function unless an earlier attempt with the same idempotency key has run it."""

        def begin() -> Parts:
            return self._run(caller, name, invocation)

        key = key_of(invocation)
        timeout_ms = (await self._admitted(caller, name)).config.timeout_ms
        answer = self.kept_calls.invoke(caller, name, invocation, key, timeout_ms, begin) if key else begin()
        async with aclosing(answer) as parts:
            async for part in parts:
                yield part

    async def _run(self, caller: Caller, name: str, invocation: Invocation) -> Parts:
        deployment = await self._admitted(caller, name)
        request = _request(caller, invocation, self.settings.max_request_body_bytes)
        began = time.perf_counter()
        try:
            call = await self._start(deployment, request)
        except FunctionNotFound:  # Later deployments have deleted this version after it was looked up.
            self.active.forget(caller.project, name)
            deployment = await self._admitted(caller, name)
            call = await self._start(deployment, request)
        queued_ms = (time.perf_counter() - began) * 1000
        named = (caller.project, request.invocation)
        try:
            if call.upload is not None:
                self.uploads[named] = call.upload
                limits = self.settings
                room = call.upload.begin(limits.max_request_body_bytes, limits.request_silence_seconds)
                yield Receiving(request.invocation, room)
            head = await call.head()
            body = call.whole()
            headers = headers_for_client(head.headers, caller.project, name, invocation.own_host)
            yield Head(head.status, headers, deployment.version, request.invocation, queued_ms, call.cold, body)
            while data := await call.read():
                yield Chunk(data)
        except Problem as problem:
            raise _named(problem, request.invocation, deployment.version) from problem
        finally:
            call.abandon()
            self.uploads.pop(named, None)

    async def feed(self, caller: Caller, invocation: str, data: bytes, ended: bool) -> int | None:
        upload = self.uploads.get((caller.project, invocation))
        return None if upload is None else await upload.feed(data, ended)

    async def _admitted(self, caller: Caller, name: str) -> Deployment:
        """Return the active version if the caller may call it.

        Raises: FunctionNotFound, Forbidden, Unauthenticated.
        """
        deployment = await self.active.find(caller.project, name)
        admit(caller, deployment.config.access)
        return deployment

    async def _start(self, deployment: Deployment, request: Request) -> Call:
        try:
            return await self.pool.start(deployment, request)
        except FunctionOverloaded:
            self.meter.count_refusal(deployment, "overloaded")
            raise
        except Problem:
            self.meter.count_refusal(deployment, "unavailable")
            raise


def _named(problem: Problem, invocation: str, version: int) -> Problem:
    """Return a copy of the problem with the id of the call. With this id, developers find the log lines of the call."""
    return type(problem)(problem.detail, **(problem.extra | {"invocation": invocation, "version": version}))


def _request(caller: Caller, invocation: Invocation, max_body_bytes: int) -> Request:
    if invocation.method not in METHODS:
        raise InvalidInput(f"Call a function with one of these methods: {', '.join(sorted(METHODS))}.")
    if len(invocation.path) > MAX_PATH_LENGTH or not PATH.fullmatch(invocation.path):
        raise InvalidInput(
            f"A path begins with /, has at most {MAX_PATH_LENGTH} characters, and has no blanks or control characters."
        )
    if max(len(invocation.body), invocation.length or 0) > max_body_bytes:
        raise too_large(max_body_bytes)
    if invocation.more and len(invocation.body) > MAX_BEGINNING_BYTES:
        raise InvalidInput(f"`body` may hold at most {MAX_BEGINNING_BYTES} bytes of a longer body; feed the rest.")
    headers = headers_for_function(invocation.headers, caller.project)
    path = without_key(invocation.path)
    more = invocation.more and invocation.method not in WITHOUT_BODY
    return Request(
        new_id("inv"), invocation.method, path, headers, caller.user, invocation.body, more=more
    )  # fmt: skip
