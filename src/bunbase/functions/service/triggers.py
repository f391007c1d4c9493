"""Jobs, schedules and runs; and what a deployment must say of its triggers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Annotated, Final

import msgspec

from bunbase.contracts.bundoc import CollectionNotFound, InvalidQuery, QueryNeedsIndex
from bunbase.contracts.caller import Caller, CallerKind, Role
from bunbase.contracts.functions import Bundle, FunctionConfig, Version
from bunbase.contracts.triggers import (
    ChangeOp,
    DataTrigger,
    Job,
    JobNotDead,
    JobNotFound,
    JobRunning,
    Jobs,
    JobStatus,
    NewJob,
    RunOutcome,
    Runs,
    Schedules,
    TriggerKind,
)
from bunbase.functions.service.deploy import Deploying
from bunbase.functions.store.jobs import Crowded, Stored
from bunbase.functions.triggers.cron import as_schedule, check_schedule
from bunbase.functions.triggers.filters import try_out
from bunbase.functions.triggers.queue import shown
from bunbase.pkg.cursors import decode_cursor, encode_cursor
from bunbase.pkg.errors import Forbidden, InvalidInput

NEWEST: Final = 2**63 - 1  # what PostgreSQL's bigint holds
Seq = Annotated[int, msgspec.Meta(ge=0, le=NEWEST)]
DELETE_BATCH: Final = 5000


class Triggering(Deploying):
    """Wraps what makes another version active: its triggers are checked before, and begin with it."""

    async def deploy(self, caller: Caller, name: str, bundle: Bundle) -> Version:
        caller.need(Role.DEVELOPER)
        await self._check(caller.project, bundle.config)
        begin = await self.feeds.newest(caller.project) if bundle.config.on else None
        version = await super().deploy(caller, name, bundle)
        if begin is not None:
            await self.stores.subscriptions.begin(caller.project, name, begin)
        return version

    async def rollback(self, caller: Caller, name: str, version: int | None) -> Version:
        found = await super().rollback(caller, name, version)
        if found.config.on:
            newest = await self.feeds.newest(caller.project)
            await self.stores.subscriptions.begin(caller.project, name, newest)
        return found

    async def enqueue(self, caller: Caller, new: NewJob) -> Job:
        if caller.kind is CallerKind.DEVELOPER:
            caller.need(Role.DEVELOPER)
        elif caller.kind is not CallerKind.SECRET:
            raise Forbidden("Jobs are enqueued with the project's secret key, from a server.")
        return await self.queue.enqueue(caller.project, new)

    async def jobs(
        self, caller: Caller, state: JobStatus | None, function: str | None, limit: int, cursor: str | None
    ) -> Jobs:
        caller.need(Role.VIEWER)
        if function is not None and not function.isprintable():
            return Jobs(())
        query = f"jobs:{caller.project}:{state}:{function}"
        before = decode_cursor(query, cursor, Seq) if cursor else NEWEST
        found = await self.stores.jobs.jobs(caller.project, before, state, function, limit + 1)
        more = len(found) > limit
        items = tuple(shown(one) for one in found[:limit])
        return Jobs(items, encode_cursor(query, found[limit - 1].seq) if more else None)

    async def job(self, caller: Caller, id: str) -> Job:
        caller.need(Role.DEVELOPER)  # a payload may hold anything
        return shown(await self._stored(caller.project, id))

    async def replay_job(self, caller: Caller, id: str) -> Job:
        caller.need(Role.DEVELOPER)
        stored = await self._stored(caller.project, id)
        if not await self.stores.jobs.replay(caller.project, id, self.clock.now()):
            why = "another job has its key" if stored.state is JobStatus.DEAD else f"it is {stored.state.value}"
            raise JobNotDead(f"Only a dead letter can be replayed, and {why}.")
        self.runner.wake()
        return shown(await self._stored(caller.project, id))

    async def delete_job(self, caller: Caller, id: str) -> None:
        caller.need(Role.DEVELOPER)
        stored = await self._stored(caller.project, id)
        if not await self.stores.jobs.delete(caller.project, stored, self.clock.now()):
            raise JobRunning("It can be deleted when this attempt has ended; it ends with the function's timeout_ms.")

    async def schedules(self, caller: Caller, limit: int, cursor: str | None) -> Schedules:
        caller.need(Role.VIEWER)
        query = f"schedules:{caller.project}"
        after = decode_cursor(query, cursor, str) if cursor else ""
        found = await self.stores.schedules.schedules(caller.project, after, limit + 1)
        more = len(found) > limit
        return Schedules(tuple(found[:limit]), encode_cursor(query, found[limit - 1].function) if more else None)

    async def runs(
        self,
        caller: Caller,
        name: str,
        kind: TriggerKind | None,
        outcome: RunOutcome | None,
        limit: int,
        cursor: str | None,
    ) -> Runs:
        caller.need(Role.VIEWER)
        await self.existing(caller.project, name)
        query = f"runs:{caller.project}:{name}:{kind}:{outcome}"
        before = decode_cursor(query, cursor, Seq) if cursor else NEWEST
        found = await self.stores.runs.before(caller.project, name, before, kind, outcome, limit + 1)
        more = len(found) > limit
        items = tuple(one.shown() for one in found[:limit])
        return Runs(items, encode_cursor(query, found[limit - 1].seq) if more else None)

    async def delete_old_runs(self) -> None:
        before = self.clock.now() - timedelta(days=self.settings.run_retention_days)
        for delete in (self.stores.runs.delete_old, self.stores.jobs.delete_dead):
            while await delete(before, DELETE_BATCH) == DELETE_BATCH:
                pass
        most_runs, most_dead = self.settings.max_runs_per_project, self.settings.max_jobs_per_project
        await _thin_out(await self.stores.runs.crowded(most_runs), most_runs, self.stores.runs.delete_oldest)
        await _thin_out(await self.stores.jobs.crowded(most_dead), most_dead, self.stores.jobs.delete_oldest_dead)
        await self.feeds.forget()

    async def _stored(self, project: str, id: str) -> Stored:
        found = await self.stores.jobs.job(project, id) if id.isascii() and id.isprintable() else None
        if found is None:
            raise JobNotFound("The project has no such job; one that has succeeded is gone, its run is recorded.")
        return found

    async def _check(self, project: str, config: FunctionConfig) -> None:
        if config.schedule is not None:
            check_schedule(as_schedule(config.schedule))
        for at, trigger in enumerate(config.on):
            if trigger.where is not None:
                await self._check_where(project, at, trigger)

    async def _check_where(self, project: str, at: int, trigger: DataTrigger) -> None:
        path = f"/config/on/{at}"
        if ChangeOp.DELETE in trigger.ops:
            message = "a deleted document cannot be asked: name the ops without delete, or leave out where."
            raise InvalidInput(f"on: {message}", errors=[{"path": f"{path}/ops", "message": message}])
        try:
            await try_out(self.bundoc, Caller(CallerKind.SECRET, project), trigger)
        except CollectionNotFound:
            pass  # it may come later, and then its filter is read
        except (InvalidQuery, QueryNeedsIndex) as wrong:
            message = f"where: {wrong.detail}"
            raise InvalidInput(f"on: {message}", errors=[{"path": f"{path}/where", "message": message}]) from None


async def _thin_out(crowded: Sequence[Crowded], most: int, delete_oldest: Callable[[str, int], Awaitable[int]]) -> None:
    """Delete what projects have beyond `most`, in batches."""
    for one in crowded:
        surplus = one.rows - most
        while surplus > 0 and await delete_oldest(one.project, min(surplus, DELETE_BATCH)):
            surplus -= DELETE_BATCH
