"""Tickets: a page that cannot send headers opens a live connection with a ticket instead of key and token.

A ticket stands for a future connection, so the limits on connections also hold for tickets, which are counted
separately. One user, project or address cannot use up the tickets of all others, and neither can a few projects
together (`admission.py`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Container, Hashable
from typing import Final

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.gateway.live.admission import Tally
from bunbase.gateway.live.problems import LiveTicketInvalid, TooManyLiveTickets
from bunbase.gateway.live.settings import LiveSettings
from bunbase.gateway.live.sign_in import Offered
from bunbase.pkg.ip_addresses import neighbourhood
from bunbase.pkg.shares import Shares

TICKET_SECONDS: Final = 30
RETRY_SECONDS: Final = 5


class Ticket(msgspec.Struct, frozen=True):
    """An unused ticket. `until`: the time at which the ticket expires. `counted`: the tallies that count the ticket,
    each with the name under which it counts the ticket. `project`: the project whose share includes the ticket.
    """

    until: float
    offered: Offered
    counted: tuple[tuple[Tally, Hashable], ...]
    project: str


class Tickets:
    """The tickets of this process.

    The tickets are in memory, so another process, or a new process, does not accept them.

    `unlimited`: addresses for which the limit per address does not apply.
    """

    def __init__(
        self, settings: LiveSettings, unlimited: Container[str] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.unlimited = unlimited
        self.clock = clock
        self.waiting: dict[str, Ticket] = {}  # The oldest tickets come first.
        self.users = Tally(settings.max_connections_per_user, "of this user")
        self.addresses = Tally(settings.max_connections_per_address, "from this address")
        self.projects = Tally(settings.max_connections_per_project, "of this project")
        self.total = Tally(settings.max_connections, "in total")
        self.shares = Shares(settings.max_connections)
        self.shared = settings.max_connections_per_project < settings.max_connections

    def make(self, offered: Offered, caller: Caller) -> str:
        """Return a new ticket for the credentials of a caller, which were checked. Raises: TooManyLiveTickets."""
        self._forget_old()
        counted = self._counted(caller)
        for tally, name in counted:
            if not tally.has_room(name):
                message = f"{tally.most} tickets {tally.of} wait to be used. Use them, or try again in some seconds."
                raise TooManyLiveTickets(message, limit=tally.most, retry_after_seconds=RETRY_SECONDS)
        if self.shared and not self.shares.allows(caller.project):
            message = (
                "As many tickets of this project wait to be used as there are places left. Use them, or try again."
            )
            raise TooManyLiveTickets(
                message, limit=self.shares.by_user[caller.project], retry_after_seconds=RETRY_SECONDS
            )
        for tally, name in counted:
            tally.enter(name)
        self.shares.add(caller.project)
        ticket = secrets.token_urlsafe(24)
        self.waiting[ticket] = Ticket(self.clock() + TICKET_SECONDS, offered, counted, caller.project)
        return ticket

    def spend(self, ticket: str) -> Offered:
        """Return the credentials of a ticket, which works once. Raises: LiveTicketInvalid."""
        self._forget_old()
        found = self._taken(ticket)
        if found is None:
            raise LiveTicketInvalid(f"Get another ticket: it works once, for {TICKET_SECONDS} seconds.")
        return found.offered

    def _counted(self, caller: Caller) -> tuple[tuple[Tally, Hashable], ...]:
        """Return the tallies of a caller. The narrowest tally is first, because its refusal is the most exact."""
        counted: list[tuple[Tally, Hashable]] = [(self.projects, caller.project), (self.total, None)]
        if caller.ip not in self.unlimited:
            counted.insert(0, (self.addresses, neighbourhood(caller.ip)))
        user = caller.user.uid if caller.user else caller.developer.id if caller.developer else ""
        if user:
            counted.insert(0, (self.users, (caller.project, user)))
        return tuple(counted)

    def _forget_old(self) -> None:
        now = self.clock()
        while self.waiting and self.waiting[oldest := next(iter(self.waiting))].until <= now:
            self._taken(oldest)

    def _taken(self, ticket: str) -> Ticket | None:
        found = self.waiting.pop(ticket, None)
        if found is not None:
            for tally, name in found.counted:
                tally.leave(name)
            self.shares.remove(found.project)
        return found
