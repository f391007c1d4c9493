"""Open the rooms of this process, and make a proxy for each needed room that runs in another process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import msgspec

from bunbase.house.callers import CALLERS
from bunbase.house.modules import GATEWAY, MODULES
from bunbase.pkg.errors import CannotStart, Unreachable
from bunbase.pkg.logger import logger
from bunbase.pkg.modules import LaterRoom, Module, Rooms, Site, opening_order
from bunbase.pkg.rpc.admission import Scope, Table, admission
from bunbase.pkg.rpc.client import RpcConnections, remote
from bunbase.pkg.rpc.dispatch import Dispatcher, Method, methods_of

log = logger("house")

OPENING_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.2  # the first pause between two attempts; each later pause is twice as long
MAX_PAUSE_SECONDS: Final = 2.0  # the longest pause; a longer one would only delay the start
LOG_AGAIN_SECONDS: Final = 5.0  # the shortest interval between log lines with the same reason for waiting


@dataclass
class House:
    """The rooms that one process of an installation runs or calls.

    `rooms`: every room that the gateway calls, by contract. `methods`: the methods that other processes may call here.
    `scopes`: the checks of the arguments of these calls, by room.
    `lines`: connections to the rooms in other processes, by room. `here`: the names of the rooms in this process.
    `callers`: for each room in another process, the names of the rooms here that call that room.
    """

    rooms: Rooms = field(default_factory=Rooms)
    methods: dict[str, Method] = field(default_factory=dict)
    scopes: dict[str, Scope] = field(default_factory=dict)
    lines: dict[str, RpcConnections] = field(default_factory=dict)
    here: frozenset[str] = frozenset()
    callers: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def dispatcher(self, table: Table = CALLERS) -> Dispatcher:
        return Dispatcher(self.methods, admission(table, self.scopes))

    def rooms_of(self, module: Module, modules: Sequence[Module]) -> Rooms:
        """Return the rooms that `module` calls. The calls to other processes carry the name of `module`."""
        needed = {other.provides: self._room(other, module) for other in modules if other.provides in module.needs}
        later = {
            other.provides: LaterRoom(partial(self._room, other, module))
            for other in modules
            if other.provides in module.calls
        }
        return Rooms({**needed, **later})

    def _room(self, other: Module, caller: Module) -> Any:
        """Return the room `other` for `caller`: the room itself or a client.

        Raises: Unreachable if the room has not opened yet.
        """
        if other.name in self.lines:
            return remote(other.name, other.provides, self.lines[other.name], caller.name)
        if other.provides not in self.rooms:
            raise Unreachable(f"{other.name} has not opened yet.")
        return self.rooms[other.provides]


@asynccontextmanager
async def open_rooms(
    targets: Sequence[str],
    settings_of: Callable[[str], Any],
    site: Site,
    peers: dict[str, str],
    modules: Sequence[Module] = MODULES,
) -> AsyncIterator[House]:
    """Open the rooms in `targets`, each after the rooms it needs; close them in reverse.

    Raises: CannotStart, if a needed room is not in `targets` and has no address in `peers`.
    """
    house = House(here=frozenset(targets))
    needed = needed_by(targets, modules)
    async with AsyncExitStack() as stack:
        for module in opening_order(modules):
            if module.name in targets:
                rooms = house.rooms_of(module, modules)
                service = await _opened(module, settings_of(module.name), rooms, site, stack)
                house.methods |= methods_of(module.name, module.provides, service)
                if module.scope is not None:
                    house.scopes[module.name] = module.scope
            elif module.provides in needed:
                line = RpcConnections(_address(module.name, peers), site.service_tokens)
                stack.push_async_callback(line.close)
                house.lines[module.name] = line
                house.callers[module.name] = _callers(module, targets, modules)
                service = remote(module.name, module.provides, line, GATEWAY)
            else:
                continue
            house.rooms.add(module.provides, service)
        yield house


async def _opened(module: Module, settings: Any, rooms: Rooms, site: Site, stack: AsyncExitStack) -> Any:
    """Open a room. If it cannot reach another room or PostgreSQL, try again for up to a minute.

    Because of this, the processes of an installation may start in any order. Raises: Unreachable.
    """
    until = time.monotonic() + OPENING_SECONDS
    said = Said()
    pause = PAUSE_SECONDS
    while True:
        try:
            return await stack.enter_async_context(module.open(settings, rooms, site))
        except Unreachable as absent:
            if time.monotonic() > until:
                raise
            said.waits(module.name, absent)
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE_SECONDS)


class Said:
    """Logs the reason why a room waits: a new reason at once, the same reason at most every few seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.last = ("", 0.0)

    def waits(self, room: str, absent: Unreachable) -> None:
        reason, at = self.last
        if absent.detail == reason and self.now() - at < LOG_AGAIN_SECONDS:
            return
        self.last = (absent.detail, self.now())
        missing = "PostgreSQL" if absent.detail.startswith("PostgreSQL ") else "another room"
        log.warning(f"waiting for {missing}", room=room, reason=absent.detail)


def needed_by(targets: Sequence[str], modules: Sequence[Module] = MODULES) -> set[type]:
    """Return the contracts of the rooms that `targets` call."""
    if GATEWAY in targets:
        return {module.provides for module in modules}
    return {callee for module in modules if module.name in targets for callee in module.callees}


def _callers(called: Module, targets: Sequence[str], modules: Sequence[Module]) -> tuple[str, ...]:
    needing = [module.name for module in modules if module.name in targets and called.provides in module.callees]
    return (*needing, GATEWAY) if GATEWAY in targets else tuple(needing)


def _address(room: str, peers: dict[str, str]) -> str:
    try:
        return peers[room]
    except KeyError:
        example = msgspec.json.encode({room: "http://127.0.0.1:7071"}).decode()
        raise CannotStart(
            f"{room} is needed but does not run in this process: set its address, BUNBASE_HOUSE__PEERS='{example}'"
        ) from None
