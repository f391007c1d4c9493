"""The route of live connections."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec

from bunbase.contracts.caller import Caller
from bunbase.gateway.credentials import sender_of, sent_once
from bunbase.gateway.live.problems import LiveOriginRefused
from bunbase.gateway.live.server import LiveServer
from bunbase.gateway.live.socket import SUBPROTOCOL, SocketOutlet, SocketReceiver
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.http1.switching import switching
from bunbase.pkg.websocket.connection import WebSocket
from bunbase.pkg.websocket.handshake import UpgradeRequired, accept_handshake

TAGS: Final = ["Live queries"]


class LiveDoor:
    """The decision which connections may become live. `allowed`: True for an origin whose pages may connect."""

    def __init__(self, server: LiveServer, trusted_proxies: Container[str], allowed: Callable[[str], bool]) -> None:
        self.server = server
        self.trusted_proxies = trusted_proxies
        self.allowed = allowed

    def open_socket(self, request: Request[Any, Any, Any]) -> tuple[tuple[str, str], ...]:
        """Let the connection become a WebSocket. Return the headers of the answer 101.

        Raises: LiveOriginRefused, UpgradeRequired, TooManyLiveConnections, Malformed.
        """
        origin = self._origin(request)
        connection = switching(request.scope)
        if connection is None:
            raise UpgradeRequired("Open a WebSocket over HTTP/1.1, and send nothing before its handshake is done.")
        headers = accept_handshake(request.scope["headers"], (SUBPROTOCOL,))
        sender = sender_of(request, self.trusted_proxies)
        self.server.admission.check(sender.ip)

        def opened(socket: WebSocket) -> SocketReceiver:
            return SocketReceiver(self.server, self.server.begin(SocketOutlet(socket), sender, origin))

        connection.switch_to(WebSocket(self.server.settings.max_message_bytes, opened))
        return headers

    def _origin(self, request: Request[Any, Any, Any]) -> str | None:
        """Return the origin of the page that connects, None if it is no page. Raises: LiveOriginRefused, Malformed."""
        origin = sent_once(request.headers, "origin")
        if not origin:
            return None
        own = urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
        if not own and not self.allowed(origin):
            raise LiveOriginRefused(f"Add the page's origin to gateway.cors_origins: {origin[:100]}.")
        return origin


@get(
    "/v1/live",
    summary="Open a live connection",
    tags=TAGS,
    cache_control=NO_STORE,
    status_code=101,
    responses={101: ResponseSpec(None, generate_examples=False, description="The connection is a WebSocket now.")},
)
async def open_live(
    anyone: Injected[Caller], live_door: Injected[LiveDoor], request: Request[Any, Any, Any]
) -> Response[None]:
    """Opens a WebSocket with the subprotocol `bunbase.live.v1`. Its first message has the project's key.

    The messages are described in the protocol of live queries and channels.
    """
    headers = live_door.open_socket(request)
    return Response(None, headers=dict(headers))
