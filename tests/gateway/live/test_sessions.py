"""Sessions: delivered messages, held messages, and the messages that a client gets when it is no longer blocked."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.contracts.bundoc.live import Check, Ended, LiveQueryTooLarge
from bunbase.gateway.live import registrations
from tests.gateway.live.others import Client, hall, until


async def test_a_diff_is_encoded_once_for_all_sessions_of_its_group() -> None:
    async with hall() as opened:
        clients = [await (await opened.client(f"u{number}")).watching() for number in range(3)]

        opened.bundoc.write("for all")
        await until(lambda: all("for all" in client.texts for client in clients))

        frames = {id(client.outlet.frames[-1]) for client in clients}
        assert len(frames) == 1
        assert [message["t"] for message in clients[0].outlet.sent[-2:]] == ["diff", "at"]


async def test_complaint_25_a_slow_reader_gets_no_queue_and_the_state_at_last() -> None:
    async with hall() as opened:
        client = await (await opened.client()).watching()
        client.session.read_slowly()
        for number in range(50):
            opened.bundoc.write(f"text {number}")
        await opened.settled()
        assert "text" not in client.texts

        client.session.read_again()
        await until(lambda: "text 49" in client.texts)

        assert len(client.outlet.all("now")) == 2
        assert client.outlet.all("diff") == []
        await until(lambda: client.outlet.all("at")[-1]["at"] == f"e1.{opened.bundoc.seq}")
        await until(lambda: len(opened.bundoc.watched) == 1)


async def test_complaint_25_a_client_that_does_not_read_is_closed() -> None:
    async with hall(slow_seconds=1, ping_seconds=1) as opened:
        client = await (await opened.client()).watching()
        client.outlet.waiting_bytes = 100
        client.session.read_slowly()

        await until(lambda: client.outlet.closed)

        assert client.outlet.closed == (4408, "slow")


async def test_complaint_25_the_largest_buffers_go_first() -> None:
    async with hall(max_waiting_bytes=1024, ping_seconds=1) as opened:
        small, large = await opened.client("small"), await opened.client("large")
        small.outlet.waiting_bytes, large.outlet.waiting_bytes = 500, 2000
        for client in (small, large):
            client.session.read_slowly()

        await until(lambda: large.outlet.aborted)

        assert small.outlet.closed is None


async def test_buffers_that_fill_at_the_same_time_are_limited_at_once() -> None:
    async with hall(max_waiting_bytes=1024, ping_seconds=60) as opened:
        clients = [await opened.client(f"u{number}") for number in range(4)]

        for number, client in enumerate(clients):
            client.outlet.waiting_bytes = 500 + number
            client.session.read_slowly()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        assert [client.outlet.aborted for client in clients] == [False, False, True, True]


async def test_complaint_34_a_result_for_a_slow_reader_is_not_lost() -> None:
    async with hall() as opened:
        client = await opened.client()
        opened.bundoc.docs = b'{"_id":"d"}'
        opened.bundoc.hold = True
        client.send(t="watch", id=1, query={"collection": "posts"})
        await until(lambda: opened.bundoc.watched)
        client.session.read_slowly()
        opened.bundoc.start(next(iter(opened.bundoc.watched)))
        await opened.settled()
        assert client.outlet.all("now") == []

        opened.bundoc.hold = False
        client.session.read_again()

        await until(lambda: client.outlet.all("now"))


async def test_a_broken_stream_costs_no_change() -> None:
    async with hall() as opened:
        client = await (await opened.client()).watching()
        opened.bundoc.docs = b'{"_id":"d","text":"while it was broken"}'
        opened.bundoc.break_off()

        await until(lambda: "while it was broken" in client.texts)

        assert len(client.outlet.all("now")) == 2


async def test_no_barrier_is_told_between_a_diff_and_its_own_barrier() -> None:
    async with hall(ping_seconds=1) as opened:
        client = await (await opened.client()).watching()
        opened.bundoc.write("half", barrier=False)
        await until(lambda: client.outlet.all("diff"))
        pings = len(client.outlet.all("ping"))
        await until(lambda: len(client.outlet.all("ping")) > pings)

        assert "at" not in client.outlet.all("ping")[-1]


async def test_a_ping_has_the_state_of_the_results() -> None:
    async with hall(ping_seconds=1) as opened:
        client = await (await opened.client()).watching()

        await until(lambda: "at" in client.outlet.sent[-1] and client.outlet.sent[-1]["t"] == "ping")

        assert client.outlet.sent[-1]["at"] == "e1.1"


async def test_complaint_12_a_silent_client_is_closed() -> None:
    async with hall(ping_seconds=1, silent_seconds=1) as opened:
        client = await opened.client()

        await until(lambda: client.outlet.closed)

        assert client.outlet.all("bye")[0]["code"] == "silent"


async def test_a_watch_that_bundoc_ends_is_ended_for_the_client() -> None:
    async with hall() as opened:
        client = await (await opened.client()).watching()
        number = next(iter(opened.bundoc.watched))

        opened.bundoc.send(Ended(number, LiveQueryTooLarge().body()))
        await until(lambda: client.outlet.all("end"))

        assert client.outlet.all("end")[0]["problem"]["code"] == "live_query_too_large"
        assert client.session.watches == {}


async def test_a_refused_watch_is_an_error_and_leaves_nothing() -> None:
    async with hall() as opened:
        client = await opened.client()
        opened.bundoc.refuses = LiveQueryTooLarge()
        client.send(t="watch", id=1, query={"collection": "posts"})

        await until(lambda: client.outlet.all("error"))

        assert client.session.watches == {}
        assert opened.server.queries.watches.by_number == {}
        assert opened.server.queries.watches.standings == {}


async def test_a_connection_that_ends_leaves_nothing() -> None:
    async with hall() as opened:
        client = await (await opened.client()).watching()
        queries = opened.server.queries

        opened.server.end(client.session)
        await until(lambda: not opened.bundoc.watched)

        left: list[Any] = [
            queries.watches.by_number,
            queries.watches.groups,
            queries.watches.standings,
            opened.server.sessions,
        ]
        assert left == [{}, {}, {}, {}]
        assert opened.server.by_credential == {}
        admission = opened.server.admission
        tallies = (admission.total, admission.addresses, admission.projects, admission.users)
        assert [dict(tally.counts) for tally in tallies] == [{}] * 4
        assert len(admission.strangers) == 0


async def test_a_connection_that_ends_between_a_difference_and_its_barrier_leaves_nothing() -> None:
    async with hall() as opened:
        client, other = await (await opened.client()).watching(), await (await opened.client("eve")).watching()
        opened.bundoc.write("one", barrier=False)
        await until(lambda: "one" in client.texts)
        opened.server.end(client.session)

        opened.bundoc.write("two")
        await until(lambda: other.outlet.all("at")[-1]["at"] == f"e1.{opened.bundoc.seq}")

        [standing] = opened.server.queries.watches.standings.values()
        assert standing.due == {}


async def test_a_user_can_open_only_so_many_connections() -> None:
    async with hall(max_connections_per_user=1) as opened:
        await opened.client()
        second = Client(opened)
        second.send(t="auth", key="pk_x", token="ada")

        await until(lambda: second.outlet.closed)

        assert second.outlet.closed == (4429, "quota")
        assert second.outlet.all("bye")[0]["problem"]["code"] == "too_many_live_connections"
        assert second.outlet.all("bye")[0]["after_ms"] >= 1000


async def test_the_queries_of_a_connection_have_a_bound_in_bytes() -> None:
    async with hall() as opened:
        client = await opened.client()
        for id in range(1, 19):
            where = {"text": f"{id:02}" * 30_000}
            client.session.receive(
                json.dumps({"t": "watch", "id": id, "query": {"collection": "a", "where": where}}).encode()
            )
        await until(lambda: client.outlet.all("error"))
        refused = client.outlet.all("error")

        assert [one["id"] for one in refused] == [18]
        assert refused[0]["problem"]["code"] == "too_many_watches"
        client.send(t="unwatch", id=1)
        client.send(t="watch", id=19, query={"collection": "a", "where": {"text": "x" * 30_000}})
        await until(lambda: any(one["id"] == 19 for one in client.outlet.all("now")))


async def test_a_visitor_can_sign_in_although_the_project_has_no_room_for_another_connection() -> None:
    async with hall(max_connections_per_project=1, max_connections_per_user=1) as opened:
        client = await opened.client("ada")

        await client.signed_in("bob")
        await client.signed_in("ada")

        assert client.outlet.all("error") == []
        assert opened.server.admission.users.counts == {("prj_a", "ada"): 1}
        assert opened.server.admission.projects.counts == {"prj_a": 1}


async def test_a_sign_in_that_is_refused_for_a_limit_keeps_the_place_of_the_one_before() -> None:
    async with hall(max_connections_per_user=1) as opened:
        await opened.client("ada")
        other = await opened.client("bob")

        other.send(t="auth", key="pk_x", token="ada")
        await until(lambda: other.outlet.all("error"))

        assert other.outlet.all("error")[0]["problem"]["code"] == "too_many_live_connections"
        assert opened.server.admission.users.counts == {("prj_a", "ada"): 1, ("prj_a", "bob"): 1}
        assert opened.server.admission.projects.counts == {"prj_a": 2}


async def test_complaint_26_connections_that_begin_too_fast_come_back_later() -> None:
    async with hall(begins_per_second=2) as opened:
        clients = [Client(opened) for _ in range(5)]

        assert [client.outlet.closed for client in clients[:2]] == [None, None]
        for client in clients[2:]:
            assert client.outlet.closed == (4429, "quota")
            assert client.outlet.all("bye")[0]["after_ms"] >= 1000


async def test_a_server_that_restarts_tells_each_client_another_time() -> None:
    async with hall() as opened:
        clients = [await opened.client(f"u{number}") for number in range(4)]
        for client in clients:
            opened.server.shut(client.session)

        byes = [client.outlet.all("bye")[0] for client in clients]
        assert {bye["code"] for bye in byes} == {"restart"}
        assert len({bye["after_ms"] for bye in byes}) > 1
        assert {client.outlet.closed for client in clients} == {(1012, "restart")}


async def test_a_digest_goes_to_the_sessions_that_hold_the_result() -> None:
    async with hall() as opened:
        client, slow = await (await opened.client()).watching(), await (await opened.client("slow")).watching()
        slow.session.read_slowly()

        opened.bundoc.send(Check("g1", 0, 0, 0xF3C01))
        await until(lambda: client.outlet.all("check"))

        assert client.outlet.all("check") == [{"t": "check", "g": "g1", "turn": 0, "n": 0, "h": "000f3c01"}]
        assert slow.outlet.all("check") == []


async def test_a_sync_waits_for_the_barrier() -> None:
    async with hall() as opened:
        client = await (await opened.client()).watching()
        client.send(t="sync", id=9, at=f"e1.{opened.bundoc.seq + 1}")
        await opened.settled()
        assert client.outlet.all("ok") == []

        opened.bundoc.write("own")
        await until(lambda: client.outlet.all("ok"))

        assert [message["t"] for message in client.outlet.sent[-3:]] == ["diff", "at", "ok"]


async def test_bundoc_forgets_a_watch_although_the_first_call_that_tells_it_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registrations, "AGAIN_SECONDS", 0.01)
    async with hall() as opened:
        client = await (await opened.client()).watching()
        opened.bundoc.unreachable = 1

        client.send(t="unwatch", id=1)

        await until(lambda: not opened.bundoc.watched)


async def test_a_sync_without_a_watch_is_answered_at_once_and_names_no_state() -> None:
    async with hall() as opened:
        client = await opened.client()

        client.send(t="sync", id=9, at="e1.7")
        await until(lambda: client.outlet.all("ok"))

        assert client.outlet.all("ok") == [{"t": "ok", "id": 9}]
        assert client.outlet.all("at") == []


async def test_the_end_of_the_last_watch_answers_the_syncs_that_wait() -> None:
    async with hall() as opened:
        unwatched, ended = await (await opened.client()).watching(), await (await opened.client("eve")).watching()
        for client in (unwatched, ended):
            client.send(t="sync", id=9, at="e1.1000")
        await opened.settled()
        assert unwatched.outlet.all("ok") == ended.outlet.all("ok") == []

        unwatched.send(t="unwatch", id=1)
        number = next(
            number for number, (caller, _) in opened.bundoc.watched.items() if caller.user and caller.user.uid == "eve"
        )
        opened.bundoc.send(Ended(number, InvalidToken().body()))
        await until(lambda: unwatched.outlet.all("ok")[1:] and ended.outlet.all("ok"))

        assert unwatched.outlet.all("ok") == [{"t": "ok", "id": 1}, {"t": "ok", "id": 9}]
        assert ended.outlet.all("ok") == [{"t": "ok", "id": 9}]
        assert not any(at["at"] == "e1.1000" for client in (unwatched, ended) for at in client.outlet.all("at"))


async def test_a_sync_of_the_user_before_is_refused() -> None:
    async with hall() as opened:
        client = await (await opened.client()).watching()
        client.send(t="sync", id=9, at="e1.1000")
        await opened.settled()

        await client.signed_in("eve")

        await until(lambda: client.outlet.all("error"))
        assert [(one["id"], one["problem"]["code"]) for one in client.outlet.all("error")] == [(9, "user_changed")]
        assert client.session.syncs == []
