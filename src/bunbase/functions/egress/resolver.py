"""Names to addresses, in threads of their own: a slow name server must not hold up whoever else needs a thread."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

MAX_LOOK_UPS: Final = 16


class NameNotFound(Exception):
    """The name has no address, or nobody could say in time."""


class Resolver(Protocol):
    async def addresses(self, host: str, port: int) -> list[str]:
        """Give the IP addresses of a host, best first. Raises: NameNotFound."""
        ...

    def close(self) -> None: ...


class SystemResolver:
    """Asks as every program of this machine does (/etc/hosts, the system's name servers)."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.threads = ThreadPoolExecutor(MAX_LOOK_UPS, "functions-dns")

    async def addresses(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        look_up = loop.run_in_executor(self.threads, _look_up, host, port)
        try:
            async with asyncio.timeout(self.seconds):
                return await look_up
        except (OSError, UnicodeError, TimeoutError) as error:
            raise NameNotFound(f"{host} has no address that could be found: {error or 'no answer in time'}.") from None

    def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)


class FixedResolver:
    """A shipped fake: each look-up of a name takes the next of its answers, the last one for good."""

    def __init__(self, names: dict[str, list[list[str]]]) -> None:
        self.names = names
        self.asked: list[str] = []

    async def addresses(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answers = self.names.get(host)
        if not answers:
            raise NameNotFound(f"{host} has no address.")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def close(self) -> None: ...


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
