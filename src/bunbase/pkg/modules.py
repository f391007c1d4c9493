"""Rooms as modules: what each provides and needs, in which order they open, and what a process gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bunbase.pkg.clock import Clock
from bunbase.pkg.rpc.admission import Scope
from bunbase.pkg.rpc.tokens import ServiceTokens

T = TypeVar("T")


class Rooms:
    """The rooms a process can call, by contract: opened here, or a stand-in for one that runs elsewhere."""

    def __init__(self, services: Mapping[type, Any] | None = None) -> None:
        self.services = dict(services or {})

    def __getitem__(self, contract: type[T]) -> T:
        service: T = self.services[contract]
        return service

    def __contains__(self, contract: type) -> bool:
        return contract in self.services

    def add(self, contract: type, service: Any) -> None:
        self.services[contract] = service


def _untold(_token: str) -> None:
    """Nobody watches this process."""


@dataclass(frozen=True)
class Site:
    """Things that a process hands to each of its rooms. `database_url` is empty where no room needs PostgreSQL.

    `tell_setup_token`: shows the token that the first account needs to whoever started the process. `functions_host`:
    the wildcard of the projects' own hosts, or empty.
    """

    mode: str  # "dev" or "production"
    data_dir: Path
    database_url: str
    public_url: str
    service_tokens: ServiceTokens
    clock: Clock
    tell_setup_token: Callable[[str], None] = _untold
    functions_host: str = ""

    @property
    def dev(self) -> bool:
        return self.mode == "dev"


Open = Callable[[Any, Rooms, Site], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True)
class Module:
    """A room: its contract, the contracts it calls, its settings, how it opens, and its public HTTP routes.

    `open(settings, rooms, site)` yields the service while it is open. `routes` are the handlers to mount at the
    front door: they reach the service through the contract alone, so they work wherever the room runs. `fast_routes`:
    those of them that the gateway may answer without the web framework (`contracts/fast_routes.py`). `scope`: looks at
    the arguments of calls from other processes, where the name of the method is not enough.
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


def opening_order(modules: Iterable[Module]) -> list[Module]:
    """Sort modules so that each comes after the ones it needs. Raises ValueError naming a cycle."""
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
