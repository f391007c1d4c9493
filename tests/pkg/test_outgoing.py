"""Requests to servers whose addresses come from a stranger."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bunbase.pkg import outgoing, resolver
from bunbase.pkg.outgoing import Outgoing, RequestFailed
from bunbase.pkg.resolver import LOOK_UPS_PER_PROJECT, MAX_LOOK_UPS, SystemResolver

OTHERS = MAX_LOOK_UPS // LOOK_UPS_PER_PROJECT  # These other projects use all threads for look-ups.


class NameServer:
    """A name server that answers only when the test allows it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = threading.Event()

    def look_up(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        self.answers.wait()
        return ["10.0.0.1"]


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> NameServer:
    server, threads = NameServer(), SystemResolver(30.0)
    monkeypatch.setattr(resolver, "_look_up", server.look_up)
    monkeypatch.setattr("socket.getaddrinfo", lambda host, port, *_, **__: server.look_up(host, port))
    monkeypatch.setattr(outgoing, "resolver", lambda: threads)
    return server


async def test_a_slow_name_server_takes_no_thread_of_other_work_and_few_of_its_own(name_server: NameServer) -> None:
    alone, projects = Outgoing((), 30.0), [Outgoing((), 30.0) for _ in range(OTHERS)]
    asked = [(alone, "alone.example")] * 3 * LOOK_UPS_PER_PROJECT
    asked += [(one, "tarpit.example") for one in projects for _ in range(LOOK_UPS_PER_PROJECT)]
    waiting = [asyncio.create_task(one.get(f"https://{host}/", {})) for one, host in asked]
    try:
        async with asyncio.timeout(20):
            while len(name_server.asked) < MAX_LOOK_UPS:
                await asyncio.sleep(0.01)
            assert await asyncio.to_thread(lambda: "done") == "done"
        assert name_server.asked.count("alone.example") == LOOK_UPS_PER_PROJECT
    finally:
        name_server.answers.set()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(one) for one in ended} == {RequestFailed}
    for one in (*projects, alone):
        await one.close()
