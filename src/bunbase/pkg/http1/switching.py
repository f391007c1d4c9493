"""The hand-over of a connection to another protocol, after a request with `Upgrade: websocket` (RFC 9110 §7.8).

The app decides whether to switch. Until the app has answered, nothing more is read from the connection. If the app
calls `switch_to` and answers 101, the connection belongs to the other protocol. From then on, the owner of that
protocol counts and limits the connection, and `connections.py` no longer counts it. With any other answer, the
connection continues as HTTP.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from bunbase.pkg.http1.head import Headers
from bunbase.pkg.http1.incoming import EXTENSION

WEBSOCKET: Final = b"websocket"
SWITCHING: Final = 101
# The answer 101 contains the headers with these prefixes.
SENT_ON: Final = (b"upgrade", b"connection", b"sec-websocket-", b"x-request-id")


class SwitchedProtocol(asyncio.Protocol):
    """A protocol that takes over a connection.

    The protocol calls `left` at the end, so that the port forgets the connection.
    """

    left: Callable[[], None]

    @abstractmethod
    def shutdown(self) -> None:
        """End the connection soon, because the server stops."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.left()


class Switching(Protocol):
    """One request that asks for another protocol."""

    @property
    def can_switch(self) -> bool:
        """True if no data has arrived after the head.

        For such data, it would be unclear which protocol must read it.
        """
        ...

    def switch_to(self, protocol: SwitchedProtocol) -> None:
        """Hand the connection over as soon as the app has answered 101."""
        ...


def switching(scope: Mapping[str, Any]) -> Switching | None:
    """Return the object that hands the connection over, or None if the request cannot switch."""
    found: Any = scope.get("extensions", {}).get(EXTENSION)
    return found if found is not None and found.can_switch else None


def asks_for_websocket(version: str, headers: Headers) -> bool:
    """True for a request that may become a WebSocket. `headers`: the headers with names in lower case."""
    return version == "1.1" and any(name == b"upgrade" and value.lower() == WEBSOCKET for name, value in headers)


def switching_head(headers: Headers, common: Headers) -> bytes:
    """Return the answer 101 with the headers of the app that belong to it. `common`: the headers of every answer."""
    kept = [pair for pair in headers if pair[0].lower().startswith(SENT_ON)]
    return b"HTTP/1.1 101 Switching Protocols\r\n%b\r\n" % b"".join([b"%b: %b\r\n" % pair for pair in (*common, *kept)])
