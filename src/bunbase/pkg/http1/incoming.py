"""The interface through which a route changes the deadline of its request's body and learns that the server stops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from bunbase.pkg.errors import Problem

EXTENSION: Final = "bunbase.incoming"


class Incoming(Protocol):
    """One request. The deadline of its body is `Limits.read_seconds`, unless the route changes it with a method."""

    def may_be_silent(self, seconds: float, late: Problem) -> None:
        """Do not limit the total time of the body. If no data arrives for `seconds`, `receive` raises `late`."""

    def keeps_own_time(self) -> None:
        """Set no deadline, because the route limits the time itself."""

    def is_counted_elsewhere(self) -> None:
        """Stop counting this connection in the limits of the port. The connection closes after the answer."""

    def limit_unacknowledged(self, seconds: float) -> None:
        """End the connection if the client's machine does not acknowledge data of this answer for `seconds`."""

    def limit_kernel_buffer(self, bytes: int) -> None:
        """Let the kernel hold at most `bytes` that it has not sent yet. The limit lasts until the connection ends."""

    def client_left(self) -> bool:
        """True if the connection has ended. Then `send` does nothing, so a long answer must ask this itself."""

    def when_stopping(self, act: Callable[[], None]) -> None:
        """Call `act` when the server stops, if the answer is not complete by then. If the server is already stopping,
        call `act` at once.
        """


class _Unbound:
    """Does nothing. This class is used if another server than BunBase's own serves the app."""

    def may_be_silent(self, seconds: float, late: Problem) -> None:
        pass

    def keeps_own_time(self) -> None:
        pass

    def is_counted_elsewhere(self) -> None:
        pass

    def limit_unacknowledged(self, seconds: float) -> None:
        pass

    def limit_kernel_buffer(self, bytes: int) -> None:
        pass

    def client_left(self) -> bool:
        return False

    def when_stopping(self, act: Callable[[], None]) -> None:
        pass


def incoming(scope: Mapping[str, Any]) -> Incoming:
    """Return the object that controls this ASGI request."""
    found: Incoming = scope.get("extensions", {}).get(EXTENSION) or _Unbound()
    return found
