"""Deletes old runs and dead letters: after a number of days, and above a number of rows for each project."""

from __future__ import annotations

from datetime import timedelta

from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.store.crowded import DELETE_BATCH, delete_surplus
from bunbase.functions.store.jobs import JobStore
from bunbase.functions.store.runs import RunStore
from bunbase.functions.triggers.feeds import Feeds
from bunbase.pkg.clock import Clock


class RunRetention:
    def __init__(self, runs: RunStore, jobs: JobStore, feeds: Feeds, clock: Clock, settings: FunctionsSettings) -> None:
        self.runs = runs
        self.jobs = jobs
        self.feeds = feeds
        self.clock = clock
        self.settings = settings

    async def delete_old(self) -> None:
        """Delete runs and dead letters that are too old or above the limit, and leases without subscriptions."""
        before = self.clock.now() - timedelta(days=self.settings.run_retention_days)
        for delete in (self.runs.delete_old, self.jobs.delete_dead):
            while await delete(before, DELETE_BATCH) == DELETE_BATCH:
                pass
        most_runs, most_dead = self.settings.max_runs_per_project, self.settings.max_jobs_per_project
        await delete_surplus(await self.runs.crowded(most_runs), most_runs, self.runs.delete_oldest)
        await delete_surplus(await self.jobs.crowded(most_dead), most_dead, self.jobs.delete_oldest_dead)
        await self.feeds.forget()
