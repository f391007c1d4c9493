"""Compute the answer's headers in the opening handshake of a WebSocket from the request's headers (RFC 6455 §4.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, InvalidUpgrade, NegotiationError
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.utils import accept_key

from bunbase.pkg.errors import Malformed, Problem

PATH: Final = "/"  # The library needs a path, but does not use it.
CONNECTIONS: Final = frozenset({b"upgrade", b"keep-alive, upgrade", b"upgrade, keep-alive"})
KEY: Final = re.compile(rb"[A-Za-z0-9+/]{22}==")  # Matches 16 bytes in base64.
OFFERED: Final = re.compile(r"[A-Za-z0-9._-]+(?:, ?[A-Za-z0-9._-]+)*")


class UpgradeRequired(Problem):
    status, code, title = 426, "upgrade_required", "This route needs a WebSocket"

    def headers(self) -> dict[str, str]:
        return super().headers() | {"upgrade": "websocket", "connection": "Upgrade"}


def accept_handshake(
    headers: Iterable[tuple[bytes, bytes]], subprotocols: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Return the headers of the answer 101 to a GET request of HTTP/1.1.

    A client that offers no subprotocol gets none. A client that offers only unknown subprotocols is refused.
    Raises: UpgradeRequired, Malformed.
    """
    server = ServerProtocol(
        subprotocols=[Subprotocol(name) for name in subprotocols], select_subprotocol=_first_supported
    )
    sent = Headers([(str(name, "latin-1"), str(value, "latin-1")) for name, value in headers])
    try:
        accept, _, subprotocol = server.process_request(Request(PATH, sent))
    except InvalidUpgrade:
        raise UpgradeRequired("Send Upgrade: websocket and Connection: Upgrade, or use another transport.") from None
    except InvalidHandshake as error:
        raise Malformed(f"The handshake of the WebSocket is not valid: {error}.") from None
    answer = (("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", accept))
    return answer if subprotocol is None else (*answer, ("sec-websocket-protocol", subprotocol))


def usual_handshake(headers: Mapping[bytes, bytes], subprotocol: str) -> list[tuple[bytes, bytes]] | None:
    """Return the headers of the answer 101 to a usual handshake of a browser. For None, `accept_handshake` decides.

    This function is for thousands of clients that reconnect at once. The function takes 4 µs, and `accept_handshake`
    takes 60 µs.
    `headers`: the headers, with names in lower case. The request has each of them only once.
    """
    key = headers.get(b"sec-websocket-key", b"")
    if (
        headers.get(b"upgrade", b"").lower() != b"websocket"
        or headers.get(b"connection", b"").lower() not in CONNECTIONS
        or headers.get(b"sec-websocket-version") != b"13"
        or not KEY.fullmatch(key)
    ):
        return None
    answer = [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-accept", accept_key(str(key, "ascii")).encode()),
    ]
    if b"sec-websocket-protocol" not in headers:
        return answer
    offered = str(headers[b"sec-websocket-protocol"], "latin-1")
    if not OFFERED.fullmatch(offered) or subprotocol not in offered.replace(" ", "").split(","):
        return None
    return [*answer, (b"sec-websocket-protocol", subprotocol.encode())]


def _first_supported(server: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    supported = server.available_subprotocols or ()
    for name in offered:
        if name in supported:
            return name
    if offered:
        raise NegotiationError(f"offer the subprotocol {', '.join(supported)}")
    return None
