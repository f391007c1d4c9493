"""Deadlines of sessions. Each deadline acts once, at its time, and does not keep an ended session in memory."""

from __future__ import annotations

import gc
import weakref

from bunbase.gateway.live.deadlines import Deadlines
from tests.gateway.live.others import hall, until


class Timed:
    def __init__(self) -> None:
        self.closed = False
        self.generation = 0


def test_deadlines_act_in_order_and_only_for_the_present_sign_in() -> None:
    now, acted = [0.0], []
    deadlines = Deadlines(lambda: now[0])
    one, other = Timed(), Timed()
    for seconds in (3.0, 1.0, 2.0):
        deadlines.add(seconds, one, 0, lambda at=seconds: acted.append(at))  # type: ignore[misc]
    deadlines.add(1.5, other, 0, lambda: acted.append(0.0))
    other.generation += 1

    now[0] = 2.5
    deadlines.run_due()

    assert acted == [1.0, 2.0]


def test_deadlines_that_count_no_more_take_no_memory_until_they_are_due() -> None:
    deadlines = Deadlines(lambda: 0.0)
    acted = []
    session = Timed()
    for _ in range(50_000):  # The client sends `auth` again and again.
        session.generation += 1
        deadlines.add(3600.0, session, session.generation, lambda: acted.append(1))

    assert len(deadlines.heap) < 5000

    deadlines.clock = lambda: 3601.0
    deadlines.run_due()
    assert acted == [1]


async def test_a_connection_that_has_ended_is_not_kept_until_its_token_expires() -> None:
    async with hall(max_connections_per_address=1000) as opened:
        opened.signing.expires_in = 3600.0
        ended = []
        for _ in range(600):
            client = await opened.client()
            ended.append(weakref.ref(client.session))
            opened.server.end(client.session)
            del client
        await until(lambda: not opened.server.tasks)
        gc.collect()

        assert len([one for one in ended if one() is not None]) < 500
