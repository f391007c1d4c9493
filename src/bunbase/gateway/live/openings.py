"""Decides which openings of WebSockets the fast lane takes, from the bytes of a request head and without the framework.

None does not refuse a request, but sends it to the ordinary lane (`routes.open_live`), which contains all refusals. So
this file returns None for everything unusual: another spelling of the path, a parameter, a header sent twice, an origin
that is not allowed, a limit that is reached.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.gateway.credentials import Sender, sender_in
from bunbase.gateway.live.door import LiveDoor
from bunbase.gateway.live.events import MEDIA_TYPE
from bunbase.gateway.live.socket import SUBPROTOCOL
from bunbase.pkg.http1.head import Headers, is_host
from bunbase.pkg.websocket.connection import WebSocket
from bunbase.pkg.websocket.handshake import usual_handshake

METHOD: Final = b"GET"
PATH: Final = b"/v1/live"
READ: Final = frozenset(
    b"host origin user-agent x-request-id x-forwarded-for accept upgrade connection sec-websocket-key "
    b"sec-websocket-version sec-websocket-protocol sec-websocket-extensions".split()
)
UNUSUAL: Final = frozenset(b"content-length transfer-encoding expect".split())
OURS: Final = b"x-bunbase-"  # Only the ordinary lane handles headers with this prefix.
EVENTS: Final = MEDIA_TYPE.encode()
AT_ONCE: Final = 32  # One iteration of the loop opens at most this many connections, which takes about 5 ms.


class Opening(msgspec.Struct, frozen=True):
    """A request that the fast lane answers with 101. `answer`: the headers of the handshake."""

    answer: Headers
    sender: Sender
    origin: str | None
    request_id: bytes | None

    @property
    def caller(self) -> Caller:
        """The caller for the log. The caller is anonymous, because the key comes later, with the first message."""
        return self.sender.caller(CallerKind.ANONYMOUS)


class Openings:
    """Decides which requests to open. Spreads them over iterations of the event loop, so that others are served too.

    `turns`: the number of iterations in which something was opened.
    """

    def __init__(self, door: LiveDoor) -> None:
        self.door = door
        self.at_once = AT_ONCE
        self.waiting: deque[Callable[[], None]] = deque()
        self.left = self.at_once
        self.turns = 0

    def opening(self, method: bytes, url: bytes, sent: Sequence[tuple[bytes, bytes]], peer: str) -> Opening | None:
        """Return the opening, or None for the ordinary lane. `sent`: all headers, with their names in lower case."""
        if url != PATH or method != METHOD:
            return None
        headers: dict[bytes, bytes] = {}
        for name, value in sent:
            if name in READ:
                if name in headers:
                    return None
                headers[name] = value
            elif name in UNUSUAL or name.startswith(OURS):
                return None
        if not is_host(headers.get(b"host", PATH)) or EVENTS in headers.get(b"accept", b"").lower():
            return None
        answer = usual_handshake(headers, SUBPROTOCOL)
        origin = str(headers.get(b"origin", b""), "latin-1") or None
        if answer is None or not self.door.is_welcome(origin, str(headers[b"host"], "latin-1")):
            return None
        sender = sender_in(headers, peer, self.door.trusted_proxies)
        opening = Opening(answer, sender, origin, headers.get(b"x-request-id"))
        return opening if self.has_room(opening) else None

    def has_room(self, opening: Opening) -> bool:
        """True if the limits allow this connection now. Other connections may begin while it waits for its turn."""
        return self.door.server.admission.has_room(opening.sender.ip)

    def socket(self, opening: Opening) -> WebSocket:
        return self.door.socket(opening.sender, opening.origin)

    def soon(self, act: Callable[[], None]) -> None:
        """Open the connection now, or in a later iteration if this iteration has opened enough connections."""
        if self.left == self.at_once:
            self._count_turn()
        if self.left and not self.waiting:
            self.left -= 1
            act()
        else:
            self.waiting.append(act)

    def _count_turn(self) -> None:
        self.turns += 1
        asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self.left = self.at_once
        if self.waiting:
            self._count_turn()
        while self.waiting and self.left:
            self.left -= 1
            self.waiting.popleft()()
