"""The definition of a room as a Module: the contract it provides, the contracts it needs, and how it opens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.mail.settings import MailSettings
from bunbase.pkg.rpc.admission import Scope
from bunbase.pkg.rpc.tokens import ServiceTokens

T = TypeVar("T")

NO_MAIL: Final = MailSettings()


class Rooms:
    """The services that a process can call, by contract. A room in another process is represented by a proxy."""

    def __init__(self, services: Mapping[type, Any] | None = None) -> None:
        self.services = dict(services or {})

    def __getitem__(self, contract: type[T]) -> T:
        service: T = self.services[contract]
        return service

    def __contains__(self, contract: type) -> bool:
        return contract in self.services

    def later(self, contract: type[T]) -> T:
        """Return a room of `Module.calls`. If this process cannot reach the room, each call raises Unreachable."""
        service: T = self.services.get(contract, LaterRoom(_unreachable))
        return service

    def add(self, contract: type, service: Any) -> None:
        self.services[contract] = service


class LaterRoom:
    """A room that may open later than the room that calls it.

    Each call looks the room up, so two rooms may call each other.

    `find` returns the service, or raises Unreachable if the room has not opened yet.
    """

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)


def _unreachable() -> Any:
    raise Unreachable("This process cannot reach the room.")


def _untold(_token: str) -> None:
    """Ignore the setup token. This is the default."""


@dataclass(frozen=True)
class Site:
    """The values that a process passes to each of its rooms.

    `database_url`: empty if no room of the process needs PostgreSQL.
    `tell_setup_token`: a function that shows the token for the first account to the person who started the process.
    `functions_host`: the wildcard for the hosts of projects, or empty.
    `mail`: the settings with which the rooms send mail.
    """

    mode: str  # This is "dev" or "production".
    data_dir: Path
    database_url: str
    public_url: str
    service_tokens: ServiceTokens
    clock: Clock
    tell_setup_token: Callable[[str], None] = _untold
    functions_host: str = ""
    mail: MailSettings = NO_MAIL

    @property
    def dev(self) -> bool:
        return self.mode == "dev"


Open = Callable[[Any, Rooms, Site], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True)
class Module:
    """The definition of a room.

    `provides`: the contract of its service. `needs`: the contracts of the rooms that must open before this room.
    `calls`: the contracts of rooms that may open later, because this room calls them only while it serves.
    `open(settings, rooms, site)`: returns a context manager that yields the service.
    `routes`: the handlers that the gateway mounts. The handlers use only the contract, so the room may run in any
    process.
    `fast_routes`: the routes that the gateway may answer without the web framework (`contracts/fast_routes.py`).
    `scope`: checks the arguments of calls from other processes, in addition to the check of the method's name.
    """

    name: str
    provides: type
    needs: tuple[type, ...]
    settings: type[msgspec.Struct]
    open: Open
    routes: Sequence[Any] = ()
    fast_routes: Sequence[Any] = ()
    needs_database: bool = True
    scope: Scope | None = None
    calls: tuple[type, ...] = ()

    @property
    def callees(self) -> tuple[type, ...]:
        """The contracts of all rooms that this room calls."""
        return (*self.needs, *self.calls)


def opening_order(modules: Iterable[Module]) -> list[Module]:
    """Return the modules in an order in which each module comes after the modules that it needs.

    Raises: ValueError for a cycle.
    """
    by_contract = {module.provides: module for module in modules}
    order: list[Module] = []
    path: list[str] = []

    def visit(module: Module) -> None:
        if module in order:
            return
        if module.name in path:
            raise ValueError(" needs ".join([*path[path.index(module.name) :], module.name]))
        path.append(module.name)
        for need in module.needs:
            if need in by_contract:
                visit(by_contract[need])
        path.pop()
        order.append(module)

    for module in by_contract.values():
        visit(module)
    return order
