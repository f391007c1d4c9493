"""The record of a request: two metrics and one line in the log, the same for both lanes."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, Final

from bunbase.contracts.caller import Caller
from bunbase.pkg import metrics
from bunbase.pkg.log_lines import Line

QUIET: Final = frozenset({"/api/health", "/api/ready", "/metrics"})
KNOWN_LINES: Final = 4096  # This many prepared log lines are cached: one per route, status and caller.


def record(method: str, route: str, status: int, seconds: float, request_id: str, caller: Caller | None) -> None:
    _answered(method, route, status).add(seconds)
    if route not in QUIET:
        _line(method, route, status, *_who(caller)).write(round(seconds * 1000, 2), request_id)


_answered: Final = cache(metrics.http_requests.of)  # The cache stays small because there are few labels.


@lru_cache(KNOWN_LINES)
def _line(method: str, route: str, status: int, kind: str, id: str, project: str, act: str) -> Line:
    fields: dict[str, Any] = {"status": status}
    if kind:
        fields["caller"] = f"{kind} {id}".rstrip()
    if project:
        fields["project"] = project
    if act:
        fields["by"] = act
    return Line("gateway", f"{method} {route}", fields)


def _who(caller: Caller | None) -> tuple[str, str, str, str]:
    """Return the values that the log has about a caller: kind, id, project, and the one who acts in the caller's place.

    The values contain ids, never an IP address or an email address.
    """
    if caller is None:
        return "", "", "", ""
    id = caller.developer.id if caller.developer else caller.user.uid if caller.user else ""
    return caller.kind, id, caller.project, caller.act
