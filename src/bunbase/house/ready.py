"""What a process depends on, and how to ask it."""

from __future__ import annotations

import asyncio
from typing import Final

from bunbase.contracts.functions import Functions
from bunbase.house.build import House
from bunbase.pkg.db.database import ping
from bunbase.pkg.ready import OTHERS_SECONDS, Check, Readiness

OWN_READY: Final = "/api/ready/own"  # on internal ports: what a process uses itself


def readiness(house: House, database_url: str) -> Readiness:
    """Check PostgreSQL where a room here uses it, every room that runs elsewhere; say what confines functions here."""
    own: dict[str, Check] = {}
    if database_url:
        own["postgres"] = lambda: ping(database_url)
    if Functions in house.rooms and "functions" not in house.lines:
        own["functions"] = lambda: _confined(house.rooms[Functions])
    return Readiness(own, {room: _asking(room, house) for room in house.lines})


def _asking(room: str, house: House) -> Check:
    """Ask in the name of each room here that calls the other: one that is refused there cannot work."""
    line, callers = house.lines[room], house.callers[room]

    async def ask() -> None:
        await asyncio.gather(*(line.ask(OWN_READY, OTHERS_SECONDS, caller, room) for caller in callers))

    return ask


async def _confined(functions: Functions) -> str:
    layers = await functions.sandbox_layers()
    return f"confined by {', '.join(layers)}" if layers else "not confined: only functions.sandbox = off runs functions"
