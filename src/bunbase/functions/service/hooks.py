"""Runs the hooks of functions for other rooms of BunBase.

The life of one hook:

    1. A room calls `run` and waits. A run that was itself triggered cannot cause a hook. Otherwise a hook that signs up
       a user would call itself without end.
    2. A worker gets the call. The message to the worker names the hook; a request from outside cannot name one. The
       deadline includes the time that the call waits for a worker. When the deadline has passed, the server tells the
       worker to stop.
    3. The server reads the answer to its end. The answer must be JSON. The run, its log lines and its usage are
       recorded.
    4. If the room cannot use the answer, it calls `refuse_answer`. After this call, the run counts as failed, and the
       log of the function contains the reason. Developers find every failure of a hook there, and nowhere else.

A function that decides about writes differs in two ways: its caller may be a run of a job, and its events and answers
may be larger.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import msgspec

from bunbase.contracts.caller import Act, Caller, CallerKind
from bunbase.contracts.functions.hooks import (
    INVALID_ANSWER,
    MAX_ANSWER_BYTES,
    MAX_EVENT_BYTES,
    MAX_PATCHES_BYTES,
    MAX_REASON,
    MAX_WRITES_BYTES,
    HookAnswer,
    HookCall,
    HookLoop,
    HookName,
    HookState,
    UnusableAnswer,
    names_hook,
)
from bunbase.contracts.functions.logs import LogLevel
from bunbase.contracts.functions.problems import (
    FunctionError,
    FunctionNotFound,
    FunctionOverloaded,
    FunctionTimeout,
)
from bunbase.contracts.functions.triggers import Job, Run, RunOutcome, TriggerKind
from bunbase.functions.logs.buffer import LogBuffer
from bunbase.functions.store.functions import FunctionStore
from bunbase.functions.store.logs import NewLine
from bunbase.functions.triggers.attempts import AttemptResult, outcome_of
from bunbase.functions.triggers.queue import Queue
from bunbase.functions.triggers.records import RunRecords
from bunbase.functions.triggers.requests import hook_event, request_of
from bunbase.functions.usage.meter import Meter
from bunbase.functions.versions.active import ActiveVersions
from bunbase.functions.workers.call import Call
from bunbase.functions.workers.deployment import Deployment, Request, Trigger
from bunbase.functions.workers.pool import Pool
from bunbase.functions.workers.whole_answer import whole_answer
from bunbase.pkg.errors import Forbidden, Problem, TooLarge
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger
from bunbase.pkg.readable import readable

log = logger("functions")

CANCELLED: Final = "cancelled"  # The caller no longer waits.
# A hook is attempted at most this often, because later deployments may delete the version between the look-up and the
# call.
ATTEMPTS: Final = 2


class Hooks:
    def __init__(
        self,
        store: FunctionStore,
        active: ActiveVersions,
        pool: Pool,
        meter: Meter,
        records: RunRecords,
        queue: Queue,
        log_lines: LogBuffer,
    ) -> None:
        self.store = store
        self.active = active
        self.pool = pool
        self.meter = meter
        self.records = records
        self.queue = queue
        self.log_lines = log_lines
        self.clock = records.clock

    async def state(self, caller: Caller, name: str, hook: HookName) -> HookState:
        _check_caller(caller)
        try:
            version = (await self.active.find(caller.project, name)).version
        except FunctionNotFound:
            return HookState.NO_FUNCTION
        found = await self.store.loaded(caller.project, name, version)
        return HookState.READY if found is None or names_hook(found.code, hook) else HookState.NO_HOOK

    async def run(self, caller: Caller, call: HookCall) -> HookAnswer:
        event, most = _checked(caller, call), _most(call)[1]
        began_at, began = self.clock.now(), time.perf_counter()
        trigger = Trigger(TriggerKind.HOOK, "", 1, began_at, caller.depth)
        request, version = request_of(trigger, event), 0
        result, id = AttemptResult(RunOutcome.ERROR, CANCELLED), new_id("run")
        try:
            async with asyncio.timeout(call.deadline_seconds):
                deployment, started = await self._start(caller.project, call.function, request)
                version = deployment.version
                too_large = UnusableAnswer(call.function, f"A hook may return at most {most >> 10} KiB of JSON.")
                body = await whole_answer(started, most, "The hook", too_large)
                answer = HookAnswer(body or None if call.json else _value(call.function, body), id)
            result = AttemptResult(RunOutcome.OK)
            return answer
        except TimeoutError:
            result = AttemptResult(RunOutcome.TIMEOUT, FunctionTimeout.code)
            raise FunctionTimeout(f"The hook did not answer within {call.deadline_seconds:g} s.") from None
        except UnusableAnswer as unusable:
            result = AttemptResult(RunOutcome.ERROR, FunctionError.code)
            self._explain(caller.project, call.function, version, request.invocation, unusable.reason)
            raise FunctionError(unusable.reason) from None
        except Problem as problem:
            result = AttemptResult(outcome_of(problem), problem.code)
            raise
        finally:
            run = Run(
                id, call.function, version, TriggerKind.HOOK, None, 1, began_at,
                round((time.perf_counter() - began) * 1000, 3), result.outcome, result.code,
                request.invocation if version else "",
            )  # fmt: skip
            await self._record(caller.project, run)

    async def refuse_answer(self, caller: Caller, id: str, reason: str) -> None:
        _check_caller(caller)
        run = await self.records.refuse(caller.project, id, INVALID_ANSWER)
        if run is not None:
            self._explain(caller.project, run.function, run.version, run.invocation, reason)

    def _explain(self, project: str, function: str, version: int, invocation: str, reason: str) -> None:
        """Write to the log of the function why its answer was refused."""
        text = readable(f"BunBase cannot use the answer of this hook: {reason}", MAX_REASON)
        self.log_lines.add(
            NewLine(project, function, version, invocation, self.clock.now(), LogLevel.ERROR, text, False)
        )

    async def enqueue(self, caller: Caller, call: HookCall, key: str) -> Job:
        return await self.queue.enqueue_hook(caller.project, call.function, _checked(caller, call), key)

    async def _start(self, project: str, name: str, request: Request) -> tuple[Deployment, Call]:
        for attempt in range(ATTEMPTS):
            deployment = await self.active.find(project, name)
            try:
                return deployment, await self.pool.start(deployment, request)
            except FunctionNotFound:
                self.active.forget(project, name)
                if attempt == ATTEMPTS - 1:
                    raise
            except Problem as problem:
                overloaded = isinstance(problem, FunctionOverloaded)
                self.meter.count_refusal(deployment, "overloaded" if overloaded else "unavailable")
                raise
        raise AssertionError("the loop returns or raises")

    async def _record(self, project: str, run: Run) -> None:
        """Record a run. The decision of the hook counts even if the run cannot be recorded."""
        try:
            await self.records.record(project, run)
        except Problem as problem:
            log.warning("a run could not be recorded", run=run.id, project=project, error=problem.detail)


def _checked(caller: Caller, call: HookCall) -> bytes:
    """Return the event as JSON. Raises: Forbidden, HookLoop, TooLarge.

    A job may write documents, and a function decides about these writes too. The loop to prevent is a write by a
    function that is deciding about a write. Bundoc refuses this write.
    """
    _check_caller(caller)
    if caller.depth and call.hook is not HookName.BEFORE_WRITE:
        raise HookLoop(f"A triggered run has caused the hook {call.hook}; its call was refused.")
    event = hook_event(call.hook, call.json or call.event)
    most = _most(call)[0]
    if len(event) > most:
        raise TooLarge(f"The event of a hook may have at most {most >> 10} KiB.")
    return event


def _most(call: HookCall) -> tuple[int, int]:
    """Return the maximum number of bytes of the event and the answer of a hook."""
    if call.hook is HookName.BEFORE_WRITE:
        return MAX_WRITES_BYTES, MAX_PATCHES_BYTES
    return MAX_EVENT_BYTES, MAX_ANSWER_BYTES


def _check_caller(caller: Caller) -> None:
    if caller.kind is not CallerKind.SECRET:
        raise Forbidden("Only BunBase itself calls hooks.")
    caller.check(Act.FUNCTION_INVOKE)


def _value(function: str, body: bytes) -> Any:
    """Return the JSON value of an answer, or None for an empty answer. Raises: UnusableAnswer."""
    try:
        return msgspec.json.decode(body) if body else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UnusableAnswer(function, "The hook returned no JSON.") from None
