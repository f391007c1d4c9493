from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest

from bunbase.contracts.bunauth.problems import EmailTaken, LinkExpired, SignupsClosed
from bunbase.contracts.caller import Role
from bunbase.contracts.tenant_auth.problems import EmailNotVerified, UserInviteNotFound
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.signups import NewUserInvite, SignupDetails
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.pkg import passwords as passwords_module
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.errors import Forbidden, InvalidInput
from bunbase.pkg.mail.settings import MailSettings
from bunbase.pkg.password_rules import WeakPassword
from bunbase.tenant_auth.service import TenantAuthService
from tests.rooms import member_caller, secret_caller
from tests.tenant_auth.mailbox import link, mails
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, LIBRARY, PASSWORD

ADA, SERVER = member_caller(BAKERY, Role.ADMIN), secret_caller(BAKERY)
EVE, TAKEN = "eve@example.com", "taken@example.com"
CHOSEN = "chosen with the link"


async def change(room: TenantAuthService, **settings: Any) -> None:
    await room.change_project_auth(ADA, settings, None)


@pytest.mark.parametrize(
    "settings", [{"verify_emails": True}, {"enumeration": "closed"}, {"email_domains": ["example.com"]}]
)
async def test_a_sign_up_that_needs_a_confirmed_address_creates_the_user_with_the_link_of_the_mail(
    tenant_auth: TenantAuthService, settings: dict[str, Any]
) -> None:
    await change(tenant_auth, **settings)

    at_german = msgspec.structs.replace(AT_BAKERY, accept_language="de")
    details = SignupDetails("Eve")
    asked = await tenant_auth.signup(at_german, EVE, PASSWORD, {"plan": "free"}, details=details)
    before = await tenant_auth.stores.db.value("SELECT count(*) FROM users")
    token = await link(tenant_auth, EVE, "sign-up")
    with pytest.raises(WeakPassword):
        await tenant_auth.confirm_user_signup(AT_BAKERY, token, EVE)
    with pytest.raises(LinkExpired):
        await tenant_auth.confirm_user_signup(AT_LIBRARY, token, CHOSEN)
    confirmations = [tenant_auth.confirm_user_signup(AT_BAKERY, token, CHOSEN) for _ in range(2)]
    answers = await asyncio.gather(*confirmations, return_exceptions=True)

    assert (asked, before) == (None, 0)
    [made] = [answer for answer in answers if isinstance(answer, UserSignedIn)]
    assert (made.user.email, made.user.email_verified, made.user.data) == (EVE, True, {"plan": "free"})
    assert (made.user.name, made.user.language) == ("Eve", "de")
    assert (await tenant_auth.login(AT_BAKERY, EVE, CHOSEN)).user == made.user
    with pytest.raises(LinkExpired):
        await tenant_auth.confirm_user_signup(AT_BAKERY, token, CHOSEN)


async def test_a_closed_sign_up_shows_neither_in_words_nor_in_work_whether_an_address_has_a_user(
    tenant_auth: TenantAuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await change(tenant_auth, enumeration="closed")
    await tenant_auth.create_user(SERVER, NewUser(TAKEN, PASSWORD))
    db, done = tenant_auth.stores.db, []
    for name in ("one", "all", "value", "execute"):
        really = getattr(db, name)

        def noting(*args: Any, really: Any = really) -> Any:
            done.append([text for text in args if isinstance(text, str) and " " in text])
            return really(*args)

        monkeypatch.setattr(db, name, noting)
    monkeypatch.setattr(tenant_auth.mail_requests, "nudge", lambda: None)
    monkeypatch.setattr(passwords_module, "_matches", None)  # A closed sign-up hashes no password.

    work = []
    for email in (TAKEN, EVE):
        await tenant_auth.pools.of(BAKERY)
        done.clear()
        assert await tenant_auth.signup(AT_BAKERY, email, PASSWORD, {}) is None
        work.append([sql for sql in done if any("mail_requests" in text or "users" in text for text in sql)])

    assert work[0] == work[1]
    assert len(work[0]) == 1


async def test_the_owner_of_a_taken_address_gets_a_mail_without_a_link(tenant_auth: TenantAuthService) -> None:
    await change(tenant_auth, enumeration="closed")
    await tenant_auth.create_user(SERVER, NewUser(TAKEN, PASSWORD))

    assert await tenant_auth.signup(AT_BAKERY, TAKEN, "an attempt to take it", {}) is None
    [mail] = await mails(tenant_auth, TAKEN)

    assert "already sign in" in mail.subject
    assert "token" not in mail.text
    assert await tenant_auth.login(AT_BAKERY, TAKEN, PASSWORD)


async def test_an_open_enumeration_answers_that_an_address_is_taken(tenant_auth: TenantAuthService) -> None:
    await change(tenant_auth, verify_emails=True)
    await tenant_auth.create_user(SERVER, NewUser(TAKEN, PASSWORD))

    with pytest.raises(EmailTaken):
        await tenant_auth.signup(AT_BAKERY, TAKEN, PASSWORD, {})
    for password in ("short", "a" * 12):
        with pytest.raises(InvalidInput):
            await tenant_auth.signup(AT_BAKERY, EVE, password, {})


async def test_an_invited_person_becomes_a_user_with_a_role_where_nobody_may_sign_up(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await change(tenant_auth, signups="invite", email_domains=["example.org"])
    invites = [await tenant_auth.invite_user(SERVER, NewUserInvite(EVE, "editor", {"plan": "free"})) for _ in range(2)]
    tokens = [unquote(one.url.rpartition("=")[2]) for one in invites]

    assert tokens[1] == await link(tenant_auth, EVE, "sign-up")
    with pytest.raises(LinkExpired):
        await tenant_auth.confirm_user_signup(AT_BAKERY, tokens[0], CHOSEN)
    with pytest.raises(SignupsClosed):
        await tenant_auth.signup(AT_BAKERY, EVE, PASSWORD, {})
    made = (await tenant_auth.confirm_user_signup(AT_BAKERY, tokens[1], CHOSEN)).user

    assert (made.email, made.email_verified, made.role, made.data) == (EVE, True, "editor", {"plan": "free"})
    with pytest.raises(EmailTaken):
        await tenant_auth.invite_user(ADA, NewUserInvite(EVE))
    for caller, refusal in ((AT_BAKERY, Forbidden), (member_caller(BAKERY, Role.VIEWER), Forbidden)):
        with pytest.raises(refusal):
            await tenant_auth.invite_user(caller, NewUserInvite("fred@example.com"))
    late = await tenant_auth.invite_user(ADA, NewUserInvite("fred@example.com"))
    clock.advance(7 * 24 * 3600)
    with pytest.raises(LinkExpired):
        await tenant_auth.confirm_user_signup(AT_BAKERY, unquote(late.url.rpartition("=")[2]), CHOSEN)


async def test_an_invitation_names_its_inviter_and_its_target_and_leads_to_the_app(
    tenant_auth: TenantAuthService,
) -> None:
    room = "https://app.example/rooms/7"
    texts = {"subject": "$inviter: $target", "body": "$inviter invites you to $target at $app."}
    await change(tenant_auth, redirect_urls=["https://app.example"], mail={"templates": {"user_invite": texts}})
    new = NewUserInvite(EVE, redirect_to=room, inviter="Ada\r\nBcc: x@y.example", target="<b>evil.example</b>")
    await tenant_auth.invite_user(SERVER, new)
    token = await link(tenant_auth, EVE, "sign-up")

    back = await tenant_auth.open_confirmed_user(AT_BAKERY, token, CHOSEN)
    await tenant_auth.invite_user(SERVER, NewUserInvite("fred@example.com"))

    assert back.url == room
    [invited], [plain] = [await mails(tenant_auth, to) for to in (EVE, "fred@example.com")]
    assert "\n" not in invited.subject
    assert "\r" not in invited.subject
    assert "Ada" in invited.subject
    assert "<b>" not in invited.html
    assert "evil.example" not in invited.text, "mail programs would make a link of it"
    app = plain.subject.partition(": ")[0]
    assert app, "without names, the app invites"
    assert plain.subject == f"{app}: {app}"
    with pytest.raises(InvalidInput):
        await tenant_auth.invite_user(SERVER, NewUserInvite("x@example.com", redirect_to="https://evil.example"))


@pytest.mark.parametrize("end", ["used", "withdrawn"])
async def test_the_link_of_an_earlier_mail_stays_valid_while_its_address_gets_too_many_mails(
    tenant_auth: TenantAuthService, clock: ManualClock, end: str
) -> None:
    shown, made = [], []
    for n in range(MailSettings().max_of_a_kind + 2):  # The last two mails are not posted.
        made.append(await tenant_auth.invite_user(SERVER, NewUserInvite(EVE, f"role-{n}")))
        shown.append(unquote(made[-1].url.rpartition("=")[2]))
        clock.advance(1)
    mailed = await link(tenant_auth, EVE, "sign-up")

    assert mailed == shown[-3]
    assert [one.id for one in (await tenant_auth.user_invites(ADA, 20, None)).items] == [made[-1].id], "listed once"
    if end == "used":
        user = (await tenant_auth.confirm_user_signup(AT_BAKERY, mailed, CHOSEN)).user
        assert user.role == made[-1].role, "the newest invitation decides"
    else:
        await tenant_auth.withdraw_user_invite(SERVER, made[-1].id)
    assert (await tenant_auth.user_invites(ADA, 20, None)).items == ()
    for token in shown[-3:]:
        with pytest.raises(LinkExpired):
            await tenant_auth.confirm_user_signup(AT_BAKERY, token, CHOSEN)


async def test_open_invitations_are_listed_in_pages_and_withdrawn(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    made = []
    for name in ("ada", "bob", "eve", "fred"):
        made.append(await tenant_auth.invite_user(SERVER, NewUserInvite(f"{name}@example.com", "editor")))
        clock.advance(0 if name == "ada" else 60)  # Two users have the same time.
    token = unquote(made[2].url.rpartition("=")[2])

    first = await tenant_auth.user_invites(ADA, 2, None)
    second = await tenant_auth.user_invites(ADA, 2, first.next)

    listed = [*first.items, *second.items]
    assert ([one.id for one in listed[:2]], second.next) == ([made[3].id, made[2].id], None)
    assert {one.id for one in listed} == {one.id for one in made}
    assert (listed[0].role, listed[0].expires_at) == ("editor", made[3].expires_at)
    assert listed[0].expires_at - listed[0].created_at == timedelta(days=7)
    elsewhere = secret_caller(LIBRARY)
    assert (await tenant_auth.user_invites(elsewhere, 2, None)).items == ()
    for caller, id in ((elsewhere, made[2].id), (SERVER, "uin_x"), (SERVER, made[2].id[:-2]), (SERVER, "uin_" + "é")):
        with pytest.raises(UserInviteNotFound):
            await tenant_auth.withdraw_user_invite(caller, id)
    with pytest.raises(InvalidCursor):
        await tenant_auth.user_invites(elsewhere, 2, first.next)
    with pytest.raises(Forbidden):
        await tenant_auth.user_invites(AT_BAKERY, 2, None)

    both = await asyncio.gather(
        *(tenant_auth.withdraw_user_invite(SERVER, made[2].id) for _ in range(2)), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in both) == ["NoneType", "UserInviteNotFound"]
    with pytest.raises(LinkExpired):
        await tenant_auth.confirm_user_signup(AT_BAKERY, token, CHOSEN)
    clock.advance(7 * 24 * 3600)
    assert (await tenant_auth.user_invites(ADA, 2, None)).items == ()


async def test_a_link_ends_with_a_newer_one_with_time_and_when_sign_ups_close(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await change(tenant_auth, verify_emails=True)
    tokens = []
    for _ in range(2):
        await tenant_auth.signup(AT_BAKERY, EVE, PASSWORD, {})
        tokens.append(await link(tenant_auth, EVE, "sign-up"))
        clock.advance(60)

    with pytest.raises(LinkExpired):
        await tenant_auth.confirm_user_signup(AT_BAKERY, tokens[0], CHOSEN)
    await change(tenant_auth, signups="closed")
    with pytest.raises(SignupsClosed):
        await tenant_auth.confirm_user_signup(AT_BAKERY, tokens[1], CHOSEN)
    await change(tenant_auth, signups="open")
    clock.advance(24 * 3600)
    with pytest.raises(LinkExpired):
        await tenant_auth.confirm_user_signup(AT_BAKERY, tokens[1], CHOSEN)


async def test_a_user_whose_address_is_not_confirmed_cannot_sign_in_where_the_project_demands_it(
    tenant_auth: TenantAuthService,
) -> None:
    await tenant_auth.create_user(SERVER, NewUser(EVE, PASSWORD))
    await change(tenant_auth, verify_emails=True)

    with pytest.raises(EmailNotVerified):
        await tenant_auth.login(AT_BAKERY, EVE, PASSWORD)
    await tenant_auth.request_user_verification(AT_BAKERY, EVE, "")
    await tenant_auth.verify_user_email(AT_BAKERY, await link(tenant_auth, EVE, "verify-email"))

    assert await tenant_auth.login(AT_BAKERY, EVE, PASSWORD)
