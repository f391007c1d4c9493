"""The page `/invite`, without the gateway. tests/e2e/test_person.py uses the page in a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from bunbase.contracts.audit import ALL_ENTRIES, AuditOutcome
from bunbase.contracts.caller import Role
from bunbase.contracts.platform import NewProject
from bunbase.platform.routes.invite_page import ROUTES
from bunbase.platform.service import PlatformService
from tests.bunauth.web import client_of
from tests.platform.fake_rooms import CODE, PASSWORD, FakeRooms
from tests.platform.people import ADA, BOB_ID, at, token_of

SIGN_IN = {"email": "bob@example.com", "password": PASSWORD}
DONE = "You are a member now"


@pytest_asyncio.fixture
async def http(platform: PlatformService) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(ROUTES, platform=platform) as http:
        yield http


@pytest_asyncio.fixture
async def made(platform: PlatformService) -> NewProject:
    return await platform.create_project(ADA, "<b>Bakery</b>")


@pytest_asyncio.fixture
async def token(platform: PlatformService, made: NewProject) -> str:
    return token_of(await platform.create_invite(at(made), None, "bob@example.com", Role.DEVELOPER))


async def test_the_link_shows_the_invitation_and_only_the_sign_in_accepts_it(
    platform: PlatformService, http: httpx.AsyncClient, made: NewProject, token: str
) -> None:
    shown = await http.get("/invite", params={"token": token})
    members_before = await platform.members(at(made), None, 20, None)
    accepted = await http.post("/invite", data={"token": token} | SIGN_IN)

    for text in (
        "invited to the project",
        "&lt;b&gt;Bakery&lt;/b&gt;",
        "developer",
        "ada@example.com",
        "bob@example.com",
    ):
        assert text in shown.text
    assert "form-action 'self'" in shown.headers["content-security-policy"]
    assert shown.headers["cache-control"] == "no-store"
    assert len(members_before.items) == 1
    assert DONE in accepted.text
    assert made.slug in accepted.text
    assert (await platform.membership(BOB_ID, made.id)).role is Role.DEVELOPER
    assert (await http.get("/invite", params={"token": token})).status_code == 410


async def test_an_acceptance_on_the_page_is_in_the_audit_log_of_the_project(
    platform: PlatformService, http: httpx.AsyncClient, made: NewProject, token: str
) -> None:
    await http.post("/invite", data={"token": token} | SIGN_IN)

    (entry,) = (await platform.audit(at(made), ALL_ENTRIES, 20, None)).items
    assert (entry.action, entry.actor.id, entry.outcome, entry.after) == (
        "invite.accept",
        BOB_ID,
        AuditOutcome.DONE,
        {"role": "developer"},
    )


async def test_an_acceptance_on_the_page_is_in_the_audit_log_of_the_organisation(
    platform: PlatformService, http: httpx.AsyncClient
) -> None:
    guild = await platform.create_org(ADA, "Guild")
    token = token_of(await platform.create_invite(ADA, guild.slug, "bob@example.com", Role.ADMIN))

    assert "invited to the organisation" in (await http.get("/invite", params={"token": token})).text
    await http.post("/invite", data={"token": token} | SIGN_IN)

    (entry,) = (await platform.audit(ADA, ALL_ENTRIES, 20, None, guild.slug)).items
    assert (entry.action, entry.actor.id, entry.after) == ("invite.accept", BOB_ID, {"role": "admin"})


async def test_a_member_who_opens_an_invitation_is_told_so_and_the_project_has_no_second_entry(
    platform: PlatformService, http: httpx.AsyncClient, made: NewProject, token: str
) -> None:
    await http.post("/invite", data={"token": token} | SIGN_IN)
    other = token_of(await platform.create_invite(at(made), None, "eve@example.com", Role.VIEWER))

    for link in (token, other):
        assert "You are a member already" in (await http.post("/invite", data={"token": link} | SIGN_IN)).text

    assert len((await platform.audit(at(made), ALL_ENTRIES, 20, None)).items) == 1


async def test_a_wrong_password_shows_the_form_again_and_keeps_the_invitation(
    http: httpx.AsyncClient, token: str
) -> None:
    wrong = await http.post("/invite", data={"token": token} | SIGN_IN | {"password": "wrong"})
    right = await http.post("/invite", data={"token": token} | SIGN_IN)

    assert (wrong.status_code, 'value="bob@example.com"' in wrong.text) == (401, True)
    assert DONE in right.text


async def test_an_account_with_a_second_factor_sends_a_code_before_it_is_a_member(
    others: FakeRooms, http: httpx.AsyncClient, token: str
) -> None:
    others.bunauth.two_factors.add(BOB_ID)

    asked = await http.post("/invite", data={"token": token} | SIGN_IN)
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', asked.text))
    wrong = await http.post("/invite/code", data=hidden | {"code": "000000"})
    over = await http.post("/invite/code", data=hidden | {"challenge": "expired", "code": CODE})
    right = await http.post("/invite/code", data=hidden | {"code": CODE})

    assert (asked.status_code, DONE in asked.text) == (200, False)
    assert (wrong.status_code, 'name="code"' in wrong.text) == (403, True)
    assert (over.status_code, 'name="password"' in over.text) == (410, True)
    assert DONE in right.text


@pytest.mark.parametrize("typed", ["http://127.0.0.1:7070/invite?token={}", "https://a.example/invite#{}", " {} "])
async def test_without_a_token_the_page_asks_for_the_link_and_reads_every_form_of_it(
    http: httpx.AsyncClient, token: str, typed: str
) -> None:
    assert 'name="token"' in (await http.get("/invite")).text

    assert 'name="password"' in (await http.get("/invite", params={"token": typed.format(token)})).text


async def test_unknown_tokens_and_forms_of_other_sites_are_refused(http: httpx.AsyncClient, token: str) -> None:
    form = {"token": token} | SIGN_IN

    unknown = [
        await http.get("/invite", params={"token": "binv_unknown"}),
        await http.post("/invite", data=form | {"token": "binv_unknown"}),
        await http.post("/invite", data=form | {"token": ""}),
        await http.post("/invite/code", data={"token": "binv_unknown", "challenge": "bsc_usr_bob", "code": CODE}),
    ]
    foreign = await http.post("/invite", data=form, headers={"sec-fetch-site": "cross-site"})

    assert [answer.status_code for answer in unknown] == [410] * 4
    assert all("<h1>" in answer.text for answer in unknown)
    assert foreign.status_code == 403
    assert (await http.get("/invite", params={"token": token})).status_code == 200


async def test_a_person_of_another_service_accepts_with_a_click_on_the_page(
    platform: PlatformService, http: httpx.AsyncClient, made: NewProject, token: str
) -> None:
    without = await http.post("/invite/continue", data={"token": token})
    http.cookies["bb_pass"] = "bob"
    page = await http.get("/invite", params={"token": token})
    members_before = await platform.members(at(made), None, 20, None)
    foreign = await http.post("/invite/continue", data={"token": token}, headers={"sec-fetch-site": "cross-site"})
    accepted = await http.post("/invite/continue", data={"token": token})

    assert (without.status_code, foreign.status_code) == (410, 403)
    assert "Accept as bob" in page.text
    assert f'href="/account/sign-in/with/github?page=invite&amp;key={token}"' in page.text
    assert len(members_before.items) == 1
    assert DONE in accepted.text
    assert (await platform.membership(BOB_ID, made.id)).role is Role.DEVELOPER


async def mailed(platform: PlatformService) -> str:
    (mail,) = await platform.dev_mails("bob@example.com", "", 2, "")
    return mail.text.partition("/invite?token=")[2].split()[0]


async def test_the_link_of_the_mail_shows_a_form_that_opens_an_account_for_the_invited_address(
    platform: PlatformService, http: httpx.AsyncClient, made: NewProject, token: str
) -> None:
    link = await mailed(platform)
    form = {"token": link, "email": "eve@example.com", "name": "Bob", "password": PASSWORD}

    page = await http.get("/invite", params={"token": link})
    instead = await http.get("/invite", params={"token": link, "way": "sign-in"})
    foreign = await http.post("/invite/open", data=form, headers={"sec-fetch-site": "cross-site"})
    weak = await http.post("/invite/open", data=form | {"password": "short"})
    opened = await http.post("/invite/open", data=form)

    assert 'value="bob@example.com" readonly' in page.text
    assert f'href="/invite?token={link}&amp;way=sign-in"' in page.text
    assert 'action="/invite"' in instead.text
    assert (foreign.status_code, weak.status_code) == (403, 422)
    assert 'value="Bob"' in weak.text
    assert DONE in opened.text
    (bob,) = (one for one in (await platform.members(at(made), None, 20, None)).items if one.user.id == BOB_ID)
    assert bob.user.email == "bob@example.com", "the address that a form sends does not count"


async def test_an_address_that_got_an_account_meanwhile_is_asked_to_sign_in(
    platform: PlatformService, others: FakeRooms, http: httpx.AsyncClient, token: str
) -> None:
    link = await mailed(platform)
    others.bunauth.addresses.add("bob@example.com")

    taken = await http.post("/invite/open", data={"token": link, "password": PASSWORD})

    assert taken.status_code == 409
    assert all(text in taken.text for text in ("has an account by now", 'action="/invite"', 'value="bob@example.com"'))


async def test_a_link_that_was_passed_on_offers_a_mail_and_opens_nothing(
    platform: PlatformService, others: FakeRooms, http: httpx.AsyncClient, token: str
) -> None:
    page = await http.get("/invite", params={"token": token})
    forged = await http.post("/invite/open", data={"token": token, "password": PASSWORD})
    sent = await http.post("/invite/send", data={"token": token})

    assert 'action="/invite/open"' not in page.text
    assert "Send a mail to bob@example.com" in page.text
    assert forged.status_code == 410
    assert others.bunauth.addresses == set()
    assert "A mail is on its way to bob@example.com" in sent.text
    assert len(await platform.dev_mails("bob@example.com", "", 5, "")) == 2


@pytest.mark.parametrize(
    ("known", "admits", "said", "status"),
    [
        ("bob@example.com", True, "Open the account of bob@example.com and accept", 200),
        ("eve@example.com", True, "opens an account only for bob@example.com", 410),
        ("bob@example.com", False, "This invitation cannot open one", 410),
    ],
    ids=["the invited address", "another address", "members may not invite"],
)
async def test_a_person_of_another_service_opens_an_account_if_it_has_the_invited_address(
    others: FakeRooms, http: httpx.AsyncClient, token: str, known: str, admits: bool, said: str, status: int
) -> None:
    others.bunauth.admits = admits
    http.cookies["bb_pass"] = known

    page = await http.get("/invite", params={"token": token})
    opened = await http.post("/invite/open-with-service", data={"token": token})

    assert said in page.text
    assert ('action="/invite/open-with-service"' in page.text) is (status == 200)
    assert opened.status_code == status


async def test_where_the_invitation_opens_no_account_the_page_says_whom_to_ask(
    platform: PlatformService, others: FakeRooms, http: httpx.AsyncClient, token: str
) -> None:
    others.bunauth.admits = False

    for link in (token, await mailed(platform)):
        page = await http.get("/invite", params={"token": link})
        assert "ask an administrator of this server" in page.text
        assert 'action="/invite"' in page.text
