"""Calls a migration for a batch of documents.

If the call times out, crashes or fails as a whole, the batch is halved until each document that causes the failure is
alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

import msgspec

from bunbase.contracts.functions.problems import (
    FunctionCpuExceeded,
    FunctionCrashed,
    FunctionError,
    FunctionNotFound,
    FunctionTimeout,
)
from bunbase.contracts.functions.triggers import TriggerKind
from bunbase.contracts.functions.walks import MIGRATE
from bunbase.functions.store.walks import Failure
from bunbase.functions.triggers.requests import request_of
from bunbase.functions.versions.active import ActiveVersions
from bunbase.functions.walks.pages import Document
from bunbase.functions.workers.call import Call
from bunbase.functions.workers.deployment import Deployment, Request, Trigger
from bunbase.functions.workers.whole_answer import whole_answer
from bunbase.pkg.clock import Clock

MAX_ANSWER_BYTES: Final = 32 << 20
TOO_LARGE: Final = f"The results of a batch may have at most {MAX_ANSWER_BYTES >> 20} MiB."
MAX_DETAIL: Final = 500
# A call is attempted at most this often, because later deployments may delete the version between the look-up and the
# call.
ATTEMPTS: Final = 2
FAULTS: Final = (FunctionTimeout, FunctionCpuExceeded, FunctionCrashed, FunctionError)


class Action(msgspec.Struct, frozen=True):
    """The change of a document, in the form of a write of a commit."""

    document: Document
    op: Literal["put", "patch", "delete"]
    data: bytes = b""


class Transformed(msgspec.Struct, frozen=True):
    actions: tuple[Action, ...] = ()
    unchanged: int = 0
    failures: tuple[Failure, ...] = ()


class _Result(msgspec.Struct, frozen=True):
    op: Literal["put", "patch", "delete"] | None = None
    data: msgspec.Raw = msgspec.Raw(b"")
    error: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    collection: str
    results: tuple[_Result, ...]


class Transforming:
    """Calls migrations. `start`: a function that begins a call of a deployment."""

    def __init__(
        self, active: ActiveVersions, start: Callable[[Deployment, Request], Awaitable[Call]], clock: Clock
    ) -> None:
        self.active = active
        self.start = start
        self.clock = clock

    async def collection(self, project: str, function: str) -> str:
        """Return the collection that a migration names. Raises: FunctionError if the function is not a migration."""
        return (await self._ask(project, function, ())).collection

    async def transform(self, project: str, function: str, documents: Sequence[Document]) -> Transformed:
        """Return the changes that the migration makes to documents.

        Raises: FunctionNotFound, FunctionOverloaded, FunctionsUnavailable. An error in the function counts as a failure
        of its document.
        """
        if not documents:
            return Transformed()
        try:
            answer = await self._ask(project, function, documents)
            if len(answer.results) != len(documents):
                raise FunctionError("The migration returned another number of results than of documents.")
        except FAULTS as fault:
            if len(documents) == 1:
                return Transformed(failures=(Failure(documents[0].id, fault.code, fault.detail[:MAX_DETAIL]),))
            middle = len(documents) // 2
            return _joined(
                await self.transform(project, function, documents[:middle]),
                await self.transform(project, function, documents[middle:]),
            )
        return _sorted_out(documents, answer.results)

    async def _ask(self, project: str, function: str, documents: Sequence[Document]) -> _Answer:
        body = b'{"documents":[' + b",".join([one.body for one in documents]) + b"]}"
        request = request_of(Trigger(TriggerKind.JOB, "", 1, self.clock.now()), body)
        call = await self._start(project, function, msgspec.structs.replace(request, hook=MIGRATE))
        answer = await whole_answer(call, MAX_ANSWER_BYTES, "The migration", FunctionError(TOO_LARGE))
        try:
            return msgspec.json.decode(answer, type=_Answer)
        except msgspec.DecodeError as error:
            raise FunctionError(f"The migration's answer cannot be read: {error}.") from None

    async def _start(self, project: str, name: str, request: Request) -> Call:
        for attempt in range(ATTEMPTS):
            try:
                return await self.start(await self.active.find(project, name), request)
            except FunctionNotFound:
                self.active.forget(project, name)
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("the loop returns or raises")


def _sorted_out(documents: Sequence[Document], results: Sequence[_Result]) -> Transformed:
    actions, failures = list[Action](), list[Failure]()
    for document, result in zip(documents, results, strict=True):
        if result.error is not None:
            failures.append(Failure(document.id, FunctionError.code, result.error[:MAX_DETAIL]))
        elif result.op is not None:
            actions.append(Action(document, result.op, bytes(result.data)))
    return Transformed(tuple(actions), len(documents) - len(actions) - len(failures), tuple(failures))


def _joined(one: Transformed, other: Transformed) -> Transformed:
    return Transformed(one.actions + other.actions, one.unchanged + other.unchanged, one.failures + other.failures)
