from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import httpx
import msgspec
import pytest

from bunbase.contracts.functions.service import Functions
from bunbase.house.build import House, open_rooms
from bunbase.house.internal import internal_app
from bunbase.house.modules import MODULES
from bunbase.house.ready import SEND_MAIL, readiness
from bunbase.pkg import ready as ready_module
from bunbase.pkg.db.database import ping
from bunbase.pkg.mail.settings import MailSettings
from bunbase.pkg.modules import Module, Rooms, Site
from bunbase.pkg.ready import Readiness
from bunbase.pkg.rpc.client import RpcConnections
from bunbase.pkg.rpc.room_keys import derived_keys
from bunbase.pkg.rpc.tokens import ServiceTokens
from bunbase.pkg.serve import listen, serving
from tests.rooms import SECRET, site


class Confined:
    def __init__(self, *layers: str) -> None:
        self.layers = layers

    async def sandbox_layers(self) -> tuple[str, ...]:
        return self.layers


@pytest.mark.parametrize(
    ("functions", "detail"),
    [
        (Confined("landlock", "seccomp"), "confined by landlock, seccomp"),
        (Confined(), "not confined: functions run only with functions.sandbox = off"),
    ],
)
async def test_readiness_names_the_sandbox_layers_of_functions(functions: Confined, detail: str) -> None:
    house = House(Rooms({Functions: functions}))

    answer, good = await readiness(house, "").report()

    assert good
    assert answer["checks"] == {"functions": {"status": "ok", "detail": detail}}


@pytest.mark.parametrize(
    ("mail", "detail"),
    [
        (MailSettings(), "not configured: set mail.host"),
        (MailSettings(host="smtp.example.com"), "sent by smtp.example.com:587"),
    ],
)
async def test_readiness_says_whether_mail_is_configured(mail: MailSettings, detail: str) -> None:
    """Without mail, the process is ready too. Only the details for operators differ."""
    answer, good = await readiness(House(here=frozenset({"bunauth"})), "", mail).report()
    elsewhere, _ = await readiness(House(here=frozenset({"bundoc"})), "", mail).report()

    assert good
    assert answer["checks"] == {"mail": {"status": "ok", "detail": detail}}
    assert elsewhere["checks"] == {}


def test_the_rooms_that_send_mail_are_those_with_a_mailbox_in_dev_mode() -> None:
    assert {module.name for module in MODULES if hasattr(module.provides, "dev_mails")} == SEND_MAIL


class Nothing(msgspec.Struct, frozen=True):
    """No settings."""


def ring(size: int) -> tuple[Module, ...]:
    """Return the rooms `needed<n>` and `needing<n>` for each process n; `needing<n>` needs `needed<n+1>`."""

    @asynccontextmanager
    async def opening(_settings: Nothing, _rooms: Rooms, _site: Site) -> AsyncIterator[object]:
        yield object()

    needed = [type(f"Needed{number}", (Protocol,), {}) for number in range(size)]
    needing = [type(f"Needing{number}", (Protocol,), {}) for number in range(size)]
    return (
        *(Module(f"needed{number}", needed[number], (), Nothing, opening) for number in range(size)),
        *(Module(f"needing{n}", needing[n], (needed[(n + 1) % size],), Nothing, opening) for n in range(size)),
    )


@pytest.mark.parametrize("size", [2, 5])
async def test_readiness_of_processes_that_need_each_other_makes_one_call_per_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Such a check once passed from process to process forever. Now a process asks its peer at most once a second."""
    asked: list[str] = []
    ask = RpcConnections.ask

    async def counted(line: RpcConnections, path: str, seconds: float, caller: str, room: str) -> None:
        asked.append(line.address)
        await ask(line, path, seconds, caller, room)

    monkeypatch.setattr(RpcConnections, "ask", counted)
    monkeypatch.setattr(ready_module, "SHARED_SECONDS", 3600.0)  # The whole test counts as one second.
    modules = ring(size)
    tokens = ServiceTokens(derived_keys([SECRET], [module.name for module in modules], ()))
    here = replace(site(tmp_path), service_tokens=tokens)
    async with AsyncExitStack() as stack, httpx.AsyncClient(trust_env=False, timeout=30) as http:
        listeners = [listen("127.0.0.1", 0) for _ in range(size)]
        addresses = [f"http://127.0.0.1:{one.getsockname()[1]}" for one in listeners]
        peers = {f"needed{number}": address for number, address in enumerate(addresses)}
        for number, listener in enumerate(listeners):
            targets = (f"needed{number}", f"needing{number}")
            opening = open_rooms(targets, lambda _: Nothing(), here, peers, modules)
            house = await stack.enter_async_context(opening)
            app = internal_app(house, tokens, readiness(house, ""), {})
            await stack.enter_async_context(serving(app, listener))

        answers = await asyncio.gather(*(http.get(f"{address}/api/ready") for address in addresses * 20))

    assert {answer.status_code for answer in answers} == {200}
    assert sorted(asked) == sorted(addresses)


@contextmanager
def silent_postgres() -> Iterator[tuple[str, socket.socket]]:
    """Yield the URL and the socket of a server that accepts connections like PostgreSQL but never answers."""
    with listen("127.0.0.1", 0) as listener:
        listener.setblocking(False)
        yield f"postgresql://ada@127.0.0.1:{listener.getsockname()[1]}/bunbase", listener


def connections(listener: socket.socket) -> int:
    """Close all accepted connections and return their number."""
    count = 0
    try:
        while True:
            listener.accept()[0].close()
            count += 1
    except BlockingIOError:
        return count


async def test_three_hundred_readiness_requests_make_one_connection_while_postgresql_is_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each check waits until its deadline."""
    monkeypatch.setattr(ready_module, "OWN_SECONDS", 0.2)
    with silent_postgres() as (url, listener):
        checks = readiness(House(), url)
        answers = await asyncio.gather(*(checks.report(details=False) for _ in range(300)))
        made = connections(listener)

    assert all(
        answer == ({"status": "unavailable", "checks": {"postgres": {"status": "unavailable"}}}, False)
        for answer in answers
    )
    assert made == 1


async def test_three_hundred_readiness_requests_make_one_connection_to_postgresql(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """300 clients once used up all hundred connections, and the load balancer removed the server."""
    pinged = []

    async def counted(url: str) -> None:
        pinged.append(url)
        await ping(url)

    monkeypatch.setattr("bunbase.house.ready.ping", counted)
    checks: Readiness = readiness(House(), database_url)

    answers = await asyncio.gather(*(checks.report() for _ in range(300)))

    assert all(good for _, good in answers)
    assert pinged == [database_url]
