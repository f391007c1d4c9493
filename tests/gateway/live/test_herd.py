"""Thousands of clients connect again within a second, and the server tells them when to try again.

The clock is simulated, so each case takes milliseconds. The simulated clients follow the same rules as bunbase-js.
"""

from __future__ import annotations

import random
from heapq import heappop, heappush
from itertools import count

import msgspec
import pytest

from bunbase.gateway.live.admission import MOST_SECONDS, Admission
from bunbase.gateway.live.problems import TooManyLiveConnections
from bunbase.gateway.live.settings import LiveSettings

ADDRESS = "127.0.0.1"  # of a proxy before the server
SIGN_IN_SECONDS = 0.05
CLOSE_SECONDS = 0.1  # until the client has answered the close frame


class Herd(msgspec.Struct):
    """`attempts`: the handshakes of all clients. `refused`: those for which there was no place at all.

    `last`: when the last client was in, in seconds.
    """

    attempts: int = 0
    refused: int = 0
    last: float = 0.0


def came_back(clients: int, settings: LiveSettings, within: float = 1.0, newcomers: int = 0, seed: int = 1) -> Herd:
    """Simulate clients that connect again within some seconds, and then new clients at a constant rate."""
    dice, now, numbers = random.Random(seed), 0.0, count()
    admission = Admission(settings, {ADDRESS}, lambda: now)
    herd = Herd()
    queue: list[tuple[float, int, str, int]] = []  # time, a number, what happens, failures before
    for _ in range(clients):
        heappush(queue, (dice.random() * within, next(numbers), "comes", 0))
    for number in range(newcomers):
        heappush(queue, (within + number / 100, next(numbers), "comes", 0))
    while queue:
        now, _, what, failures = heappop(queue)
        if what == "known":
            admission.introduce()
        elif what == "turned away":
            admission.end(ADDRESS, stranger=False)
        else:
            herd.attempts += 1
            try:
                admission.check(ADDRESS)
            except TooManyLiveConnections:
                herd.refused += 1
                pause = dice.random() * min(1.0 * 2**failures, 10.0)
                heappush(queue, (now + pause, next(numbers), "comes", failures + 1))
                continue
            after = admission.begin(ADDRESS)
            if after:
                heappush(queue, (now + CLOSE_SECONDS, next(numbers), "turned away", 0))
                again = now + after + dice.random() * 0.05
                heappush(queue, (again, next(numbers), "comes", failures))
            else:
                herd.last = now
                heappush(queue, (now + SIGN_IN_SECONDS, next(numbers), "known", 0))
    assert admission.strangers.counts == {}
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
        admission.begin(ADDRESS)

    told = [admission.begin(ADDRESS) for _ in range(1000)]

    assert 1.0 <= min(told) <= max(told) <= MOST_SECONDS
    assert len(set(told)) > 900, "they would all come at the same time"
