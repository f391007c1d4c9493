"""Decide which requests may open a live connection, and over which transport."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, Final

from litestar import Request

from bunbase.contracts.caller import Caller
from bunbase.gateway.credentials import Sender, sender_of, sent_once
from bunbase.gateway.live.events import HEADERS, MEDIA_TYPE, EventOutlet
from bunbase.gateway.live.http_lines import Arrival, HttpLines
from bunbase.gateway.live.http_outlet import HttpOutlet
from bunbase.gateway.live.problems import EventsNotAccepted, LiveOriginRefused
from bunbase.gateway.live.server import LiveServer
from bunbase.gateway.live.sign_in import offered_by
from bunbase.gateway.live.socket import SUBPROTOCOL, SocketOutlet, SocketReceiver
from bunbase.pkg.closing_stream import ClosingStream
from bunbase.pkg.http1.incoming import incoming
from bunbase.pkg.http1.switching import switching
from bunbase.pkg.own_pages import is_own_page
from bunbase.pkg.websocket.connection import MAX_WAITING_BYTES, WebSocket
from bunbase.pkg.websocket.handshake import UpgradeRequired, accept_handshake

UNACKNOWLEDGED_SECONDS: Final = 20.0  # A client that acknowledges nothing for this long counts as gone.

AnyRequest = Request[Any, Any, Any]


class LiveDoor:
    """Opens live connections. `allowed`: a function that returns True for an origin whose pages may connect.

    `lines`: the connections that are not WebSockets.
    """

    def __init__(self, server: LiveServer, trusted_proxies: Container[str], allowed: Callable[[str], bool]) -> None:
        self.server = server
        self.trusted_proxies = trusted_proxies
        self.allowed = allowed
        self.lines = HttpLines(server)

    def open_socket(self, request: AnyRequest) -> tuple[tuple[str, str], ...]:
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
        connection.switch_to(self.socket(sender, origin))
        return headers

    def socket(self, sender: Sender, origin: str | None) -> WebSocket:
        """Return the protocol that takes a connection over. The session of the connection begins at that moment."""

        def opened(socket: WebSocket) -> SocketReceiver:
            return SocketReceiver(self.server, self.server.begin(SocketOutlet(socket), sender, origin))

        return WebSocket(self.server.settings.max_message_bytes, opened, UNACKNOWLEDGED_SECONDS)

    def is_welcome(self, origin: str | None, host: str) -> bool:
        """True if a page of this origin may connect; None for a request that no page sent."""
        return not origin or is_own_page(origin, host) or self.allowed(origin)

    def arrival(self, request: AnyRequest, ticket: str = "") -> Arrival:
        """Return the sender and the credentials of a request. With a ticket, return the credentials for which the
        ticket was made.

        Raises: LiveOriginRefused, LiveTicketInvalid, InvalidToken, InvalidKey, Malformed.
        """
        origin = self._origin(request)
        offers = self.lines.tickets
        offered = offers.spend(ticket) if ticket else offered_by(request.headers, request.query_params)
        return Arrival(sender_of(request, self.trusted_proxies), origin, offered)

    def ticket_for(self, request: AnyRequest, caller: Caller) -> str:
        """Return a ticket for the credentials of a request, which belong to this caller.

        Raises: the problems of `arrival`, TooManyLiveTickets.
        """
        return self.lines.tickets.make(self.arrival(request).offered, caller)

    def stream(self, request: AnyRequest, outlet: EventOutlet) -> ClosingStream:
        """Return the answer that carries the messages of a connection."""
        connection = incoming(request.scope)
        connection.limit_unacknowledged(UNACKNOWLEDGED_SECONDS)
        connection.limit_kernel_buffer(MAX_WAITING_BYTES)
        connection.is_counted_elsewhere()  # `admission` counts this connection.
        self.end_at_stop(request, outlet)
        return ClosingStream(outlet, MEDIA_TYPE, HEADERS)

    def end_at_stop(self, request: AnyRequest, outlet: HttpOutlet) -> None:
        """Tell the client in the answer of this request that the server stops."""
        incoming(request.scope).when_stopping(lambda: self.server.shut(outlet.session))

    def _origin(self, request: AnyRequest) -> str | None:
        """Return the origin of the page that connects, or None if a program without a page connects. Raises:
        LiveOriginRefused, Malformed.
        """
        origin = sent_once(request.headers, "origin")
        if not origin:
            return None
        if not self.is_welcome(origin, request.headers.get("host", "")):
            raise LiveOriginRefused(f"Add the page's origin to gateway.cors_origins: {origin[:100]}.")
        return origin


def accepts_events(request: AnyRequest) -> bool:
    return MEDIA_TYPE in request.headers.get("accept", "").lower()


def need_events(request: AnyRequest) -> None:
    """Check that the client accepts events. Raises: EventsNotAccepted."""
    if not accepts_events(request):
        raise EventsNotAccepted("Send the header Accept: text/event-stream, and read the answer as it comes.")
