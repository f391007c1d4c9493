"""Hooks: functions of a project that another room of BunBase calls, so that the project can decide or do something
instead of the room.

The hooks of a function are in its export `hooks`, separate from the handler of requests:

    export const hooks = { beforeSignup(event, ctx) { … } };

Only the server can name the hook of a call (a field of the frame that begins it). No request reaches `hooks`, whatever
its path, its headers and its key are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from enum import StrEnum
from typing import Annotated, Any, Final, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.triggers import Job
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("functions")

MAX_EVENT_BYTES: Final = 512 << 10  # the largest event is a mail: it has two bodies of at most 256 Ki characters each
MAX_ANSWER_BYTES: Final = 64 << 10
# the event of an update has a document of up to 1 MiB twice, and JSON escapes may make the event larger
MAX_WRITES_BYTES: Final = 4 << 20
MAX_PATCHES_BYTES: Final = 4 << 20
MAX_DEADLINE_SECONDS: Final = 10.0
REFUSAL_SECONDS: Final = 2.0  # the time limit for recording a failure, because the caller waits for the record
MAX_REASON: Final = 1000  # a reason has at most this number of characters
# BunBase cannot use the hook's answer: the `cause` of the failure, and the `code` of the run
INVALID_ANSWER: Final = "invalid_answer"


class HookLoop(Problem):
    status, code, title = 409, "hook_loop", "A hook has caused another hook"


class HookName(StrEnum):
    BEFORE_SIGNUP = "before_signup"
    BEFORE_TOKEN = "before_token"
    AFTER_SIGNUP = "after_signup"
    SEND_MAIL = "send_mail"
    SEND_SMS = "send_sms"
    BEFORE_WRITE = "before_write"


EXPORTS: Final = {
    HookName.BEFORE_SIGNUP: "beforeSignup",
    HookName.BEFORE_TOKEN: "beforeToken",
    HookName.AFTER_SIGNUP: "afterSignup",
    HookName.SEND_MAIL: "sendMail",
    HookName.SEND_SMS: "sendSms",
    HookName.BEFORE_WRITE: "beforeWrite",
}  # the names of the hooks as members of the export `hooks`
# the auth settings name functions for these
OF_USERS: Final = tuple([hook for hook in HookName if hook is not HookName.BEFORE_WRITE])


class HookState(StrEnum):
    """`NO_HOOK`: the code of the active version does not name the hook, so every call of the hook will fail."""

    READY = "ready"
    NO_FUNCTION = "no_function"
    NO_HOOK = "no_hook"


def names_hook(code: bytes, hook: HookName) -> bool:
    """False if the code certainly has no such hook.

    True does not prove that the hook exists: only the name is in the code.
    """
    return EXPORTS[hook].encode() in code


class HookCall(msgspec.Struct, frozen=True):
    """`event`: the JSON object that the hook receives. `deadline_seconds`: the time limit of the call, including the
    time that the call waits for a worker. `json`: an object as JSON, which replaces `event`; its numbers keep all their
    digits.
    """

    function: str
    hook: HookName
    event: dict[str, Any]
    deadline_seconds: Annotated[float, msgspec.Meta(gt=0, le=MAX_DEADLINE_SECONDS)] = 5.0
    json: bytes = b""


class HookAnswer(msgspec.Struct, frozen=True):
    """`value`: the JSON value that the hook returned; None if the hook returned nothing.

    If the event was sent as `json`, `value` is the JSON as bytes, or None. `run`: the id of the run, for
    `refuse_hook_answer`.
    """

    value: Any = None
    run: str = ""


class UnusableAnswer(Exception):
    """A hook has answered something that BunBase cannot use.

    `function`, `reason`: the function and the reason, for the developers of the project.

    `code`: the cause that a caller may read.
    """

    def __init__(self, function: str, reason: str, code: str = INVALID_ANSWER) -> None:
        super().__init__(reason)
        self.function, self.reason, self.code = function, reason, code


async def recorded(refusal: Awaitable[None], project: str, run: str, reason: str) -> None:
    """Wait for a call of `refuse_hook_answer`.

    If the call fails, log the reason, because the caller already has another Problem.

    Do not call this inside a transaction.
    """
    try:
        async with asyncio.timeout(REFUSAL_SECONDS):
            await refusal
    except (Problem, TimeoutError) as problem:
        log.warning("a refused answer was not recorded", project=project, run=run, reason=reason, error=str(problem))


class HookRuns(Protocol):
    """For rooms only: no route calls these methods."""

    async def hook_state(self, caller: Caller, name: str, hook: HookName) -> HookState:
        """Return READY if a function of this name is deployed and has the hook. Raises: Forbidden."""
        ...

    async def run_hook(self, caller: Caller, call: HookCall) -> HookAnswer:
        """Run a hook of the active version, and record the run. Do not call this inside a transaction.

        Raises: FunctionNotFound, FunctionError (also for an answer that is not JSON, or too large), FunctionTimeout,
        FunctionCpuExceeded, FunctionCrashed, FunctionOverloaded, FunctionsUnavailable, HookLoop, TooLarge, Forbidden.
        """
        ...

    async def refuse_hook_answer(self, caller: Caller, run: str, reason: str) -> None:
        """Record that the answer of a run cannot be used: the run failed, and the log of the function has the reason.

        `reason`: for developers; it is cut after MAX_REASON characters. Idempotent. Raises: Forbidden.
        """
        ...

    async def enqueue_hook(self, caller: Caller, call: HookCall, key: str) -> Job:
        """Enqueue a run of a hook.

        Like a job, the call is repeated until it succeeds. While a job with the same `key` exists, no second job is
        added. `deadline_seconds` is ignored, because the function's own limit applies.

        Raises: FunctionNotFound, QueueFull, HookLoop, TooLarge, Forbidden.
        """
        ...
