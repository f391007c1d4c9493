"""What a process depends on, and how to ask it."""

from __future__ import annotations

from bunbase.house.build import House
from bunbase.pkg.db.database import ping
from bunbase.pkg.ready import Check, Readiness
from bunbase.pkg.rpc.client import Line


def readiness(house: House, database_url: str) -> Readiness:
    """Check PostgreSQL where a room here uses it, and every room that runs elsewhere."""
    checks: dict[str, Check] = {}
    if database_url:
        checks["postgres"] = lambda: ping(database_url)
    for room, line in house.lines.items():
        checks[room] = _asking(line)
    return Readiness(checks)


def _asking(line: Line) -> Check:
    return lambda: line.ask("/api/ready")
