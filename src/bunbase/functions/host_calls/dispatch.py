"""Passes each host call of a worker to the part of BunBase that answers it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bunbase.contracts.buncast import Buncast
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.functions.host_calls import UnknownHostCall
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.functions.egress.fetcher import Fetcher
from bunbase.functions.egress.hops import FetchRequest
from bunbase.functions.host_calls import auth, channels, data, jobs
from bunbase.functions.host_calls.arguments import read
from bunbase.functions.logs.warnings import Warn
from bunbase.functions.triggers.queue import Queue
from bunbase.functions.workers.asks import Ask
from bunbase.functions.workers.deployment import Deployment

AllValues = Callable[[Deployment], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True)
class HostRooms:
    """The parts of BunBase that functions reach by host calls."""

    bundoc: Bundoc
    users: TenantAuth
    buncast: Buncast


class HostCalls:
    """Answers host calls. `all_values` returns all variables of a deployment, including hidden variables.

    The server fills hidden variables into the headers of `fetch`. No worker receives them.
    """

    def __init__(self, rooms: HostRooms, fetcher: Fetcher, all_values: AllValues, queue: Queue, warn: Warn) -> None:
        self.rooms = rooms
        self.fetcher = fetcher
        self.all_values = all_values
        self.queue = queue
        self.warn = warn
        self.under_way: set[asyncio.Task[None]] = set()

    async def answer(self, ask: Ask) -> None:
        task = ask.task
        assert task is not None
        self.under_way.add(task)
        try:
            await self._answer(ask)
        finally:
            self.under_way.discard(task)

    async def close(self) -> None:
        """Cancel the open host calls, wait for their end, then close the connections of `fetch`."""
        for task in self.under_way:
            task.cancel()
        await asyncio.gather(*self.under_way, return_exceptions=True)
        await self.fetcher.close()

    async def _answer(self, ask: Ask) -> None:
        if (data_method := data.METHODS.get(ask.method)) is not None:
            await ask.reply(await data_method(self.rooms.bundoc, ask, read(ask.args, data.DocumentAddress)))
        elif (auth_method := auth.METHODS.get(ask.method)) is not None:
            await ask.reply(await auth_method(self.rooms.users, ask))
        elif ask.method == "channels.publish":
            await ask.reply(await channels.publish(self.rooms.buncast, ask))
        elif ask.method == "enqueue":
            await ask.reply(await jobs.enqueue(self.queue, self.warn, ask))
        elif ask.method == "fetch":
            await self.fetcher.answer(ask, read(ask.args, FetchRequest), await self.all_values(ask.deployment))
        else:
            raise UnknownHostCall(
                f"BunBase has no host call {ask.method[:80]!r}: the runtime and the server have different versions."
            )
