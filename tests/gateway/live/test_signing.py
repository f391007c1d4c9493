"""The sign-in of a live connection: its check, its renewal and its end. During a check, no message is delivered."""

from __future__ import annotations

import json
import time

import pytest

from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.gateway.live import signing
from bunbase.pkg.errors import Problem, RateLimited, Unreachable
from tests.gateway.live.others import Client, hall, until


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
        client = await (await opened.client()).watching()
        client.session.expires_at = time.time()
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


async def test_a_client_without_a_key_is_closed_in_time() -> None:
    async with hall(auth_seconds=1, ping_seconds=1) as opened:
        client = Client(opened)

        await until(lambda: client.outlet.closed)

        assert client.outlet.closed == (4401, "auth")


async def test_a_first_message_may_have_17_kib() -> None:
    async with hall() as opened:
        client = Client(opened)
        client.session.receive(json.dumps({"t": "auth", "key": "x" * (17 << 10)}).encode())

        assert client.outlet.closed == (1009, "fault")
