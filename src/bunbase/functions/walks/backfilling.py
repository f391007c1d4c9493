"""Runs one batch of a backfill: adds a job for each document that the triggers of the function match.

One transaction adds the jobs and advances the walk, so that a crash neither loses nor repeats a document.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.functions.triggers import ChangeOp, DataTrigger
from bunbase.functions.store.jobs import ChangeJob
from bunbase.functions.store.walks import BatchOutcome, HeldWalk, WalkStore
from bunbase.functions.triggers.filters import matching
from bunbase.functions.triggers.queue import Queue
from bunbase.functions.triggers.requests import KeptChange
from bunbase.functions.versions.active import ActiveVersions
from bunbase.functions.walks.pages import Document, next_documents
from bunbase.pkg.clock import rfc3339
from bunbase.pkg.ids import new_id
from bunbase.pkg.moments import read_moment

# If the project has this many jobs, the backfill waits and leaves space for other jobs.
MAX_WAITING: Final = 1000
ATTEMPTS: Final = 5


class Backfilling:
    def __init__(self, store: WalkStore, bundoc: Bundoc, queue: Queue, active: ActiveVersions) -> None:
        self.store = store
        self.bundoc = bundoc
        self.queue = queue
        self.active = active

    async def turn(self, walk: HeldWalk) -> int | None:
        """Run the next batch. Return the number of documents that were visited, or None if the queue is full."""
        most = min(MAX_WAITING, self.queue.max_jobs // 2)
        if await self.queue.store.waiting(walk.project, most) >= most:
            return None
        caller, now = Caller(CallerKind.SECRET, walk.project), self.queue.clock.now()
        found = await next_documents(self.bundoc, caller, walk)
        triggers = triggers_on(walk.collection, (await self.active.find(walk.project, walk.function)).config.on)
        old = [one for one in found.documents if read_moment(one.created) <= walk.created_at]
        wanted = await wanted_of(self.bundoc, caller, walk.collection, triggers, walk.filter, old)
        jobs = [_job(walk.collection, one, now) for one in wanted]
        unchanged = len(found.documents) - len(wanted)
        outcome = BatchOutcome(found.cursor, found.exhausted, found.retries, handed_on=len(wanted), unchanged=unchanged)
        async with self.store.transaction():
            if await self.store.finish(walk, outcome) and jobs:
                await self.queue.store.add_changes(walk.project, walk.function, jobs, now, ATTEMPTS)
        self.queue.on_added()
        return len(found.documents)


def triggers_on(collection: str, triggers: Sequence[DataTrigger]) -> list[DataTrigger]:
    """Return the triggers that see existing documents of the collection."""
    alive = {ChangeOp.CREATE, ChangeOp.UPDATE}
    return [one for one in triggers if one.collection == collection and alive & set(one.ops)]


async def wanted_of(
    bundoc: Bundoc,
    caller: Caller,
    collection: str,
    triggers: Sequence[DataTrigger],
    where: dict[str, object] | None,
    documents: Sequence[Document],
) -> list[Document]:
    """Return the documents that match `where` and the filter of a trigger. Raises: the problems of `Bundoc.query`."""
    ids, wanted = {one.id for one in documents}, set[str]()
    if where is not None:
        ids = await matching(bundoc, caller, DataTrigger(collection, where=where), sorted(ids))
    for trigger in triggers:
        wanted |= ids if trigger.where is None else await matching(bundoc, caller, trigger, sorted(ids))
    return [one for one in documents if one.id in wanted]


def _job(collection: str, document: Document, now: datetime) -> ChangeJob:
    change = KeptChange(ChangeOp.CREATE, collection, document.id, document.rev, rfc3339(now), backfill=True)
    return ChangeJob(new_id("job"), f"{collection}/{document.id}", msgspec.json.encode(change), 0)
