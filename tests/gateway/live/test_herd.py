"""Thousands of clients connect again within a second, and the server tells them when to try again.

The clock is simulated, so each case takes milliseconds. The simulated clients follow the same rules as bunbase-js.
"""

from __future__ import annotations

import random
from heapq import heappop, heappush
from itertools import count

import msgspec
import pytest

from bunbase.gateway.credentials import Sender
from bunbase.gateway.live.admission import Admission
from bunbase.gateway.live.beginnings import FULL_AFTER_SECONDS, LEAST_SECONDS, MIN_LOOK, MOST_SECONDS
from bunbase.gateway.live.problems import TooManyLiveConnections
from bunbase.gateway.live.settings import LiveSettings

ADDRESS = "127.0.0.1"  # This is the address of a proxy before the server.
SIGN_IN_SECONDS = 0.05
CLOSE_SECONDS = 0.1  # The client has answered the close frame after this time.


class Arrived:
    """A connection from an address. `ended`: true if another connection has taken its place."""

    def __init__(self, address: str) -> None:
        self.sender = Sender(address, "")
        self.ended = False

    def make_room(self) -> None:
        self.ended = True


class Herd(msgspec.Struct):
    """The clients that come back. `attempts`: the handshakes of all clients.

    `refused`: the handshakes for which there was no place at all. `last`: the seconds until the last client was
    connected.
    """

    attempts: int = 0
    refused: int = 0
    last: float = 0.0


def came_back(clients: int, settings: LiveSettings, within: float = 1.0, newcomers: int = 0, seed: int = 1) -> Herd:
    """Simulate clients that connect again within some seconds, and then new clients at a constant rate."""
    dice, now, numbers = random.Random(seed), 0.0, count()
    admission = Admission(settings, {ADDRESS}, lambda: now)
    herd = Herd()
    # The entries have the time, a number, the event, and the number of earlier failures.
    queue: list[tuple[float, int, str, int]] = []
    open_now: dict[int, Arrived] = {}
    for _ in range(clients):
        heappush(queue, (dice.random() * within, next(numbers), "comes", 0))
    for number in range(newcomers):
        heappush(queue, (within + number / 100, next(numbers), "comes", 0))
    while queue:
        now, number, what, failures = heappop(queue)
        if what == "known":
            admission.introduce(open_now[number])
        elif what == "turned away":
            admission.end(open_now[number])
        else:
            herd.attempts += 1
            try:
                admission.check(ADDRESS)
            except TooManyLiveConnections:
                herd.refused += 1
                pause = dice.random() * min(1.0 * 2**failures, 10.0)
                heappush(queue, (now + pause, next(numbers), "comes", failures + 1))
                continue
            number = next(numbers)
            open_now[number] = arrived = Arrived(ADDRESS)
            after = admission.begin(arrived)
            if after:
                heappush(queue, (now + CLOSE_SECONDS, number, "turned away", 0))
                again = now + after + dice.random() * 0.05
                heappush(queue, (again, next(numbers), "comes", failures))
            else:
                herd.last = now
                heappush(queue, (now + SIGN_IN_SECONDS, number, "known", 0))
    assert len(admission.strangers) == 0
    assert admission.total.counts[None] == clients + newcomers
    return herd


@pytest.mark.parametrize(("clients", "seed"), [(500, 1), (2000, 2), (5000, 3), (9000, 4)])
def test_each_client_of_a_herd_comes_twice_at_most(clients: int, seed: int) -> None:
    settings = LiveSettings()

    herd = came_back(clients, settings, seed=seed)

    assert herd.attempts <= 2.05 * clients
    assert herd.refused == 0
    assert herd.last <= clients / settings.begins_per_second + 2


def test_newcomers_do_not_delay_a_herd_much() -> None:
    settings = LiveSettings()

    herd = came_back(5000, settings, newcomers=500)

    assert herd.attempts <= 2.5 * 5500
    assert herd.last <= 5500 / settings.begins_per_second + 3


def test_fewer_clients_than_begin_in_a_second_begin_at_once() -> None:
    herd = came_back(LiveSettings().begins_per_second, LiveSettings(), within=0.0)

    assert (herd.attempts, herd.last) == (LiveSettings().begins_per_second, 0.0)


def test_no_client_is_told_to_wait_for_longer_than_a_bound() -> None:
    admission = Admission(LiveSettings(begins_per_second=1, max_connections=1_000_000), {ADDRESS}, lambda: 0.0)
    for _ in range(1000):
        admission.begin(Arrived(ADDRESS))

    told = [admission.begin(Arrived(ADDRESS)) for _ in range(1000)]

    assert 1.0 <= min(told) <= max(told) <= MOST_SECONDS
    assert len(set(told)) > 900, "they would all come at the same time"


def test_one_address_uses_up_neither_the_beginnings_of_all_nor_their_times_to_come_back() -> None:
    """In this test, a client without a key opens and closes connections in a loop."""
    now = 0.0
    admission, began = Admission(LiveSettings(), (), lambda: now), 0
    for number in range(40_000):  # This makes 4,000 a second.
        now = number / 4000
        again = Arrived("203.0.113.7")
        began += not admission.begin(again)
        admission.end(again)
    told = [admission.begin(again) for _ in range(100)]

    assert began <= 2 * LiveSettings().max_connections_per_address + 1
    assert LEAST_SECONDS <= min(told) <= max(told) <= FULL_AFTER_SECONDS
    assert [admission.begin(Arrived(f"192.0.2.{other}")) for other in range(50)] == [0.0] * 50


def test_the_beginnings_of_an_address_are_forgotten_when_all_of_them_may_begin_again() -> None:
    now = 0.0
    admission = Admission(LiveSettings(begins_per_second=1_000_000), (), lambda: now)
    for number in range(20_000):
        now = number / 1000
        again = Arrived(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        admission.begin(again)
        admission.end(again)

    assert len(admission.begins_of_addresses.buckets) <= 2 * MIN_LOOK


def test_silent_connections_of_a_few_addresses_make_room_for_others() -> None:
    settings = LiveSettings(max_unauthenticated=40, max_connections_per_address=20)
    admission = Admission(settings, (), lambda: 0.0)
    silent = [Arrived(f"203.0.113.{number % 2}") for number in range(40)]
    assert [admission.begin(one) for one in silent] == [0.0] * 40

    others = [Arrived(f"192.0.2.{number}") for number in range(20)]
    assert [admission.begin(one) for one in others] == [0.0] * 20

    assert [one.ended for one in silent] == [True] * 20 + [False] * 20, "the oldest ones end first"
    assert not any(one.ended for one in others)
    assert admission.begin(Arrived("203.0.113.0")) > 0, "an address takes no place of an address that has no more"
