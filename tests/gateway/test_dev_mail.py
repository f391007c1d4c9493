from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bunbase.gateway.settings import GatewaySettings
from bunbase.pkg.mail.letters import DevMail
from tests.gateway.door import Door, door_of
from tests.gateway.others import BAKERY

AT = datetime(2026, 1, 5, tzinfo=UTC)
VERIFY = DevMail("mail_1", "ada@example.com", "", "Confirm your address", "text 1", "<p>1</p>", AT)
INVITE = DevMail("mail_2", "bob@example.com", BAKERY, "You are invited", "text 2", "<p>2</p>", AT)
RESET = DevMail("mail_3", "ada@example.com", "", "Reset your password", "text 3", "<p>3</p>", AT)
EVERY = [RESET.subject, INVITE.subject, VERIFY.subject]


def filled(door: Door) -> Door:
    door.bunauth.mails = [VERIFY, RESET]
    door.platform.mails = [INVITE]
    return door


async def subjects(door: Door, **query: str) -> list[str]:
    answer = await door.http.get("/api/dev/mail", params=query, headers={"host": "localhost"})
    assert answer.status_code == 200
    return [mail["subject"] for mail in answer.json()["items"]]


async def test_the_mails_of_all_rooms_are_listed_newest_first() -> None:
    async with door_of() as opened:
        door = filled(opened)

        answer = await door.http.get("/api/dev/mail", headers={"host": "localhost"})

        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["next"] is None
        assert answer.json()["items"][1] == {
            "id": "mail_2",
            "to": "bob@example.com",
            "project": BAKERY,
            "subject": "You are invited",
            "text": "text 2",
            "html": "<p>2</p>",
            "at": "2026-01-05T00:00:00.000Z",
        }
        assert await subjects(door) == EVERY


async def test_mails_are_found_by_recipient_and_by_project() -> None:
    async with door_of() as opened:
        door = filled(opened)

        assert await subjects(door, to="ada@example.com") == [RESET.subject, VERIFY.subject]
        assert await subjects(door, project=BAKERY) == [INVITE.subject]
        assert await subjects(door, project="bakery") == [INVITE.subject], "a slug names the project too"
        assert await subjects(door, to="ada@example.com", project=BAKERY) == []


async def test_pages_of_mails_have_no_gaps() -> None:
    async with door_of() as opened:
        door = filled(opened)
        seen, cursor = [], ""
        while cursor is not None:
            page = (
                await door.http.get("/api/dev/mail", params={"limit": 1, **({"cursor": cursor} if cursor else {})})
            ).json()
            seen += [mail["subject"] for mail in page["items"]]
            cursor = page["next"]

        assert seen == EVERY


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("192.168.1.5", {}, 403),
        ("2001:db8::1", {}, 403),
        ("", {}, 403),
        ("127.0.0.1", {"x-forwarded-for": "203.0.113.9"}, 403),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, 403),
        ("127.0.0.1", {"forwarded": "for=203.0.113.9"}, 403),
        ("192.168.1.5", {"x-forwarded-for": "127.0.0.1"}, 403),
        ("127.0.0.1", {"host": "evil.example.com"}, 403),
    ],
)
async def test_only_programs_on_this_machine_may_read_mails(peer: str, headers: dict[str, str], status: int) -> None:
    async with door_of(peer=peer) as door:
        answer = await filled(door).http.get("/api/dev/mail", headers={"host": "localhost", **headers})

    assert answer.status_code == status
    assert status == 200 or "subject" not in answer.text


async def test_a_trusted_proxy_may_not_read_mails_for_others() -> None:
    async with door_of(GatewaySettings(trusted_proxies=("127.0.0.1",))) as door:
        headers = {"host": "localhost", "x-forwarded-for": "203.0.113.9"}
        answer = await filled(door).http.get("/api/dev/mail", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_production_has_no_such_route() -> None:
    async with door_of(mode="production") as door:
        answer = await filled(door).http.get("/api/dev/mail")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
