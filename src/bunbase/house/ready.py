"""What a process depends on, and how to ask it."""

from __future__ import annotations

from bunbase.contracts.functions import Functions
from bunbase.house.build import House
from bunbase.pkg.db.database import ping
from bunbase.pkg.ready import Check, Readiness
from bunbase.pkg.rpc.client import Line


def readiness(house: House, database_url: str) -> Readiness:
    """Check PostgreSQL where a room here uses it, every room that runs elsewhere; say what confines functions here."""
    checks: dict[str, Check] = {}
    if database_url:
        checks["postgres"] = lambda: ping(database_url)
    if Functions in house.rooms and "functions" not in house.lines:
        checks["functions"] = lambda: _confined(house.rooms[Functions])
    for room, line in house.lines.items():
        checks[room] = _asking(line)
    return Readiness(checks)


def _asking(line: Line) -> Check:
    return lambda: line.ask("/api/ready")


async def _confined(functions: Functions) -> str:
    layers = await functions.sandbox_layers()
    return f"confined by {', '.join(layers)}" if layers else "not confined: only functions.sandbox = off runs functions"
