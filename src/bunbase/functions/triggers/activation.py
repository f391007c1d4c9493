"""Checks the triggers of a version before the version becomes active, and finds the first change for them."""

from __future__ import annotations

from bunbase.contracts.bundoc.problems import CollectionNotFound, InvalidQuery, QueryNeedsIndex
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.functions.deployments import FunctionConfig
from bunbase.contracts.functions.triggers import ChangeOp, DataTrigger
from bunbase.functions.store.subscriptions import Feed, Source
from bunbase.functions.triggers.cron import as_schedule, check_schedule
from bunbase.functions.triggers.feeds import Feeds, source_of
from bunbase.functions.triggers.filters import try_out
from bunbase.pkg.errors import InvalidInput


class TriggerActivation:
    def __init__(self, bundoc: Bundoc, feeds: Feeds) -> None:
        self.bundoc = bundoc
        self.feeds = feeds

    async def check(self, project: str, config: FunctionConfig) -> None:
        """Check a version's schedule and the filters of its data triggers. Raises: InvalidInput."""
        if config.schedule is not None:
            check_schedule(as_schedule(config.schedule))
        if config.max_batch is not None and not config.on:
            message = "a batch has changes: name collections or buckets in `on`, or leave out `max_batch`."
            raise InvalidInput.at("/config/max_batch", f"max_batch: {message}")
        for at, trigger in enumerate(config.on):
            if trigger.where is not None:
                await self._check_where(project, at, trigger)

    async def newest_changes(self, project: str, config: FunctionConfig) -> dict[Source, int]:
        """Return the number of the newest change in each log that the triggers follow. Triggers begin after it.

        The number is read before the activation. Otherwise triggers would miss the changes between activation and read.
        """
        sources = sorted({source_of(trigger) for trigger in config.on})
        return {source: await self.feeds.newest(Feed(project, source)) for source in sources}

    async def _check_where(self, project: str, at: int, trigger: DataTrigger) -> None:
        path = f"/config/on/{at}"
        if ChangeOp.DELETE in trigger.ops:
            message = "`where` cannot test a deleted document: leave `delete` out of `ops`, or leave out `where`."
            raise InvalidInput.at(f"{path}/ops", message, f"on: {message}")
        try:
            await try_out(self.bundoc, Caller(CallerKind.SECRET, project), trigger)
        except CollectionNotFound:
            # The collection may be created later. In this case, the first change in the collection checks the filter.
            pass
        except (InvalidQuery, QueryNeedsIndex) as wrong:
            message = f"where: {wrong.detail}"
            raise InvalidInput.at(f"{path}/where", message, f"on: {message}") from None
