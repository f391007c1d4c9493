"""A route may say that the body of its request streams, and for how long it may then be silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from bunbase.pkg.errors import Problem

EXTENSION: Final = "bunbase.incoming"


class Incoming(Protocol):
    """The body of one request. Unless its route says otherwise it must be there in time (`Limits.read_seconds`)."""

    def may_be_silent(self, seconds: float, late: Problem) -> None:
        """Let the body take any time as long as it never pauses for `seconds`; `receive` raises `late` then."""

    def keeps_own_time(self) -> None:
        """Leave the time to the route."""


class _Unbound:
    """Where another server than ours serves the app."""

    def may_be_silent(self, seconds: float, late: Problem) -> None:
        pass

    def keeps_own_time(self) -> None:
        pass


def incoming(scope: Mapping[str, Any]) -> Incoming:
    """Return what times the body of this ASGI request."""
    found: Incoming = scope.get("extensions", {}).get(EXTENSION) or _Unbound()
    return found
