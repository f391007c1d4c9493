"""Live connections over HTTP requests (server-sent events and long polling). Each connection has a name."""

from __future__ import annotations

import asyncio
import hmac
import random
from collections.abc import Sequence
from time import perf_counter
from typing import Final, TypeVar

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.gateway.credentials import Sender
from bunbase.gateway.live.events import EventOutlet
from bunbase.gateway.live.http_outlet import HttpOutlet
from bunbase.gateway.live.polling import PollOutlet
from bunbase.gateway.live.problems import TooManyLiveConnections, UnknownLiveConnection
from bunbase.gateway.live.server import LiveServer
from bunbase.gateway.live.sign_in import Offered
from bunbase.gateway.live.signing import enter
from bunbase.gateway.live.tickets import Tickets
from bunbase.pkg.errors import InvalidInput, TooLarge

# This limits the work in one iteration of the loop, because a request may have a thousand messages.
TURN_SECONDS: Final = 0.002

Kind = TypeVar("Kind", bound=HttpOutlet)


class Arrival(msgspec.Struct, frozen=True):
    """A request and its credentials. `origin`: the origin of the page that has sent the request; None if no page has
    sent it.
    """

    sender: Sender
    origin: str | None
    offered: Offered


class HttpLines:
    """`named`: the open connections, by the secret name that the message `hello` contains."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.named: dict[str, HttpOutlet] = {}
        self.tickets = Tickets(server.settings, server.admission.unlimited)

    async def open_events(self, arrival: Arrival, sent: Sequence[bytes], resume: str) -> EventOutlet:
        """Open a connection whose messages are a stream of events. Raises: the problems of `_open`."""
        return await self._open(EventOutlet(self._end), arrival, sent, resume)

    async def open_poll(self, arrival: Arrival, sent: Sequence[bytes], resume: str) -> PollOutlet:
        """Open a connection whose client polls. Raises: the problems of `_open`."""
        return await self._open(PollOutlet(self._end), arrival, sent, resume)

    def find(self, name: str, caller: Caller) -> HttpOutlet:
        """Return the connection of this name, if this caller has opened it. Raises: UnknownLiveConnection."""
        outlet = self.named.get(name)
        signed = outlet.session.signed if outlet is not None else None
        known = hmac.compare_digest(identity_of(signed.caller if signed else None), identity_of(caller))
        if outlet is None or not known:
            raise UnknownLiveConnection("Open the connection again, and send everything again.")
        return outlet

    def find_poll(self, name: str, caller: Caller) -> PollOutlet:
        """Return the connection of this name, if its client polls. Raises: UnknownLiveConnection."""
        outlet = self.find(name, caller)
        if not isinstance(outlet, PollOutlet):
            raise UnknownLiveConnection(
                "You cannot poll this connection, because it was opened as an event stream. "
                "Read its events from the stream."
            )
        return outlet

    async def receive(self, outlet: HttpOutlet, sent: Sequence[bytes]) -> None:
        """Handle messages of a client. Raises: InvalidInput, TooLarge."""
        self.check(sent)
        outlet.session.count(len(sent))
        await self._take(outlet, sent)

    def check(self, sent: Sequence[bytes]) -> None:
        """Check the messages of a client. Raises: InvalidInput, TooLarge."""
        most = self.server.settings.max_message_bytes
        for index, message in enumerate(sent):
            if not message.startswith(b"{"):
                raise InvalidInput.at(f"/send/{index}", "A message is a JSON object.")
            if len(message) > most:
                raise TooLarge(f"A message has at most {most} bytes: /send/{index} has {len(message)}.")

    async def _open(self, outlet: Kind, arrival: Arrival, sent: Sequence[bytes], resume: str) -> Kind:
        """Open a connection.

        Raises: the problems of `SignIn.check`, TooManyLiveConnections, InvalidInput, TooLarge.
        """
        self.check(sent)
        sender, server = arrival.sender, self.server
        server.admission.check(sender.ip)
        session = outlet.session = server.begin(outlet, sender, arrival.origin)
        try:
            if session.closed:
                after = random.randint(1, 3)  # noqa: S311  spreads load
                raise TooManyLiveConnections("Too many connections begin now.", retry_after_seconds=after)
            await enter(session, arrival.offered, resume)
            # The rate of new connections has its own limit, so these messages are not counted.
            await self._take(outlet, sent)
        except BaseException:
            outlet.end()
            raise
        if not outlet.ended:
            self.named[session.id] = outlet
        return outlet

    async def _take(self, outlet: HttpOutlet, sent: Sequence[bytes]) -> None:
        """Let the session handle messages. In between, other connections get a turn."""
        began = perf_counter()
        for message in sent:
            outlet.session.receive(message)
            if perf_counter() - began > TURN_SECONDS:
                await asyncio.sleep(0)
                began = perf_counter()

    def _end(self, outlet: HttpOutlet) -> None:
        self.named.pop(outlet.session.id, None)
        self.server.end(outlet.session)


def identity_of(caller: Caller | None) -> bytes:
    """Return the project, key and user of a caller."""
    if caller is None:
        return b""
    user = caller.user.uid if caller.user else caller.developer.id if caller.developer else ""
    return "\n".join((caller.project, caller.key, user)).encode()
