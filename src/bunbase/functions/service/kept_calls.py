"""Calls and new jobs with an idempotency key. Each key is used once, and later attempts get the first answer.

The life of a call with a key:

1. `invoke` claims the key, with a lease that ends after the longest possible run. If the key already has an answer,
   `invoke` returns this answer. If another attempt holds the key, the answer is `idempotency_busy`.
2. The function runs in a separate task (`_Run`). If the client disconnects, the task continues, because the next
   attempt of the client needs the answer of this run.
3. The task stores the answer before the client gets the end of it. If a call never began, the task releases the key.
4. If the server dies, the lease ends, and the next attempt runs the function again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Final

import msgspec

from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.invocations import MAX_BEGINNING_BYTES, Chunk, Head, Invocation, Receiving
from bunbase.contracts.functions.problems import (
    FunctionCpuExceeded,
    FunctionCrashed,
    FunctionError,
    FunctionTimeout,
)
from bunbase.contracts.functions.triggers import Job
from bunbase.contracts.idempotency import (
    IdempotencyBusy,
    IdempotencyTooLarge,
    another_request,
    check_visitor_key,
    scope_of,
)
from bunbase.functions.store.kept_calls import Claim, KeptCallStore, KeptRow
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import CODES, Problem, TooLarge, Unreachable
from bunbase.pkg.idempotency import REPLAYED, Attempt, attempt, sent_key
from bunbase.pkg.logger import logger

log = logger("functions")

MAX_ANSWER_BYTES: Final = 64 << 10  # This limit includes the headers, because BunKMS seals no larger text.
MARGIN: Final = timedelta(seconds=60)  # The lease lasts this long in addition to the time that a call may wait and run.
RETRY_AFTER_SECONDS: Final = 2
ENQUEUE_TRIES: Final = 4  # the job that already has the key of a new job may end before its answer is stored
CONTEXT: Final = "functions/kept_call"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# With these problems, the function may have done a part of its work, so they count as the answer.
OF_RUNS: Final = (FunctionError, FunctionTimeout, FunctionCpuExceeded, FunctionCrashed)

Parts = AsyncGenerator[Receiving | Head | Chunk, None]


class KeptCall(msgspec.Struct, frozen=True, array_like=True):
    """The answer of a call: either `head` and `body`, or the `code` of a Problem with its `detail` and `extra`."""

    head: Head | None
    body: bytes = b""
    code: str = ""
    detail: str = ""
    extra: dict[str, Any] = {}


write: Final = msgspec.msgpack.Encoder().encode
read: Final = msgspec.msgpack.Decoder(KeptCall).decode


def key_of(invocation: Invocation) -> str:
    """Return the idempotency key of a call, or "" if the call has no key or needs no key.

    Raises: InvalidInput, Malformed.
    """
    if invocation.method in SAFE:
        return ""
    return sent_key(_Headers(invocation.headers))


class KeptCalls:
    """Makes calls with keys. `seconds`: the time that a call may wait for a worker."""

    def __init__(self, store: KeptCallStore, kms: Kms, clock: Clock, seconds: float) -> None:
        self.store = store
        self.kms = kms
        self.clock = clock
        self.wait = timedelta(seconds=seconds)
        self.runs: set[asyncio.Task[None]] = set()

    async def invoke(
        self, caller: Caller, name: str, invocation: Invocation, key: str, timeout_ms: int, begin: Callable[[], Parts]
    ) -> Parts:
        """Yield the answer of the first attempt. `begin`: a function that runs the call, for at most `timeout_ms`.

        Raises: IdempotencyMismatch, IdempotencyBusy, IdempotencyTooLarge, TooLarge, and the problems of `begin`.
        """
        if invocation.more:
            raise TooLarge(
                f"With an Idempotency-Key, a body has at most {MAX_BEGINNING_BYTES >> 10} KiB. Send a larger one "
                "without the key."
            )
        check_visitor_key(caller, key)
        what = (name, invocation.method, invocation.path, invocation.body)
        # On the project's own host, an answer has cookies and no sandbox header, so the shared host must not send it
        # again.
        host = "functions of a project host" if invocation.own_host else "functions"
        this = await attempt((host, *scope_of(caller)), key, *what)
        # Fast routes begin outside of a task, and a time limit of the database pool works only in a task.
        await asyncio.sleep(0)
        claim = await self._claimed(caller.project, this, timedelta(milliseconds=timeout_ms) + self.wait + MARGIN)
        if isinstance(claim, KeptRow):
            async for part in _replayed(await self._answer_in(caller.project, claim)):
                yield part
            return
        run = _Run(begin, lambda answer: self._keep(caller.project, claim, answer))
        task = asyncio.create_task(run.work())
        self.runs.add(task)
        task.add_done_callback(self.runs.discard)
        async with aclosing(run.parts()) as parts:
            async for part in parts:
                yield part

    async def enqueue(
        self, caller: Caller, key: str, request: bytes, expected: Job, add: Callable[[], Awaitable[Job]]
    ) -> tuple[Job, bool]:
        """Add a job in the transaction of its key. Return the job, and whether an earlier attempt has added it.

        `expected`: the job that `add` adds, unless there is a job with the same `key` already. BunKMS seals the answer
        before the transaction begins, so that a slow BunKMS keeps no locks.

        Raises: IdempotencyMismatch, IdempotencyBusy, and the problems of `add`.
        """
        check_visitor_key(caller, key)
        project, this = caller.project, await attempt(("jobs", *scope_of(caller)), key, request)
        for _ in range(ENQUEUE_TRIES):
            sealed = await self._sealed(project, KeptCall(None, msgspec.json.encode(expected)))
            async with self.store.transaction():
                claim = await self._claimed(project, this, MARGIN)
                if not isinstance(claim, KeptRow):
                    job = await add()
                    if job.id == expected.id:
                        await self.store.finish(project, claim, sealed)
                        return expected, False
                    await self.store.release(project, claim)  # `add` found an older job: seal it, and try again
            if isinstance(claim, KeptRow):
                kept = await self._answer_in(project, claim)
                return msgspec.json.decode(kept.body, type=Job), True
            expected = job
        raise IdempotencyBusy("Jobs with this key come and go. Send the same request.", retry_after_seconds=1)

    async def close(self) -> None:
        """Cancel the calls that still run.

        The keys of the cancelled calls stay claimed until the leases of the keys end.
        """
        for run in self.runs:
            run.cancel()
        await asyncio.gather(*self.runs, return_exceptions=True)

    async def _claimed(self, project: str, this: Attempt, lease: timedelta) -> Claim | KeptRow:
        """Claim the key, or return its row. Raises: IdempotencyMismatch, IdempotencyBusy."""
        now = self.clock.now()
        claim = await self.store.claim(project, this, now, now + lease)
        if isinstance(claim, Claim):
            return claim
        if claim.request != this.request:
            raise another_request()
        if claim.until is not None:
            raise IdempotencyBusy(
                "Wait for its end, then send the same request.", retry_after_seconds=RETRY_AFTER_SECONDS
            )
        return claim

    async def _answer_in(self, project: str, row: KeptRow) -> KeptCall:
        """Return the stored answer. Raises: IdempotencyTooLarge."""
        if row.answer is None:
            raise IdempotencyTooLarge("The function has run. Its answer was larger than 64 KiB, or was broken off.")
        return read(await self.kms.unseal(project, CONTEXT, row.answer))

    async def _keep(self, project: str, claim: Claim, answer: KeptCall | None) -> None:
        """Store the answer of a call. If there is no answer, release its key."""
        if answer is None:
            await self.store.release(project, claim)
            return
        await self.store.finish(project, claim, await self._sealed(project, answer))

    async def _sealed(self, project: str, answer: KeptCall) -> str | None:
        """Return the sealed answer, or None if it is too large or was broken off."""
        data = write(answer)
        small = len(data) <= MAX_ANSWER_BYTES and (answer.head is not None or answer.code or answer.body)
        return await self.kms.seal(project, CONTEXT, data) if small else None


class _Run:
    """One run of a function, which continues without its client. `keep`: a function that stores the run's answer."""

    def __init__(self, begin: Callable[[], Parts], keep: Callable[[KeptCall | None], Awaitable[None]]) -> None:
        self.begin = begin
        self.keep = keep
        self.queue: asyncio.Queue[Head | Chunk | Problem | None] = asyncio.Queue(4)
        self.left = False
        self.head: Head | None = None
        self.body: list[bytes] = []
        self.size = 0

    async def parts(self) -> AsyncGenerator[Head | Chunk, None]:
        """Yield the answer for the client."""
        try:
            while (part := await self.queue.get()) is not None:
                if isinstance(part, Problem):
                    raise part
                yield part
        finally:
            self.left = True
            while not self.queue.empty():  # The run may be waiting for space in the queue.
                self.queue.get_nowait()

    async def work(self) -> None:
        """Run the function. Store the answer of the function before the client gets the last part of the answer."""
        problem: Problem | None = None
        last: Head | Chunk | None = None
        try:
            async with aclosing(self.begin()) as parts:
                async for part in parts:
                    assert not isinstance(part, Receiving)  # This message comes only for a longer body.
                    if last is not None:
                        await self._put(last)
                    last = part
                    self._note(part)
        except Problem as raised:
            problem = raised
        except Exception as error:
            log.error("a call with an idempotency key failed unexpectedly", error=repr(error))
            problem = Unreachable("The call failed. Try again.")
        try:
            await self.keep(self._answer(problem))
        except Problem as unkept:  # The function has run, so the client gets the answer even if it cannot be stored.
            log.warning("an answer could not be kept for its idempotency key", code=unkept.code)
        if last is not None:
            await self._put(last)
        await self._put(problem)

    def _note(self, part: Head | Chunk) -> None:
        if isinstance(part, Head):
            self.head = part
        data = part.data if isinstance(part, Chunk) else part.body or b""
        self.size += len(data)
        if self.size <= MAX_ANSWER_BYTES:
            self.body.append(data)

    def _answer(self, problem: Problem | None) -> KeptCall | None:
        """Return the answer to store, or None if the function never began to run."""
        if problem is not None and not isinstance(problem, OF_RUNS) and self.head is None:
            return None
        if problem is not None and self.head is None:
            return KeptCall(None, b"", problem.code, problem.detail, problem.extra)
        if problem is not None or self.size > MAX_ANSWER_BYTES:
            return KeptCall(None)
        return KeptCall(self.head, b"".join(self.body))

    async def _put(self, part: Head | Chunk | Problem | None) -> None:
        if not self.left:
            await self.queue.put(part)


async def _replayed(kept: KeptCall) -> Parts:
    """Yield a stored answer, with the header that marks it as repeated; or raise its Problem."""
    if kept.head is None:
        raise CODES[kept.code](kept.detail, **kept.extra, replayed=True)
    headers = (*kept.head.headers, (REPLAYED, "true"))
    yield msgspec.structs.replace(kept.head, headers=headers, queued_ms=0.0, cold=False, body=kept.body)


class _Headers(dict[str, str]):
    """The headers by name. Each name has all of its values."""

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def getall(self, name: str, _default: list[str]) -> list[str]:
        return [value for one, value in self.pairs if one == name]
