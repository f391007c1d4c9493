"""Runs one batch of a migration: reads documents, calls the function, and writes the results exactly once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any, Final

import msgspec

from bunbase.contracts.bundoc.problems import CommitTooSlow, DocumentNotFound, StaleRevision
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.functions.store.walks import BatchOutcome, Failure, HeldWalk, WalkStore
from bunbase.functions.walks.committing import commit, fitting, has_happened
from bunbase.functions.walks.pages import NextDocuments, documents_of, next_documents
from bunbase.functions.walks.transforming import MAX_DETAIL, Action, Transformed, Transforming
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem, TooLarge
from bunbase.pkg.idempotency import KEPT_FOR

STALE: Final = (StaleRevision, DocumentNotFound)
# These errors are about a whole batch of writes. Each write alone is possible.
TOO_MUCH: Final = (CommitTooSlow, TooLarge)
# A document that changes each time between its read and its write is attempted at most this often.
MOST_TRIES: Final = 20
CHANGED_TOO_OFTEN: Final = "changed_too_often"
MAYBE_WRITTEN: Final = "maybe_written"
DECIDED_FOR: Final = KEPT_FOR - timedelta(hours=1)  # Bundoc knows the key of a commit for at least this time.
SERVER_FAULT, TOO_MANY = 500, 429


class Migrating:
    """Runs the batches. `holder`: the id under which this process holds leases."""

    def __init__(self, store: WalkStore, bundoc: Bundoc, transforming: Transforming, clock: Clock, holder: str) -> None:
        self.store = store
        self.bundoc = bundoc
        self.transforming = transforming
        self.clock = clock
        self.holder = holder
        # The key is the walk and the document. The value is the number of times that other callers have changed the
        # document.
        self.tries = Counter[tuple[str, str]]()

    async def turn(self, walk: HeldWalk) -> int:
        """Run the next batch, or decide about the previous batch. Return the number of documents that were visited."""
        caller = Caller(CallerKind.SECRET, walk.project)
        if walk.plan is not None:
            await self._decide(caller, walk, walk.plan)
            return 0
        found = await next_documents(self.bundoc, caller, walk)
        made = await self.transforming.transform(walk.project, walk.function, found.documents)
        await self._write(caller, walk, found, made)
        return len(found.documents)

    def forget(self, id: str) -> None:
        for known in [one for one in self.tries if one[0] == id]:
            del self.tries[known]

    async def _write(self, caller: Caller, walk: HeldWalk, found: NextDocuments, made: Transformed) -> None:
        """Commit all changes that are possible. All other documents are failures, or are visited again."""
        room = fitting(made.actions)
        actions, again = list(made.actions[:room]), [one.document.id for one in made.actions[room:]]
        failures = list(made.failures)
        while True:
            outcome = self._outcome(found, made, actions, again, failures)
            if not actions:
                await self.store.finish(walk, outcome)
                return
            prepared = await self.store.prepare(walk, self.holder, outcome)
            if prepared is None:
                return
            walk = prepared
            try:
                await commit(self.bundoc, caller, walk, actions)
            except Problem as problem:
                self._set_aside(walk, actions, again, failures, problem)
            else:
                await self.store.finish(walk, outcome)
                return

    def _outcome(
        self,
        found: NextDocuments,
        made: Transformed,
        actions: list[Action],
        again: list[str],
        failures: list[Failure],
    ) -> BatchOutcome:
        deleted = sum(one.op == "delete" for one in actions)
        return BatchOutcome(
            found.cursor,
            found.exhausted,
            (*again, *found.retries),
            changed=len(actions) - deleted,
            deleted=deleted,
            unchanged=made.unchanged,
            failures=tuple(failures),
            planned_at=self.clock.now(),
            revisions={one.document.id: one.document.rev for one in actions},
        )

    def _set_aside(
        self, walk: HeldWalk, actions: list[Action], again: list[str], failures: list[Failure], problem: Problem
    ) -> None:
        """Remove the failed write from the batch.

        If the batch has too many writes, remove this write and all later writes.

        Raises: the problem if it is not about one write.
        """
        number: Any = problem.extra.get("write")
        if isinstance(problem, TOO_MUCH) and number:
            again[:0] = [one.document.id for one in actions[number:]]
            del actions[number:]
            return
        if not isinstance(number, int) or problem.status >= SERVER_FAULT or problem.status == TOO_MANY:
            raise problem
        id = actions.pop(number).document.id
        if not isinstance(problem, STALE):
            failures.append(failure_of(id, problem))
            return
        self.tries[walk.id, id] += 1
        if self.tries[walk.id, id] < MOST_TRIES:
            again.append(id)
        else:
            detail = f"Others have changed the document {MOST_TRIES} times between its read and its write."
            failures.append(Failure(id, CHANGED_TOO_OFTEN, detail))

    async def _decide(self, caller: Caller, walk: HeldWalk, plan: BatchOutcome) -> None:
        """If the commit has happened, record its outcome. Otherwise delete the plan.

        `committing.py` explains this decision.
        """
        if plan.planned_at is not None and self.clock.now() - plan.planned_at > DECIDED_FOR:
            await self.store.finish(walk, await self._doubtful(caller, walk, plan))
        elif await has_happened(self.bundoc, caller, walk):
            await self.store.finish(walk, plan)
        else:
            await self.store.drop_plan(walk)

    async def _doubtful(self, caller: Caller, walk: HeldWalk, plan: BatchOutcome) -> BatchOutcome:
        """Return the outcome of a plan that is too old. Documents with another revision may have been written."""
        ids, same = tuple(plan.revisions), set[str]()
        for start in range(0, len(ids), 50):
            stored = await documents_of(self.bundoc, caller, walk.collection, ids[start : start + 50])
            same |= {one.id for one in stored if one.rev == plan.revisions[one.id]}
        detail = "A server died while it wrote the document. Its change may have been written; check it."
        doubtful = tuple(Failure(id, MAYBE_WRITTEN, detail) for id in ids if id not in same)
        return msgspec.structs.replace(
            plan, changed=0, deleted=0, retries=(*plan.retries, *sorted(same)), failures=(*plan.failures, *doubtful)
        )


def failure_of(id: str, problem: Problem) -> Failure:
    return Failure(id, problem.code, problem.detail[:MAX_DETAIL])
