"""Open a room for a test, in this process or behind a real internal port on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from bunbase.contracts.caller import Caller, CallerKind, Developer, EndUser, Role
from bunbase.pkg.clock import Clock, SystemClock
from bunbase.pkg.mail.settings import MailSettings
from bunbase.pkg.modules import Module, Rooms, Site
from bunbase.pkg.rpc.client import RpcConnections, remote
from bunbase.pkg.rpc.dispatch import Dispatcher, methods_of
from bunbase.pkg.rpc.room_keys import derived_keys
from bunbase.pkg.rpc.server import RpcApp
from bunbase.pkg.rpc.tokens import Passport, ServiceTokens
from bunbase.pkg.serve import listen, serving

SECRET = "a service secret for tests, and for tests only"
TESTS = "tests"  # This is the name of the calling room.
# The names are written out, because an import of the modules takes 0.7 s in each process that a test starts.
ROOMS = ("bunkms", "bunauth", "platform", "tenant_auth", "bundoc", "buncast", "storage", "functions", "gateway")
TOKENS = ServiceTokens(derived_keys([SECRET], (TESTS, *ROOMS), ()))

ANYONE = Caller(CallerKind.ANONYMOUS, ip="127.0.0.1", agent="tests")


def site(data_dir: Path, database_url: str = "", clock: Clock | None = None, mail: MailSettings | None = None) -> Site:
    url, mail = "http://127.0.0.1:7070", mail or MailSettings()
    return Site("dev", data_dir, database_url, url, TOKENS, clock or SystemClock(), mail=mail)


def secret_caller(project: str, user: EndUser | None = None) -> Caller:
    return Caller(CallerKind.SECRET, project=project, user=user, ip="127.0.0.1")


def publishable_caller(project: str, user: EndUser | None = None) -> Caller:
    return Caller(CallerKind.PUBLISHABLE, project=project, user=user, ip="127.0.0.1")


def member_caller(project: str, role: Role = Role.OWNER, id: str = "usr_ada") -> Caller:
    developer = Developer(id, "ada@example.com", admin=False, session="ses_ada")
    return Caller(CallerKind.DEVELOPER, project=project, developer=developer, role=role, ip="127.0.0.1")


def to_anyone(_by: Passport, _method: str, _arguments: Mapping[str, Any]) -> None:
    """Admit every call: contract tests call every method, and `tests/house/test_callers.py` checks who may call it."""


@asynccontextmanager
async def opened(
    module: Module,
    rooms: Rooms,
    where: Site,
    topology: str = "local",
    settings: msgspec.Struct | None = None,
) -> AsyncIterator[Any]:
    """Yield the service of a room (topology "local") or a client that calls it over HTTP ("remote")."""
    async with module.open(settings or module.settings(), rooms, where) as service:
        if topology == "local":
            yield service
            return
        app = RpcApp(Dispatcher(methods_of(module.name, module.provides, service), to_anyone), TOKENS)
        async with serving(app, listen("127.0.0.1", 0)) as address:
            line = RpcConnections(address, TOKENS)
            try:
                yield remote(module.name, module.provides, line, TESTS)
            finally:
                await line.close()
