"""Ask the function of a collection before documents are written. docs/before-writes.md describes it for developers.

No transaction is open while a function runs: `questions.py` has the life of such a write. BunBase refuses the write if
the function is missing, throws, answers late, or answers anything except `WriteDecision`.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.bundoc.documents import fields_at, read_fields, stored_form, with_system_fields
from bunbase.bundoc.questions import Question, Unanswered, check_askable, failed
from bunbase.bundoc.update.merge_patch import merged_fields
from bunbase.bundoc.update.parse import has_operators
from bunbase.bundoc.writes import CommitStep, Committed, Verdict
from bunbase.contracts.bundoc.collections import Collection, HookWarning
from bunbase.contracts.bundoc.problems import BeforeWriteBusy, BeforeWriteFailed, WriteContended, WriteRefused
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.functions.hooks import (
    EXPORTS,
    MAX_REASON,
    HookAnswer,
    HookCall,
    HookLoop,
    HookName,
    HookState,
    UnusableAnswer,
    recorded,
)
from bunbase.contracts.functions.problems import (
    FunctionCpuExceeded,
    FunctionCrashed,
    FunctionOverloaded,
    FunctionsUnavailable,
    FunctionTimeout,
)
from bunbase.contracts.functions.service import Functions
from bunbase.pkg import metrics
from bunbase.pkg.errors import DeadlineExceeded, Problem, Unreachable
from bunbase.pkg.logger import logger
from bunbase.pkg.readable import readable

log = logger("bundoc")

# Another write may change the document before the answer arrives. In this case, BunBase asks the hook again, up to
# three times in all.
ROUNDS: Final = 3
MAX_MESSAGE: Final = 200  # The text of a refusal has at most this many characters.
NO_DECISION: Final = "beforeWrite returns nothing, { refuse, code } or { patch }."
UNCLEAR: Final = (
    "An answer cannot have `refuse` and `patch` together; `code` needs `refuse`, and begins with a small "
    "letter and has at most 64 small letters, digits and _."
)
NO_MESSAGE: Final = "This app does not allow this write."
REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
LARGE_BYTES: Final = 16 << 10  # A thread reads documents that are larger than this; service.py uses the same limit.
RETRY_AFTER_SECONDS: Final = 1
LOOK_SECONDS: Final = 2.0  # A change of a collection waits at most this long for the state of the function.
# While they wait for answers, the events of one project may have at most this size together.
MAX_WAITING_BYTES: Final = 32 << 20

# These failures are temporary: the next attempt may find a free worker.
PASSING: Final = (
    FunctionOverloaded,
    FunctionTimeout,
    FunctionCpuExceeded,
    FunctionCrashed,
    FunctionsUnavailable,
    DeadlineExceeded,
    Unreachable,
)

CommitAgain = Callable[[tuple[CommitStep, ...]], Awaitable[Committed]]


class WriteDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer about one write. `refuse`: the text of a refusal, for the user; `code`: the reason of the refusal, for
    programs. `patch`: a JSON merge patch for the document that is about to be stored.
    """

    refuse: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    patch: msgspec.Raw | UnsetType = UNSET


class WriteDecisions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One decision for each write, in the order of the writes. If a decision is a refusal, no other follows."""

    answers: list[WriteDecision | None]


class BeforeWrites:
    def __init__(self, functions: Functions) -> None:
        self.functions = functions
        self.waiting_bytes: Counter[str] = Counter()

    async def committed(
        self, caller: Caller, steps: tuple[CommitStep, ...], asked: Unanswered, commit: CommitAgain
    ) -> Committed:
        """Ask the functions, and commit the writes that they allow. If a document changes meanwhile, ask again.

        Raises: WriteRefused, BeforeWriteFailed, BeforeWriteBusy, WriteContended, HookLoop, TooLarge, and the problems
        of `commit`.
        """
        if caller.hook == HookName.BEFORE_WRITE:
            raise HookLoop(
                "A function that is asked before a write has itself written to a collection that asks a function "
                "(before_write). Return a patch instead, or write from a job or from a trigger on the collection."
            )
        for _ in range(ROUNDS):
            runs: dict[str, str] = {}
            try:
                return await commit(await self._decided(caller, steps, asked.questions, runs))
            except Unanswered:
                pass
            except UnusableAnswer as unusable:
                await self._refuse(caller.project, unusable, runs)
                raise failed(unusable.function, unusable.code) from unusable
            try:
                return await commit(steps)  # The steps have no answers here, so `commit` raises the new questions.
            except Unanswered as again:
                asked = again
        raise WriteContended(
            f"The function was asked {ROUNDS} times, and each time another write was faster. Nothing was written. "
            "Repeat the write."
        )

    async def warnings(self, caller: Caller, collection: Collection) -> tuple[HookWarning, ...]:
        """Return a warning if the function of a collection is not deployed, or certainly lacks the hook.

        The collection is stored nevertheless, but no document is written until the function answers (decision 0081).
        """
        if collection.before_write is None:
            return ()
        function, server = collection.before_write.function, Caller(CallerKind.SECRET, project=caller.project)
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                state = await self.functions.hook_state(server, function, HookName.BEFORE_WRITE)
        except (Problem, TimeoutError) as problem:
            log.warning("before_write was set unchecked", function=function, project=caller.project, error=str(problem))
            return ()
        match state:
            case HookState.READY:
                return ()
            case HookState.NO_FUNCTION:
                found, remedy = f"the project has no function {function}", "Deploy it"
            case HookState.NO_HOOK:
                found = f"{function} has no hooks.{EXPORTS[HookName.BEFORE_WRITE]}"
                remedy = "Add the hook and deploy the function"
        detail = (
            f"{collection.name} asks {function} before writes, and {found}, so these writes are refused with "
            f"{BeforeWriteFailed.code}. {remedy}: bunbase deploy {function}"
        )
        return (HookWarning(collection.name, function, detail),)

    async def _decided(
        self, caller: Caller, steps: tuple[CommitStep, ...], questions: tuple[Question, ...], runs: dict[str, str]
    ) -> tuple[CommitStep, ...]:
        """Return the steps with the verdicts of the functions. All functions together share the longest timeout.

        `runs`: the dict to which this method adds the run of each function. Raises: UnusableAnswer, WriteRefused, and
        the problems of `_ask`.
        """
        verdicts: dict[int, Verdict] = {}
        until = asyncio.get_running_loop().time() + max(one.hook.timeout_ms for one in questions) / 1000
        for function in dict.fromkeys(one.hook.function for one in questions):
            about = [one for one in questions if one.hook.function == function]
            with metrics.counted(metrics.before_writes):
                answer = await self._ask(caller, function, about, until)
                runs[function] = answer.run
                body = answer.value if isinstance(answer.value, bytes) else None
                found = await _off_loop(about, body, function, {id(one): n for n, one in enumerate(steps)})
            verdicts.update(found)
        return tuple(
            [
                msgspec.structs.replace(step, verdict=verdicts[number]) if number in verdicts else step
                for number, step in enumerate(steps)
            ]
        )

    async def _ask(self, caller: Caller, function: str, about: list[Question], until: float) -> HookAnswer:
        """Return the answer of the function. Raises: BeforeWriteFailed, BeforeWriteBusy, TooLarge."""
        event = _event(caller, about)
        check_askable(len(event))
        seconds = min(until - asyncio.get_running_loop().time(), about[0].hook.timeout_ms / 1000)
        server = Caller(CallerKind.SECRET, project=caller.project, depth=caller.depth)
        try:
            with self._within_share(caller.project, function, len(event)):
                if seconds <= 0:
                    raise FunctionTimeout("The functions before this one have used all of the time.")
                return await self.functions.run_hook(
                    server, HookCall(function, HookName.BEFORE_WRITE, {}, seconds, event)
                )
        except PASSING as problem:
            log.warning("a function was not asked", function=function, project=caller.project, code=problem.code)
            raise _busy(function, problem.code) from problem
        except Problem as problem:
            log.warning(
                "a function failed before a write", function=function, project=caller.project, code=problem.code
            )
            raise failed(function, problem.code) from problem

    async def _refuse(self, project: str, unusable: UnusableAnswer, runs: dict[str, str]) -> None:
        log.warning(
            "a function returned something else than a decision",
            function=unusable.function,
            project=project,
            reason=unusable.reason[:MAX_REASON],
        )
        run, server = runs[unusable.function], Caller(CallerKind.SECRET, project=project)
        refusal = self.functions.refuse_hook_answer(server, run, unusable.reason)
        await recorded(refusal, project, run, unusable.reason)

    @contextmanager
    def _within_share(self, project: str, function: str, size: int) -> Iterator[None]:
        """Reserve memory for an event during the block, while the event waits for its answer.

        Raises: BeforeWriteBusy.
        """
        if self.waiting_bytes[project] + size > MAX_WAITING_BYTES:
            raise FunctionOverloaded("Too many writes of this project wait for their function.")
        self.waiting_bytes[project] += size
        try:
            yield
        finally:
            self.waiting_bytes[project] -= size
            if not self.waiting_bytes[project]:
                del self.waiting_bytes[project]


async def _off_loop(
    about: list[Question], answer: bytes | None, function: str, places: dict[int, int]
) -> dict[int, Verdict]:
    """Read the answer. A thread reads it if the answer or the documents are large."""
    size = len(answer or b"") + sum([len(one.after.body) for one in about if one.after is not None])
    if answer is None or size < LARGE_BYTES:
        return _verdicts(about, answer, function, places)
    return await asyncio.to_thread(_verdicts, about, answer, function, places)


def _verdicts(about: list[Question], answer: bytes | None, function: str, places: dict[int, int]) -> dict[int, Verdict]:
    """Return the verdict of each write, by its place in the commit. Raises: WriteRefused, UnusableAnswer."""
    decisions = _decisions(answer, len(about), function)
    verdicts = {}
    for question, decision in zip(about, decisions, strict=False):
        place = places[id(question.step)]
        if decision is not None and decision.refuse is not UNSET:
            raise _refused(decision, place)
        body = question.after.body if question.after is not None else None
        patched = decision is not None and decision.patch is not UNSET
        if decision is not None and decision.patch is not UNSET:
            body = _patched(question, bytes(decision.patch), function)
        rev = question.before.rev if question.before is not None else 0
        verdicts[place] = Verdict(question.hook, question.op, rev, body, patched)
    return verdicts


def _decisions(answer: bytes | None, number: int, function: str) -> list[WriteDecision | None]:
    """Return the decisions in an answer.

    Raises: UnusableAnswer if the answer is not a WriteDecision or a list of them.
    """
    if answer is None:
        raise UnusableAnswer(function, NO_DECISION)
    try:
        decisions = msgspec.json.decode(answer, type=WriteDecisions).answers
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UnusableAnswer(function, f"{NO_DECISION} {error}") from None
    last = decisions[-1] if decisions else None
    complete = len(decisions) == number or (last is not None and last.refuse is not UNSET)
    if not complete or len(decisions) > number:
        raise UnusableAnswer(function, f"There are {len(decisions)} answers about {number} writes.")
    if not all(map(_is_clear, decisions)):
        raise UnusableAnswer(function, UNCLEAR)
    return decisions


def _is_clear(decision: WriteDecision | None) -> bool:
    """False if a decision both refuses and changes a write, or if its code is not valid."""
    if decision is None:
        return True
    if decision.refuse is UNSET:
        return decision.code is UNSET
    return decision.patch is UNSET and (decision.code is UNSET or REASON.fullmatch(decision.code) is not None)


def _refused(decision: WriteDecision, place: int) -> WriteRefused:
    reason = None if decision.code is UNSET else decision.code
    return WriteRefused(readable(str(decision.refuse), MAX_MESSAGE) or NO_MESSAGE, reason=reason, write=place)


def _patched(question: Question, patch: bytes, function: str) -> bytes:
    """Return the body with the changes of the function. Raises: UnusableAnswer."""
    after = question.after
    if after is None:
        raise UnusableAnswer(function, "A deletion has no document to patch.", "patch_of_a_deletion")
    try:
        changes = fields_at(after.id, patch)
        if has_operators(changes):
            raise UnusableAnswer(function, "A patch has values only, and no operators.", "operators_in_patch")
        return stored_form(merged_fields(read_fields(after.body), changes))
    except Problem as problem:
        raise UnusableAnswer(function, f"The patch is refused. {problem.detail}", problem.code) from problem


def _event(caller: Caller, about: list[Question]) -> bytes:
    """Return the event to send. The event contains the documents unparsed, so that numbers keep all their digits."""
    writes = [
        b'{"op":"%s","collection":"%s","id":"%s","before":%s,"next":%s}'
        % (
            one.op.encode(),
            one.step.collection.encode(),
            one.step.write.id.encode(),
            b"null" if one.before is None else with_system_fields(one.before),
            b"null" if one.after is None else with_system_fields(one.after),
        )
        for one in about
    ]
    return b'{"caller":' + msgspec.json.encode(_shown(caller)) + b',"writes":[' + b",".join(writes) + b"]}"


def _shown(caller: Caller) -> dict[str, Any]:
    """Return what a function may know about the caller.

    The function does not get the session, because the session is the user's secret.
    """
    user = caller.user
    kinds = {CallerKind.SECRET: "server", CallerKind.DEVELOPER: "member"}
    told = user and {name: value for name, value in msgspec.structs.asdict(user).items() if name != "session"}
    return {"kind": kinds.get(caller.kind, "user" if user else "visitor"), "user": told}


def _busy(function: str, cause: str) -> BeforeWriteBusy:
    return BeforeWriteBusy(
        f"The function {function}, which this app asks before it writes here, did not answer in time. Nothing was "
        "written. Try again.",
        function=function,
        cause=cause,
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )
