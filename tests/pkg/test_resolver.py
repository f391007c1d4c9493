"""DNS look-ups that never end delay only the project that causes them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bunbase.pkg import resolver as resolver_module
from bunbase.pkg.resolver import LOOK_UPS_PER_PROJECT, NameNotFound, SystemResolver
from tests.pkg.waiting import eventually


async def test_a_project_whose_name_servers_never_answer_does_not_delay_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = threading.Event()

    def look_up(host: str, port: int) -> list[str]:
        if host == "tarpit.test":
            answer.wait()
        return ["192.0.2.1"]

    monkeypatch.setattr(resolver_module, "_look_up", look_up)
    monkeypatch.setattr(resolver_module, "MAX_LOOK_UPS", LOOK_UPS_PER_PROJECT + 1)
    impatient, resolver = SystemResolver(0.05), SystemResolver(15)
    impatient.threads = resolver.threads
    hostile, other = asyncio.Semaphore(LOOK_UPS_PER_PROJECT), asyncio.Semaphore(LOOK_UPS_PER_PROJECT)
    try:
        given_up = [impatient.addresses("tarpit.test", 443, hostile) for _ in range(LOOK_UPS_PER_PROJECT * 3)]
        assert all(isinstance(one, NameNotFound) for one in await asyncio.gather(*given_up, return_exceptions=True))

        assert await resolver.addresses("api.test", 443, other) == ["192.0.2.1"]
        assert hostile.locked()  # No caller waits any more, but the threads are still busy.
    finally:
        answer.set()
    await eventually(lambda: not hostile.locked())
    resolver.close()
