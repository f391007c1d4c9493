"""Sessions: what is delivered, what is kept back, and what a client gets when nothing stands in the way any more."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import Any

import pytest

from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.contracts.bundoc.live import Check, Ended, LiveQueryTooLarge
from bunbase.gateway.live import signing
from bunbase.pkg.errors import Problem, RateLimited, Unreachable
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


async def test_complaint_10_a_session_that_was_revoked_during_the_query_gets_no_result() -> None:
    async with hall() as opened:
        client = await opened.client()
        opened.bundoc.docs = b'{"_id":"secret"}'
        opened.bundoc.hold = True
        client.send(t="watch", id=1, query={"collection": "posts"})
        await until(lambda: opened.bundoc.watched)

        opened.signing.refuses = InvalidToken()
        opened.identity.revoke("ses_ada")
        opened.bundoc.start(next(iter(opened.bundoc.watched)))
        await until(lambda: client.outlet.all("auth"))
        await opened.settled()

        assert client.outlet.all("auth") == [{"t": "auth", "why": "revoked", "in": 15}]
        assert "secret" not in client.texts


async def test_complaint_7_a_revoked_session_is_silent_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "REVOKED_SECONDS", 0.05)
    async with hall(ping_seconds=1) as opened:
        client, other = await (await opened.client()).watching(), await (await opened.client("eve")).watching()
        opened.signing.refuses = InvalidToken()
        opened.identity.revoke("ses_ada")
        opened.bundoc.write("too late")

        await until(lambda: client.outlet.closed)

        assert client.outlet.closed == (4401, "auth")
        assert "too late" not in client.texts
        await until(lambda: "too late" in other.texts)


async def test_a_doubt_that_proves_wrong_costs_no_change() -> None:
    async with hall() as opened:
        client = await (await opened.client()).watching()
        opened.signing.go_on.clear()
        opened.identity.revoke("ses_ada")
        opened.bundoc.write("meanwhile")
        await opened.settled()
        assert "meanwhile" not in client.texts

        opened.signing.go_on.set()

        await until(lambda: "meanwhile" in client.texts)


@pytest.mark.parametrize("passing", [Unreachable("away"), RateLimited("Too many failed sign-ins of this address.")])
async def test_a_doubt_is_settled_when_the_credentials_can_be_checked_again(
    monkeypatch: pytest.MonkeyPatch, passing: Problem
) -> None:
    monkeypatch.setattr(signing, "DOUBT_SECONDS", 0.01)
    async with hall() as opened:
        client = await (await opened.client()).watching()
        opened.signing.refuses = passing
        opened.identity.revoke("ses_ada")
        opened.bundoc.write("meanwhile")
        await opened.settled()
        assert "meanwhile" not in client.texts
        assert client.outlet.all("auth") == []

        opened.signing.refuses = None

        await until(lambda: "meanwhile" in client.texts)


async def test_complaint_8_an_expired_token_stops_the_delivery_until_it_is_renewed() -> None:
    async with hall() as opened:
        opened.signing.expires_in = 0.3
        client = await (await opened.client()).watching()
        await asyncio.sleep(0.35)
        opened.bundoc.write("after the expiry")
        await opened.settled()
        assert "after the expiry" not in client.texts

        opened.signing.expires_in = 900.0
        await client.signed_in()

        await until(lambda: "after the expiry" in client.texts)
        assert client.outlet.all("hello")[-1]["expires_in"] >= 898


async def test_complaint_8_a_client_is_asked_for_a_token_before_the_expiry() -> None:
    async with hall(ping_seconds=1) as opened:
        opened.signing.expires_in = 0.6
        client = await opened.client()

        await until(lambda: client.outlet.all("auth"))

        assert client.outlet.all("auth")[0]["why"] == "expires"


async def test_a_renewed_token_of_the_same_caller_asks_bundoc_nothing() -> None:
    async with hall() as opened:
        client = await (await opened.client()).watching()

        await client.signed_in()

        assert (opened.bundoc.asked, opened.bundoc.rechecked) == (1, [])


@pytest.mark.parametrize("changed", [False, True])
async def test_another_role_lets_bundoc_decide_again(changed: bool) -> None:
    async with hall() as opened:
        client = await (await opened.client()).watching()
        opened.signing.role = "editor"
        opened.bundoc.changed = (1,) if changed else ()

        await client.signed_in()
        opened.bundoc.write("for an editor")
        await until(lambda: "for an editor" in client.texts)

        assert len(opened.bundoc.rechecked) == 1
        assert opened.bundoc.asked == (2 if changed else 1)


async def test_a_watch_that_was_asked_for_an_earlier_caller_is_asked_again() -> None:
    async with hall() as opened:
        client = await opened.client()
        opened.bundoc.docs = b'{"_id":"d"}'
        opened.bundoc.hold = True
        client.send(t="watch", id=1, query={"collection": "posts"})
        opened.signing.role = "editor"
        client.send(t="auth", key="pk_x", token="ada")
        await until(lambda: len(client.outlet.all("hello")) == 2)
        opened.bundoc.hold = False
        for number in list(opened.bundoc.watched):
            opened.bundoc.start(number)

        await until(lambda: client.outlet.all("now"))

        roles = [caller.user.role for caller, _ in opened.bundoc.watched.values() if caller.user]
        assert roles == ["editor"] or opened.bundoc.rechecked


async def test_a_silent_feed_stops_the_delivery_to_users_and_not_to_servers() -> None:
    async with hall() as opened:
        user, server = await (await opened.client()).watching(), await (await opened.client("")).watching()
        opened.identity.hears = False
        opened.bundoc.write("unknown revocations")
        await until(lambda: "unknown revocations" in server.texts)
        assert "unknown revocations" not in user.texts

        opened.identity.hears = True

        await until(lambda: "unknown revocations" in user.texts)


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
        tallies = (admission.total, admission.strangers, admission.addresses, admission.projects, admission.users)
        assert [dict(tally.counts) for tally in tallies] == [{}] * 5


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


async def test_a_client_without_a_key_is_closed_in_time() -> None:
    async with hall(auth_seconds=1, ping_seconds=1) as opened:
        client = Client(opened)

        await until(lambda: client.outlet.closed)

        assert client.outlet.closed == (4401, "auth")


async def test_a_first_message_may_have_8_kib() -> None:
    async with hall() as opened:
        client = Client(opened)
        client.session.receive(json.dumps({"t": "auth", "key": "x" * 9000}).encode())

        assert client.outlet.closed == (1009, "fault")


UNREADABLE = {
    "half a character": (rb'{"t":"publish","id":5,"channel":"a","data":"cut \ud83d"}', 5),
    "half a character in a filter": (rb'{"t":"watch","id":6,"query":{"collection":"a","where":{"n":"\udc00"}}}', 6),
    "half a character in an id": (rb'{"t":"watch","id":6,"query":{"collection":"a"},"have":["\ud83d"]}', 6),
    "half a character in an unknown member": (rb'{"t":"pong","id":7,"more":1,"other":"\ud83d"}', 7),
    "half a character in a name": (rb'{"t":"pong","\ud83d":1}', None),
    "a number without an end": (b'{"t":"publish","id":8,"channel":"a","data":{"n":1e999,"x":"\\ud83d"}}', 8),
    "too many levels": (b'{"t":"publish","id":9,"channel":"a","data":%b1%b}' % (b"[" * 3000, b"]" * 3000), None),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_complaint_31_half_a_character_fails_one_message_and_the_rest_goes_on(name: str) -> None:
    sent, id = UNREADABLE[name]
    async with hall() as opened:
        client = await (await opened.client()).watching()

        client.session.receive(sent)
        opened.bundoc.write("and the rest")
        await until(lambda: "and the rest" in client.texts)

        assert [(one["id"], one["problem"]["code"]) for one in client.outlet.all("error")] == [(id, "invalid_input")]
        assert client.outlet.closed is None


@pytest.mark.parametrize("sent", [b"hello", b'{"t":"pong"', b'["pong"]', b'{"t":NaN}', b"[" * 3000, b'"\\ud83d"'])
async def test_a_text_that_is_no_object_closes_the_connection(sent: bytes) -> None:
    async with hall() as opened:
        client = await opened.client()

        client.session.receive(sent)

        assert client.outlet.closed == (1008, "fault")


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


async def test_a_message_after_a_revocation_waits_for_the_next_sign_in_or_is_never_done() -> None:
    async with hall() as opened:
        ada, eve = await opened.client(), await opened.client("eve")
        opened.signing.refuses = InvalidToken()
        opened.identity.revoke("ses_ada")
        opened.identity.revoke("ses_eve")
        for client in (ada, eve):
            client.send(t="publish", id=5, channel="rooms/7", data=1)  # during the check
        await until(lambda: ada.outlet.all("auth") and eve.outlet.all("auth"))
        for client in (ada, eve):
            client.send(t="publish", id=6, channel="rooms/7", data=2)
            client.send(t="watch", id=7, query={"collection": "posts"})
            client.send(t="pong")
        await opened.settled()
        assert opened.buncast.published == []
        assert opened.bundoc.asked == 0

        opened.signing.refuses = None
        await ada.signed_in()
        await until(lambda: len(ada.outlet.all("ok")) == 2 and ada.outlet.all("now"))

        assert opened.buncast.published == [("ada", "1"), ("ada", "2")]
        assert ada.outlet.all("error") == eve.outlet.all("ok") == []


async def test_a_message_after_the_expiry_of_a_token_waits_for_the_next_token() -> None:
    async with hall() as opened:
        client = await opened.client()
        client.session.expires_at = time.time() - 1
        client.send(t="publish", id=5, channel="rooms/7", data=1)
        client.send(t="watch", id=7, query={"collection": "posts"})
        await opened.settled()
        assert (opened.buncast.published, opened.bundoc.asked) == ([], 0)

        await client.signed_in()

        await until(lambda: client.outlet.all("ok") and client.outlet.all("now"))
        assert opened.buncast.published == [("ada", "1")]


async def test_a_message_waits_while_the_feed_is_silent() -> None:
    async with hall() as opened:
        user, server = await opened.client(), await opened.client("")
        opened.identity.hears = False
        opened.server.check_feed()
        for client in (user, server):
            client.send(t="publish", id=5, channel="rooms/7", data=1)
        await until(lambda: server.outlet.all("ok"))
        assert opened.buncast.published == [(None, "1")]

        opened.identity.hears = True
        opened.server.check_feed()

        await until(lambda: user.outlet.all("ok"))
        assert opened.buncast.published == [(None, "1"), ("ada", "1")]


async def test_nothing_is_published_in_the_name_of_the_next_user() -> None:
    async with hall() as opened:
        client = await opened.client()
        opened.buncast.go_on.clear()
        for id in range(5, 8):  # the first is being published, the others wait
            client.send(t="publish", id=id, channel="rooms/7", data=id)
        await opened.settled()
        client.send(t="auth", key="pk_x", token="bob")
        client.send(t="publish", id=8, channel="rooms/7", data=8)
        await until(lambda: len(client.outlet.all("hello")) == 2)
        opened.buncast.go_on.set()
        await until(lambda: len(client.outlet.all("ok")) == 2)

        assert opened.buncast.published == [("ada", "5"), ("bob", "8")]
        refused = [(one["id"], one["problem"]["code"]) for one in client.outlet.all("error")]
        assert refused == [(6, "user_changed"), (7, "user_changed")]


async def test_a_message_that_waited_for_a_revoked_user_is_not_done_for_the_next_one() -> None:
    async with hall() as opened:
        client = await opened.client()
        opened.signing.refuses = InvalidToken()
        opened.identity.revoke("ses_ada")
        await until(lambda: client.outlet.all("auth"))
        client.send(t="publish", id=5, channel="rooms/7", data=5)
        client.send(t="watch", id=6, query={"collection": "posts"})

        opened.signing.refuses = None
        client.send(t="auth", key="pk_x", token="bob")
        client.send(t="publish", id=7, channel="rooms/7", data=7)
        await until(lambda: client.outlet.all("ok"))

        assert opened.buncast.published == [("bob", "7")]
        assert [one["id"] for one in client.outlet.all("error")] == [5, 6]
        assert opened.bundoc.asked == 0


async def test_an_auth_that_waited_for_a_check_is_heard_although_the_check_fails() -> None:
    async with hall() as opened:
        client = await opened.client()
        opened.signing.go_on.clear()
        opened.signing.refused = {"ada"}
        opened.identity.revoke("ses_ada")
        client.send(t="publish", id=5, channel="rooms/7", data=5)
        client.send(t="auth", key="pk_x", token="bob")
        client.send(t="publish", id=6, channel="rooms/7", data=6)
        opened.signing.go_on.set()
        await until(lambda: client.outlet.all("ok"))

        assert opened.buncast.published == [("bob", "6")]
        assert [one["id"] for one in client.outlet.all("error")] == [5]


async def test_messages_go_on_after_a_refused_sign_in() -> None:
    async with hall() as opened:
        client = await opened.client()
        opened.signing.refused = {"bob"}
        client.send(t="auth", key="pk_x", token="bob")
        client.send(t="publish", id=5, channel="rooms/7", data=5)

        await until(lambda: client.outlet.all("ok"))

        assert client.outlet.all("error")[0]["id"] is None
        assert opened.buncast.published == [("ada", "5")]


async def test_a_join_that_is_refused_leaves_its_id_and_its_channel_free() -> None:
    async with hall(messages_per_second=1000, message_burst=1000) as opened:
        client = await opened.client()
        opened.buncast.go_on.clear()
        for id in range(1, 103):
            client.send(t="publish", id=id, channel="rooms/7", data=1)
        client.send(t="join", id=200, channel="rooms/7")
        await until(lambda: any(one["id"] == 200 for one in client.outlet.all("error")))

        assert client.session.joins == {}
        assert client.outlet.all("error")[-1]["problem"]["code"] == "too_many_waiting_messages"
        opened.buncast.go_on.set()


async def test_messages_of_one_connection_let_other_work_run_in_between() -> None:
    async with hall(messages_per_second=1000, message_burst=1000) as opened:
        client, seen = await opened.client(), [0]
        for id in range(1, 51):
            client.send(t="publish", id=id, channel="rooms/7", data=1)

        while seen[-1] < 50:
            await asyncio.sleep(0)
            seen.append(len(opened.buncast.published))

        assert max(after - before for before, after in itertools.pairwise(seen)) == 1
