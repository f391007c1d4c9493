"""Tickets: each works once, for a limited time, and one caller cannot use up the tickets of others."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.contracts.caller import Caller, EndUser
from bunbase.gateway.live.problems import LiveTicketInvalid, TooManyLiveTickets
from bunbase.gateway.live.settings import LiveSettings
from bunbase.gateway.live.sign_in import Offered
from bunbase.gateway.live.tickets import TICKET_SECONDS, Tickets
from tests.rooms import publishable_caller, secret_caller

OFFERED = Offered("pk_x", "token", "")


class Hands:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def caller(project: str = "prj_a", user: str = "", ip: str = "192.0.2.1") -> Caller:
    signed_in = EndUser(user, None, "user", {}, "ses_1") if user else None
    return msgspec.structs.replace(publishable_caller(project, signed_in), ip=ip)


def tickets(clock: Hands | None = None, **limits: Any) -> Tickets:
    return Tickets(LiveSettings(**limits), {"203.0.113.7"}, clock or Hands())


def taken(waiting: Tickets, one: Caller, most: int) -> TooManyLiveTickets:
    """Make tickets until the limit of this caller. Return the refusal of the next ticket."""
    for _ in range(most):
        waiting.make(OFFERED, one)
    with pytest.raises(TooManyLiveTickets) as refused:
        waiting.make(OFFERED, one)
    assert refused.value.extra["limit"] == most
    return refused.value


def test_a_user_who_takes_all_tickets_leaves_those_of_others() -> None:
    waiting = tickets(max_connections_per_user=3)

    refused = taken(waiting, caller(user="eve"), 3)

    assert "of this user" in refused.detail
    assert waiting.make(OFFERED, caller(user="ada"))
    assert waiting.make(OFFERED, caller("prj_b", user="eve"))


def test_an_address_without_users_leaves_tickets_to_other_addresses() -> None:
    waiting = tickets(max_connections_per_address=3)

    refused = taken(waiting, caller(), 3)

    assert "from this address" in refused.detail
    assert waiting.make(OFFERED, caller(ip="192.0.2.2"))


def test_neighbours_in_one_network_of_ipv6_count_as_one_address() -> None:
    waiting = tickets(max_connections_per_address=2)
    waiting.make(OFFERED, caller(ip="2001:db8::1"))
    waiting.make(OFFERED, caller(ip="2001:db8::2"))

    with pytest.raises(TooManyLiveTickets):
        waiting.make(OFFERED, caller(ip="2001:db8::3"))


def test_a_trusted_proxy_has_no_limit_of_its_own() -> None:
    waiting = tickets(max_connections_per_address=1)

    for _ in range(5):
        waiting.make(OFFERED, caller(ip="203.0.113.7"))


def test_a_project_with_many_addresses_leaves_tickets_to_other_projects() -> None:
    waiting = tickets(max_connections_per_project=4)
    for number in range(4):
        waiting.make(OFFERED, caller(ip=f"192.0.2.{number}"))

    with pytest.raises(TooManyLiveTickets, match="of this project"):
        waiting.make(OFFERED, caller(ip="192.0.2.99"))
    with pytest.raises(TooManyLiveTickets, match="of this project"):
        waiting.make(OFFERED, secret_caller("prj_a"))

    assert waiting.make(OFFERED, caller("prj_b"))


def test_a_few_projects_leave_tickets_to_another_project() -> None:
    clock = Hands()
    waiting = tickets(clock, max_connections=12, max_connections_per_project=4)

    taken(waiting, secret_caller("prj_a"), 4)
    taken(waiting, secret_caller("prj_b"), 4)
    taken(waiting, secret_caller("prj_c"), 2)
    assert waiting.make(OFFERED, caller("prj_d"))

    clock.now += TICKET_SECONDS
    taken(waiting, secret_caller("prj_c"), 4)


def test_used_and_old_tickets_make_room() -> None:
    clock = Hands()
    waiting = tickets(clock, max_connections_per_user=2)
    first, second = waiting.make(OFFERED, caller(user="ada")), waiting.make(OFFERED, caller(user="ada"))

    assert waiting.spend(first) == OFFERED
    waiting.make(OFFERED, caller(user="ada"))
    clock.now += TICKET_SECONDS
    waiting.make(OFFERED, caller(user="ada"))

    assert len(waiting.waiting) == 1
    for ticket in (first, second):
        with pytest.raises(LiveTicketInvalid):
            waiting.spend(ticket)
    clock.now += TICKET_SECONDS
    with pytest.raises(LiveTicketInvalid):
        waiting.spend("unknown")
    tallies = (waiting.users, waiting.addresses, waiting.projects, waiting.total)
    assert [tally.counts for tally in tallies] == [{}, {}, {}, {}]


def test_a_refused_ticket_counts_nowhere() -> None:
    waiting = tickets(max_connections_per_user=1)
    taken(waiting, caller(user="eve"), 1)

    assert waiting.total.counts[None] == 1
