"""Looks up host names in separate threads, so that a slow name server does not delay other work that needs threads.

A person who chooses a host name also chooses its name server, which may be slow on purpose. asyncio's own `getaddrinfo`
uses the few threads of `to_thread`, in which the documents of all projects are read.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

MAX_LOOK_UPS: Final = 64
# A project runs at most this many look-ups, because a slow name server occupies threads.
LOOK_UPS_PER_PROJECT: Final = 4


class NameNotFound(Exception):
    """The name has no address, or no name server answered in time."""


class Resolver(Protocol):
    async def addresses(self, host: str, port: int, turns: asyncio.Semaphore) -> list[str]:
        """Return the IP addresses of a host, the best first. `turns`: limits the concurrent look-ups of a project.

        Raises: NameNotFound.
        """
        ...

    def close(self) -> None: ...


class SystemResolver:
    """Looks up names like other programs of this machine: in /etc/hosts and with the system's name servers.

    `name`: the name of the threads.
    """

    def __init__(self, seconds: float, name: str = "dns") -> None:
        self.seconds = seconds
        self.threads = ThreadPoolExecutor(MAX_LOOK_UPS, name)

    async def addresses(self, host: str, port: int, turns: asyncio.Semaphore) -> list[str]:
        try:
            async with asyncio.timeout(self.seconds):
                await turns.acquire()
                return await asyncio.shield(self._begin(host, port, turns))
        except (OSError, UnicodeError, TimeoutError) as error:
            raise NameNotFound(f"{host} has no address that could be found: {error or 'no answer in time'}.") from None

    def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, host: str, port: int, turns: asyncio.Semaphore) -> asyncio.Future[list[str]]:
        """Look up in a thread. The turn ends when the thread is free again, even if the caller has already left."""

        def on_done(look_up: asyncio.Future[list[str]]) -> None:
            turns.release()
            # This reads the exception. If the caller has left, asyncio would otherwise log an exception that nobody has
            # read.
            _ = look_up.cancelled() or look_up.exception()

        look_up = asyncio.get_running_loop().run_in_executor(self.threads, _look_up, host, port)
        look_up.add_done_callback(on_done)
        return look_up


class FixedResolver:
    """A fake for tests. Each look-up of a name returns its next answer, and repeats the last answer in the end."""

    def __init__(self, names: dict[str, list[list[str]]]) -> None:
        self.names = names
        self.asked: list[str] = []

    async def addresses(self, host: str, port: int, turns: asyncio.Semaphore) -> list[str]:
        self.asked.append(host)
        answers = self.names.get(host)
        if not answers:
            raise NameNotFound(f"{host} has no address.")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def close(self) -> None: ...


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
