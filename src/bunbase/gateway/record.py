"""What stays of a request: two metrics and one line in the log, the same from both lanes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from bunbase.contracts.caller import Caller
from bunbase.pkg import metrics
from bunbase.pkg.log_lines import LogLines

QUIET: Final = frozenset({"/api/health", "/api/ready", "/metrics"})

lines: Final = LogLines("gateway")


def record(method: str, route: str, status: int, seconds: float, request_id: str, caller: Caller | None) -> None:
    count, observe = _series(method, route, status)
    count()
    observe(seconds)
    if route not in QUIET:
        fields = {"status": status, "duration_ms": round(seconds * 1000, 2), **_who(caller)}
        lines.info(f"{method} {route}", fields, request_id)


@cache
def _series(method: str, route: str, status: int) -> tuple[Callable[[], None], Callable[[float], None]]:
    """Labels are few (pkg/metrics.py), and looking a series up costs more than counting in it."""
    requests = metrics.http_requests.labels(method, route, status)
    return requests.inc, metrics.http_seconds.labels(method, route).observe


def _who(caller: Caller | None) -> dict[str, str]:
    """Give what the log says of the caller: ids, never an address or an email."""
    if caller is None:
        return {}
    id = caller.developer.id if caller.developer else caller.user.uid if caller.user else ""
    who = f"{caller.kind.value} {id}".rstrip()
    return {"caller": who, "project": caller.project} if caller.project else {"caller": who}
