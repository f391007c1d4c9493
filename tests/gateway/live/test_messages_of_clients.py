"""Messages of clients: unreadable messages, and messages that wait until the sign-in is checked."""

from __future__ import annotations

import asyncio
import itertools
import json
import time

import pytest

from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.gateway.live.waiting import MAX_WAITING_BYTES
from tests.gateway.live.others import hall, until

UNREADABLE = {
    "half a character": (rb'{"t":"publish","id":5,"channel":"a","data":"cut \ud83d"}', 5),
    "half a character in a filter": (rb'{"t":"watch","id":6,"query":{"collection":"a","where":{"n":"\udc00"}}}', 6),
    "half a character in an id": (rb'{"t":"watch","id":6,"query":{"collection":"a"},"have":["\ud83d"]}', 6),
    "half a character in an unknown member": (rb'{"t":"pong","id":7,"more":1,"other":"\ud83d"}', 7),
    "half a character in a name": (rb'{"t":"pong","\ud83d":1}', None),
    "a number without an end": (b'{"t":"publish","id":8,"channel":"a","data":{"n":1e999,"x":"\\ud83d"}}', 8),
    "a whole number of thousands of digits": (
        b'{"t":"publish","id":8,"channel":"a\\ud83d","data":%b}' % (b"9" * 5000),
        8,
    ),
    "an id of thousands of digits": (b'{"t":"unwatch","id":%b}' % (b"9" * 5000), None),
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


async def test_the_end_of_something_that_has_ended_already_is_confirmed() -> None:
    async with hall() as opened:
        client = await (await opened.client()).watching()

        client.send(t="unwatch", id=1)
        client.send(t="unwatch", id=1)
        client.send(t="leave", id=2)
        await until(lambda: len(client.outlet.all("ok")) == 3)

        assert [one["id"] for one in client.outlet.all("ok")] == [1, 1, 2]
        assert (client.outlet.all("error"), client.outlet.closed) == ([], None)


async def test_a_message_after_a_revocation_waits_for_the_next_sign_in_or_is_never_done() -> None:
    async with hall() as opened:
        ada, eve = await opened.client(), await opened.client("eve")
        opened.signing.refuses = InvalidToken()
        opened.identity.revoke("ses_ada")
        opened.identity.revoke("ses_eve")
        for client in (ada, eve):
            client.send(t="publish", id=5, channel="rooms/7", data=1)  # This message comes during the check.
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


async def test_the_messages_that_wait_for_a_sign_in_have_a_bound_in_bytes() -> None:
    long = json.dumps({"t": "publish", "id": 1, "channel": "a", "data": "x" * 60_000}).encode()
    async with hall() as opened:
        client = await opened.client()
        opened.signing.refused.add("ada")
        opened.identity.revoke("ses_ada")
        await until(lambda: client.outlet.all("auth"))

        for _ in range(MAX_WAITING_BYTES // len(long)):
            client.session.receive(long)
        assert client.outlet.closed is None
        client.session.receive(long)

        assert client.outlet.closed == (4429, "quota")
        assert (len(client.session.waiting), client.session.waiting.bytes) == (0, 0)


async def test_messages_that_were_done_make_room_for_others_that_wait() -> None:
    long = json.dumps({"t": "sync", "id": 1, "at": "e1.1"}).encode()
    async with hall() as opened:
        client = await opened.client()
        for _ in range(3):
            opened.signing.go_on.clear()
            client.send(t="auth", key="pk_x", token="ada")
            client.session.receive(long)
            assert client.session.waiting.bytes == len(long)
            opened.signing.go_on.set()
            await until(lambda: not client.session.waiting)

            assert client.session.waiting.bytes == 0


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
        for id in range(5, 8):  # The first message is being published, and the others wait.
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
