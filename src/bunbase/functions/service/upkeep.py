"""What happens without anybody asking: hearing of changes, ending workers, writing and deleting log lines."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.functions.service.parts import Parts
from bunbase.functions.store import functions, logs
from bunbase.functions.workers.prewarmed import USUAL_MB
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.logger import logger

log = logger("functions")

DELETE_BATCH: Final = 5000
WRITERS_KEPT: Final = timedelta(days=40)  # that wrote nothing since: processes that have ended


class Upkeep(Parts):
    async def prewarm(self) -> None:
        """Start the workers that wait for a bundle, of the sizes that will be asked for."""
        shelf = self.starter.prewarmed
        shelf.expect(await self.stores.functions.memory_sizes(USUAL_MB, shelf.size))
        shelf.fill()

    async def hear_changes(self) -> None:
        """Follow what other processes change, until the connection to PostgreSQL is lost."""
        try:
            async for payload in self.stores.news.follow(functions.CHANNEL, self.active.listening):
                project, _, name = payload.partition(" ")
                await self.changed(project, name)
        except Unreachable as lost:
            if self.active.live:  # once, not with every attempt to listen again
                log.warning("changes by other processes are not heard; every call looks for itself", error=lost.detail)
        finally:
            self.active.deaf()

    async def hear_lines(self) -> None:
        """Wake those who follow logs, until the connection to PostgreSQL is lost: then they look every second."""
        try:
            async for project in self.stores.news.follow(logs.CHANNEL, lambda: None):
                self.followers.wake(project)
        except Unreachable:
            pass

    async def watch_workers(self) -> None:
        self.starter.watch_memory()
        self.starter.watch_cpu()
        self.pool.tend()

    async def write_logs(self) -> None:
        await self.log_lines.flush()

    async def keep_log_days(self) -> None:
        """Have a table ready for the lines of today and tomorrow; drop those whose lines are all too old."""
        today = self.clock.now().date()
        for day in (today, today + timedelta(days=1)):
            await self.stores.logs.days.make(day)
        await self.stores.logs.forget_writers(self.clock.now() - WRITERS_KEPT)
        oldest = today - timedelta(days=self.settings.log_retention_days)
        for day in await self.stores.logs.days.days():
            if day < oldest:
                await self.stores.logs.days.drop(day)
                log.info("old log lines of functions were dropped", day=day.isoformat())

    async def thin_out_logs(self) -> None:
        """Delete the oldest lines of projects that have more than they may."""
        limit = self.settings.max_log_lines_per_project
        for crowded in await self.stores.logs.crowded(limit):
            surplus = crowded.lines - limit
            while surplus > 0 and await self.stores.logs.delete_oldest(crowded.project, min(surplus, DELETE_BATCH)):
                surplus -= DELETE_BATCH

    async def drop_project(self, project: str) -> None:
        await self.stores.functions.delete_all(project)
        await self.stores.variables.delete_all(project)
        self.active.forget(project)
        self.loadable.forget(project)
        self.environments.forget(project)
        for deployment in self.pool.deployments(project):
            self.pool.drop(deployment, "its project was deleted")
        await self.meter.flush()  # what it used is to be paid for; and no batch brings its statistics back
        await self.stores.hours.delete_project(project)
        await self.log_lines.flush()
        await self.stores.logs.delete_project(project)

    async def close(self) -> None:
        await self.feeds.close()
        await self.runner.close()  # before its workers die: that would look like the functions' fault
        await self.pool.close()
        await self.desk.close()
        await self.meter.close()
        await self.log_lines.flush()
