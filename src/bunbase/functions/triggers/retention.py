"""Deletes old runs, dead letters and kept calls: rows that are too old, and rows above the limit of a project."""

from __future__ import annotations

from datetime import timedelta

from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.store import Stores
from bunbase.functions.store.crowded import DELETE_BATCH, delete_surplus
from bunbase.functions.triggers.feeds import Feeds
from bunbase.pkg.clock import Clock


class RunRetention:
    def __init__(self, stores: Stores, feeds: Feeds, clock: Clock, settings: FunctionsSettings) -> None:
        self.runs = stores.runs
        self.jobs = stores.jobs
        self.kept_calls = stores.kept_calls
        self.walks = stores.walks
        self.feeds = feeds
        self.clock = clock
        self.settings = settings

    async def delete_old(self) -> None:
        """Delete runs, dead letters, kept calls and backfills that are too old or too many, and unused leases."""
        before = self.clock.now() - timedelta(days=self.settings.run_retention_days)
        for delete in (self.runs.delete_old, self.jobs.delete_dead):
            while await delete(before, DELETE_BATCH) == DELETE_BATCH:
                pass
        most_runs, most_dead = self.settings.max_runs_per_project, self.settings.max_jobs_per_project
        await delete_surplus(await self.runs.crowded(most_runs), most_runs, self.runs.delete_oldest)
        await delete_surplus(await self.jobs.crowded(most_dead), most_dead, self.jobs.delete_oldest_dead)
        await self.kept_calls.delete_old(self.clock.now())
        await self.walks.delete_old(before)
        await self.feeds.forget()
