"""The documents that the rules of subscriptions have looked up, and the changes of these documents.

While subscriptions of a project depend on documents, a task follows the change log of the project. A decision first
announces which document it will read (`fetch`), and only then reads the document. So no change is missed. A change
either comes before the reading, or marks the decision as stale (`Reading.stale`), or causes a new decision about the
subscription (`on_change`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from bunbase.buncast.edge import Subscription
from bunbase.buncast.rules import Address
from bunbase.contracts.bundoc.problems import BundocBusy, CollectionNotFound, DocumentNotFound, ResyncRequired
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.pkg.context import deadline_in
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.logger import logger
from bunbase.pkg.rules.inputs import json_value

log = logger("buncast")

# This is greater than the number of any change. A request for the changes after it returns only the newest number.
NEWEST: Final = 2**62
BATCH: Final = 500
LONG_POLL_SECONDS: Final = 10.0
READ_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 0.25
# If no subscription depends on documents for this time, the task stops following the change log.
IDLE_SECONDS: Final = 30.0
LOST_SECONDS: Final = 5.0  # If the change log cannot be read for this time, the subscriptions that depend on it end.

OnChange = Callable[[set[Subscription]], None]


class Reading:
    """The documents that one decision has read. `stale`: true if one of them has changed since.

    `shares`: true if other decisions may use the same reads.
    """

    def __init__(self, shares: bool = False) -> None:
        self.shares = shares
        self.addresses: set[Address] = set()
        self.stale = False


class Documents:
    """Follows documents for subscriptions. `on_change` gets the subscriptions to decide again.

    `on_lost` gets the subscriptions whose documents cannot be followed.
    """

    def __init__(self, bundoc: Bundoc, project: str, on_change: OnChange, on_lost: OnChange) -> None:
        self.bundoc = bundoc
        self.caller = Caller(CallerKind.SECRET, project=project)
        self.on_change = on_change
        self.on_lost = on_lost
        self._dependents: dict[Address, set[Subscription]] = {}
        self._readings: dict[Address, set[Reading]] = {}
        self._coming: dict[Address, asyncio.Task[dict[str, Any] | None]] = {}
        self._shared: set[asyncio.Task[dict[str, Any] | None]] = set()
        self._since: asyncio.Future[int] | None = None
        self._task: asyncio.Task[None] | None = None
        self._needed_at = time.monotonic()

    @property
    def dependent(self) -> set[Subscription]:
        """All subscriptions that depend on a document."""
        return {one for dependents in self._dependents.values() for one in dependents}

    async def read(self, address: Address) -> dict[str, Any] | None:
        """Return a document with its system fields, None if there is none. Raises: Unreachable, BundocBusy."""
        try:
            with deadline_in(READ_SECONDS):
                found = await self.bundoc.get(self.caller, *address)
        except (DocumentNotFound, CollectionNotFound, InvalidInput):
            return None
        document: dict[str, Any] = json_value(found.body)
        return document

    async def fetch(self, reading: Reading, address: Address) -> dict[str, Any] | None:
        """Read a document for a decision, and inform the decision of later changes. Raises: the problems of `read`."""
        self._needed_at = time.monotonic()
        await self._followed()
        reading.addresses.add(address)
        self._readings.setdefault(address, set()).add(reading)
        return await (asyncio.shield(self._shared_read(address)) if reading.shares else self.read(address))

    def _shared_read(self, address: Address) -> asyncio.Task[dict[str, Any] | None]:
        """Return a read that has not begun yet. Decisions that need the same document at the same time share it.

        The read must begin after the decision has announced the document. Otherwise the decision could miss a change in
        between.
        """
        task = self._coming.get(address)
        if task is None:
            task = self._coming[address] = asyncio.create_task(self._read_next(address))
            self._shared.add(task)
            task.add_done_callback(self._shared_ended)
        return task

    def _shared_ended(self, task: asyncio.Task[dict[str, Any] | None]) -> None:
        self._shared.discard(task)
        if not task.cancelled():
            task.exception()  # No reader may be left who would take the exception.

    async def _read_next(self, address: Address) -> dict[str, Any] | None:
        del self._coming[address]
        return await self.read(address)

    def forget_reading(self, reading: Reading) -> None:
        for address in reading.addresses:
            if (readings := self._readings.get(address)) is not None:
                readings.discard(reading)
                if not readings:
                    del self._readings[address]

    def depend(self, one: Subscription, addresses: frozenset[Address]) -> None:
        """Let a subscription depend on exactly these documents."""
        for address in one.documents - addresses:
            dependents = self._dependents[address]
            dependents.discard(one)
            if not dependents:
                del self._dependents[address]
        for address in addresses - one.documents:
            self._dependents.setdefault(address, set()).add(one)
        one.documents = addresses

    async def close(self) -> None:
        tasks = [*self._shared, *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _followed(self) -> None:
        """Wait until the change log is followed. Raises: Unreachable, BundocBusy."""
        if self._task is None or self._task.done():
            self._since = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._follow(self._since))
        assert self._since is not None
        await asyncio.shield(self._since)

    async def _follow(self, began: asyncio.Future[int]) -> None:
        try:
            since = await self._newest()
        except Problem as problem:
            began.set_exception(problem)
            began.exception()  # If a caller still waits, `_followed` raises this exception too.
            return
        began.set_result(since)
        failing_since: float | None = None
        wait = LONG_POLL_SECONDS
        while self._is_needed():
            try:
                with deadline_in(LONG_POLL_SECONDS + READ_SECONDS):
                    page = await self.bundoc.changes(self.caller, since, BATCH, wait)
                since, failing_since, wait = page.next, None, LONG_POLL_SECONDS
                self._changed({(change.collection, change.id) for change in page.items})
            except ResyncRequired as told:
                since = told.extra["last"]
                self._all_changed()
            except BundocBusy:
                wait = 0.0
                await asyncio.sleep(PAUSE_SECONDS)
            except Problem as problem:
                failing_since = self._failed(failing_since, problem)
                await asyncio.sleep(PAUSE_SECONDS)

    def _is_needed(self) -> bool:
        now = time.monotonic()
        if self._dependents or self._readings:
            self._needed_at = now
        return now - self._needed_at < IDLE_SECONDS

    def _failed(self, failing_since: float | None, problem: Problem) -> float:
        now = time.monotonic()
        if failing_since is None:
            log.warning("the documents of channels' rules cannot be followed", error=problem.detail)
            return now
        if now - failing_since > LOST_SECONDS and self._dependents:
            self.on_lost(self.dependent)
        return failing_since

    async def _newest(self) -> int:
        try:
            with deadline_in(READ_SECONDS):
                return (await self.bundoc.changes(self.caller, NEWEST, 1, 0)).next
        except ResyncRequired as told:
            last: int = told.extra["last"]
            return last

    def _changed(self, addresses: set[Address]) -> None:
        dependents: set[Subscription] = set()
        for address in addresses:
            dependents |= self._dependents.get(address, set())
            for reading in self._readings.get(address, ()):
                reading.stale = True
        if dependents:
            self.on_change(dependents)

    def _all_changed(self) -> None:
        self._changed(self._dependents.keys() | self._readings.keys())
