"""Tickets: a page that cannot send headers opens a live connection with one, in place of key and token."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Final

from bunbase.gateway.live.problems import LiveTicketInvalid, TooManyLiveTickets
from bunbase.gateway.live.sign_in import Offered

TICKET_SECONDS: Final = 30
MAX_TICKETS: Final = 10_000


class Tickets:
    """They are in the memory of this process: another process, or this one after a restart, does not know them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.offers: dict[str, tuple[float, Offered]] = {}  # the oldest first

    def make(self, offered: Offered) -> str:
        """Return a new ticket for these credentials. Raises: TooManyLiveTickets."""
        now = self.clock()
        while self.offers and next(iter(self.offers.values()))[0] <= now:
            del self.offers[next(iter(self.offers))]
        if len(self.offers) >= MAX_TICKETS:
            raise TooManyLiveTickets("Too many tickets wait: try again in some seconds.", retry_after_seconds=5)
        ticket = secrets.token_urlsafe(24)
        self.offers[ticket] = now + TICKET_SECONDS, offered
        return ticket

    def spend(self, ticket: str) -> Offered:
        """Return the credentials of a ticket, which works once. Raises: LiveTicketInvalid."""
        until, offered = self.offers.pop(ticket, (0.0, None))
        if offered is None or until <= self.clock():
            raise LiveTicketInvalid(f"Get another ticket: it works once, for {TICKET_SECONDS} seconds.")
        return offered
