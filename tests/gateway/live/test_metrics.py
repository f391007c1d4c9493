"""The metrics of live connections: they count events, and contain no project."""

from __future__ import annotations

import time

from prometheus_client import REGISTRY

from tests.gateway.live.others import hall, until

FAR = 100.0  # This is so many seconds that no slow machine reaches them.


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_the_time_from_a_commit_to_the_sockets_is_measured_once_for_all_sessions() -> None:
    async with hall() as opened:
        clients = [await (await opened.client(f"u{number}")).watching() for number in range(3)]
        count, seconds = sample("bunbase_live_commit_seconds_count"), sample("bunbase_live_commit_seconds_sum")

        opened.bundoc.committed_at = time.time() - FAR
        opened.bundoc.write("for all")
        await until(lambda: all("for all" in client.texts for client in clients))
        await until(lambda: sample("bunbase_live_commit_seconds_count") > count)

        assert sample("bunbase_live_commit_seconds_count") == count + 1
        assert sample("bunbase_live_commit_seconds_sum") - seconds >= FAR


async def test_a_commit_that_nobody_gets_is_not_measured() -> None:
    async with hall() as opened:
        client = await (await opened.client()).watching()
        client.session.read_slowly()
        count = sample("bunbase_live_commit_seconds_count")

        opened.bundoc.committed_at = time.time() - FAR
        opened.bundoc.write("too slow")
        await opened.settled()

        assert sample("bunbase_live_commit_seconds_count") == count


async def test_the_time_from_a_revocation_to_silence_is_measured_if_it_concerns_a_connection() -> None:
    async with hall() as opened:
        await opened.client()
        count, seconds = sample("bunbase_live_silence_seconds_count"), sample("bunbase_live_silence_seconds_sum")
        opened.identity.revoked_at = time.time() - FAR

        opened.identity.revoke("ses_nobody")
        assert sample("bunbase_live_silence_seconds_count") == count
        opened.identity.revoke("ses_ada")

        assert sample("bunbase_live_silence_seconds_count") == count + 1
        assert sample("bunbase_live_silence_seconds_sum") - seconds >= FAR


async def test_a_stored_revocation_has_no_time_and_is_not_measured() -> None:
    async with hall() as opened:
        await opened.client()
        count = sample("bunbase_live_silence_seconds_count")

        opened.identity.revoke("ses_ada")

        assert sample("bunbase_live_silence_seconds_count") == count


async def test_repairs_of_clients_are_counted_by_their_reason() -> None:
    async with hall() as opened:
        client = await opened.client()
        before = sample("bunbase_live_repairs_total", why="check")

        client.send(t="watch", id=1, query={"collection": "posts"}, why="check")
        client.send(t="watch", id=2, query={"collection": "posts"}, why="a reason of my own")
        await until(lambda: client.outlet.all("now") and client.outlet.all("error"))

        assert sample("bunbase_live_repairs_total", why="check") == before + 1
        assert client.outlet.all("error")[0]["problem"]["code"] == "invalid_input"


async def test_messages_are_counted_beside_the_writes_that_carry_them() -> None:
    async with hall() as opened:
        client = await (await opened.client()).watching()
        opened.server.writer.report()
        messages, frames = sample("bunbase_live_messages_total"), sample("bunbase_live_frames_total")
        sent, written = len(client.outlet.sent), len(client.outlet.frames)

        opened.bundoc.write("one difference and its barrier")
        await until(lambda: len(client.outlet.sent) == sent + 2)
        opened.server.writer.report()

        assert sample("bunbase_live_messages_total") == messages + 2
        assert sample("bunbase_live_frames_total") == frames + len(client.outlet.frames) - written
