"""Write documents: single writes, and commits of many writes."""

from __future__ import annotations

import msgspec

from bunbase.bundoc import documents
from bunbase.bundoc.before_writes import BeforeWrites, CommitAgain
from bunbase.bundoc.commits import patch_of, steps_of
from bunbase.bundoc.counted import counted
from bunbase.bundoc.documents import StoredDocument, check_collection, check_id, document
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.permissions.access import bare, check_access
from bunbase.bundoc.permissions.callers import check_steps, discreet, guard_of
from bunbase.bundoc.permissions.reading import answered
from bunbase.bundoc.questions import Unanswered
from bunbase.bundoc.service.parsing import parsed, parsed_update
from bunbase.bundoc.service.rights import CallerRights
from bunbase.bundoc.writes import Check, CommitStep, Committed, Create, Delete, Put, Write
from bunbase.contracts.bundoc.documents import (
    NO_PRECONDITION,
    Commit,
    CommitResult,
    Document,
    DoneCommit,
    Precondition,
    Written,
)
from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.idempotency import check_visitor_key, scope_of
from bunbase.contracts.scopes import SOME_COLLECTION
from bunbase.pkg.errors import Problem
from bunbase.pkg.idempotency import Attempt, attempt
from bunbase.pkg.ids import new_id


class WriteService:
    """The writing methods of Bundoc's contract."""

    def __init__(self, engine: Engine, rights: CallerRights, before_writes: BeforeWrites) -> None:
        self.engine = engine
        self.rights = rights
        self.before_writes = before_writes

    async def create(self, caller: Caller, collection: str, body: bytes, idempotency_key: str = "") -> Document:
        with counted("create"):
            check_access(caller, Act.DOCUMENT_WRITE, collection)
            check_collection(collection)
            await self.rights.check_created(caller, collection)
            once = await _attempt(caller, idempotency_key, "create", collection, body) if idempotency_key else None
            claimed, stored_body = await parsed(body, documents.new_document)
            return await self.written(caller, collection, Create(claimed or new_id(), stored_body), once)

    async def put(
        self, caller: Caller, collection: str, id: str, body: bytes, when: Precondition, idempotency_key: str = ""
    ) -> Document:
        with counted("put"):
            check_access(caller, Act.DOCUMENT_WRITE, collection)
            check_collection(collection)
            check_id(id)
            await self.rights.check_created(caller, collection)
            once = (
                await _attempt(caller, idempotency_key, "put", collection, body, id, when) if idempotency_key else None
            )
            stored_body = await parsed(body, lambda sent: documents.document_at(id, sent))
            return await self.written(caller, collection, Put(id, stored_body, when), once)

    async def patch(
        self, caller: Caller, collection: str, id: str, patch: bytes, when: Precondition, idempotency_key: str = ""
    ) -> Document:
        with counted("patch"):
            check_access(caller, Act.DOCUMENT_WRITE, collection)
            check_collection(collection)
            check_id(id)
            once = (
                await _attempt(caller, idempotency_key, "patch", collection, patch, id, when)
                if idempotency_key
                else None
            )
            write = await parsed_update(patch, lambda sent: patch_of(id, sent, when))
            return await self.written(caller, collection, write, once)

    async def delete(
        self, caller: Caller, collection: str, id: str, when: Precondition, idempotency_key: str = ""
    ) -> Written:
        with counted("delete"):
            guard = guard_of(caller, collection)
            check_collection(collection)
            check_id(id)
            once = (
                await _attempt(caller, idempotency_key, "delete", collection, b"", id, when)
                if idempotency_key
                else None
            )
            return receipt(await self._applied(caller, CommitStep(collection, Delete(id, when), guard), once))

    async def commit(self, caller: Caller, body: bytes, idempotency_key: str = "") -> DoneCommit:
        with counted("commit"):
            guard = guard_of(caller, SOME_COLLECTION)
            once = await _attempt(caller, idempotency_key, "commit", "", body) if idempotency_key else None
            steps = await parsed_update(body, steps_of)
            if guard is not None:
                steps = tuple([msgspec.structs.replace(step, guard=guard) for step in steps])
            if caller.limits is not None:
                check_steps(caller, steps)
            try:
                done = await self.committed(caller, steps, once)
            except Problem as problem:
                if (shown := self._shown(problem, caller, guard is not None)) is problem:
                    raise
                raise shown from None
            pairs = zip(steps, done.results, strict=True)
            results = tuple([_commit_result(step.write, kept) for step, kept in pairs])
            return DoneCommit(Commit(done.seq, results), receipt(done))

    async def written(self, caller: Caller, collection: str, write: Write, once: Attempt | None = None) -> Document:
        """Write a document. Return the document as the caller may see it. `once`: the `attempt` of `Engine.commit`."""
        guard = guard_of(caller, collection)
        done = await self._applied(caller, CommitStep(collection, write, guard), once)
        (written,), (created,) = done.results, done.created
        assert written is not None  # Only a Delete has no result.
        if not caller.has_scope(Act.DOCUMENT_READ, collection):
            written = bare(written)
        elif guard is not None:
            written = await self._answered(caller, collection, written)
        return document(written, created, receipt(done))

    async def _applied(self, caller: Caller, step: CommitStep, once: Attempt | None) -> Committed:
        try:
            try:
                return await self.engine.commit(caller.project, (step,), caller.depth, once)
            except Unanswered as asked:
                return await self.before_writes.committed(caller, (step,), asked, self._commit_of(caller, once))
        except Problem as problem:
            problem.extra.pop("write", None)  # There is only one write, so its index is left out.
            if (shown := self._shown(problem, caller, step.guard is not None)) is problem:
                raise
            raise shown from None

    def _shown(self, problem: Problem, caller: Caller, bound: bool) -> Problem:
        """Return the problem as the caller may see it. Only failed writes need this work."""
        return self.rights.hinted(discreet(problem, caller, bound), caller)

    async def committed(self, caller: Caller, steps: tuple[CommitStep, ...], once: Attempt | None) -> Committed:
        """Ask the functions about a commit, then do the commit. The answer has no bodies."""
        commit = self._commit_of(caller, once, with_bodies=False)
        try:
            return await commit(steps)
        except Unanswered as asked:
            return await self.before_writes.committed(caller, steps, asked, commit)

    def _commit_of(self, caller: Caller, once: Attempt | None, with_bodies: bool = True) -> CommitAgain:
        return lambda steps: self.engine.commit(caller.project, steps, caller.depth, once, with_bodies)

    async def _answered(self, caller: Caller, collection: str, written: StoredDocument) -> StoredDocument:
        """Return the stored document as the caller may see it, or only the system fields if the rules take too long.

        The write is already done. An error here would look like a failed write, and a caller that repeats the write
        would create the document twice.
        """
        try:
            return await self.rights.decided(
                caller, collection, lambda access, lookup: answered(access, written, lookup)
            )
        except Problem:
            return bare(written)


async def _attempt(
    caller: Caller,
    key: str,
    verb: str,
    collection: str,
    body: bytes,
    id: str = "",
    when: Precondition = NO_PRECONDITION,
) -> Attempt:
    """Return the attempt of a write that has an idempotency key. Raises: InvalidInput."""
    check_visitor_key(caller, key)
    condition = f"{when.rev},{when.absent}"
    return await attempt(("documents", *scope_of(caller)), key, verb, collection, id, condition, body)


def receipt(done: Committed) -> Written:
    """Return the state that a commit has made, for the answer."""
    return Written(f"{done.epoch}.{done.seq}", done.replayed)


def _commit_result(write: Write, kept: StoredDocument | None) -> CommitResult:
    """Return the id and the revision for the answer.

    For a Check, this is the revision that the caller sent, since the stored revision may be hidden from the caller.
    If an earlier attempt created the document, the stored result of this attempt has the id.
    """
    if isinstance(write, Check):
        return CommitResult(write.id, write.when.rev or 0)
    return CommitResult(kept.id, kept.rev) if kept else CommitResult(write.id, 0)
