"""Where asks arrive: each goes to whom it concerns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from bunbase.contracts.bundoc import Bundoc
from bunbase.contracts.host_calls import UnknownHostCall
from bunbase.contracts.tenant_auth import TenantAuth
from bunbase.functions.egress.fetcher import Fetcher
from bunbase.functions.egress.hops import Asked
from bunbase.functions.host_calls import auth, data, jobs
from bunbase.functions.host_calls.arguments import read
from bunbase.functions.triggers.queue import Queue
from bunbase.functions.workers.asks import Ask
from bunbase.functions.workers.deployment import Deployment

Variables = Callable[[Deployment], Awaitable[Mapping[str, str]]]


class Desk:
    """`variables` gives a deployment's environment, secrets included: they are filled in here, never sent.

    `warn(project, function, text)` writes into a function's log.
    """

    def __init__(
        self, bundoc: Bundoc, users: TenantAuth, fetcher: Fetcher, variables: Variables, queue: Queue, warn: jobs.Warn
    ) -> None:
        self.bundoc = bundoc
        self.users = users
        self.fetcher = fetcher
        self.variables = variables
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
        """Wait for what was cancelled when the workers ended, then let go of the network."""
        for task in self.under_way:
            task.cancel()
        await asyncio.gather(*self.under_way, return_exceptions=True)
        await self.fetcher.close()

    async def _answer(self, ask: Ask) -> None:
        if (of_data := data.METHODS.get(ask.method)) is not None:
            await ask.reply(await of_data(self.bundoc, ask, read(ask.args, data.Where)))
        elif (of_auth := auth.METHODS.get(ask.method)) is not None:
            await ask.reply(await of_auth(self.users, ask))
        elif ask.method == "enqueue":
            await ask.reply(await jobs.enqueue(self.queue, self.warn, ask))
        elif ask.method == "fetch":
            await self.fetcher.answer(ask, read(ask.args, Asked), await self.variables(ask.deployment))
        else:
            raise UnknownHostCall(
                f"There is no {ask.method[:80]!r}; the runtime and BunBase are of different versions."
            )
