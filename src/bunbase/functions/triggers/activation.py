"""Checks the triggers of a version before the version becomes active, and finds the first change for them."""

from __future__ import annotations

from bunbase.contracts.bundoc.problems import CollectionNotFound, InvalidQuery, QueryNeedsIndex
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.functions.deployments import FunctionConfig
from bunbase.contracts.functions.triggers import ChangeOp, DataTrigger
from bunbase.functions.triggers.cron import as_schedule, check_schedule
from bunbase.functions.triggers.feeds import Feeds
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
            message = "a batch has changes of documents: name their collections in `on`, or leave out `max_batch`."
            raise InvalidInput.at("/config/max_batch", f"max_batch: {message}")
        for at, trigger in enumerate(config.on):
            if trigger.where is not None:
                await self._check_where(project, at, trigger)

    async def newest_change(self, project: str, config: FunctionConfig) -> int | None:
        """Return the number of the newest change, after which data triggers begin; None if there are no data triggers.

        The number is read before the activation. Otherwise triggers would miss the changes between activation and read.
        """
        return await self.feeds.newest(project) if config.on else None

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
