from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
import pytest_asyncio

from bunbase.contracts.bunauth.problems import (
    EmailTaken,
    InvalidCredentials,
    InvalidToken,
    LinkExpired,
    SessionNotFound,
)
from bunbase.contracts.bunauth.tokens import FirstUse
from bunbase.contracts.bunkms import KeyNotFound, Kms
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.revocations import RevokedKind, user_version
from bunbase.contracts.tenant_auth.problems import CustomTokenUsed, StaleSettings, UserBanned, UserNotFound
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.users import ManagedUsers, NewUser, UserChanges, UserFilter
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.errors import Forbidden, InvalidInput, Unauthenticated
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from tests.bunauth.feeds import feed_of
from tests.fakes import FakeKms
from tests.pkg.waiting import until_true
from tests.rooms import member_caller, opened, secret_caller, site
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, as_user, signed_up


@pytest_asyncio.fixture(params=["local", "remote"])
async def tenant_auth(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> AsyncIterator[TenantAuth]:
    kms = FakeKms(lazy=False)
    await kms.create_keys(BAKERY)
    async with opened(MODULE, Rooms({Kms: kms}), site(tmp_path, database_url), request.param) as service:
        yield service


async def test_a_user_signs_up_logs_in_refreshes_and_logs_out(tenant_auth: TenantAuth) -> None:
    first = await signed_up(tenant_auth, plan="free")
    second = await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    third = await tenant_auth.refresh(AT_BAKERY, second.refresh_token)
    caller = await as_user(tenant_auth, AT_BAKERY, third.access_token, time.time)
    assert caller.user is not None
    assert await tenant_auth.me(caller) == first.user
    assert (await tenant_auth.update_me(caller, {"plan": "pro"})).data == {"plan": "pro"}
    assert await tenant_auth.session_alive(BAKERY, caller.user.session, 0)

    async with feed_of(tenant_auth) as feed:
        assert (await feed.next()).kind is RevokedKind.READY
        await tenant_auth.logout(caller)
        told = await feed.next()

    assert (told.kind, told.id) == (RevokedKind.SESSION, caller.user.session)
    assert not await tenant_auth.session_alive(BAKERY, caller.user.session, 0)


async def test_problems_of_tenant_auth_keep_their_class_over_http(tenant_auth: TenantAuth) -> None:
    await signed_up(tenant_auth)

    with pytest.raises(EmailTaken):
        await signed_up(tenant_auth)
    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", "wrong horse battery")
    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, "urt_unknown")
    with pytest.raises(Unauthenticated):
        await tenant_auth.me(AT_BAKERY)
    with pytest.raises(InvalidInput):
        await signed_up(tenant_auth, AT_BAKERY, "other@example.com", text="x" * (16 << 10))
    with pytest.raises(KeyNotFound):
        await tenant_auth.jwks("prj_unknown")


async def test_a_server_creates_changes_and_deletes_users(tenant_auth: TenantAuth) -> None:
    server = secret_caller(BAKERY)
    made = await tenant_auth.create_user(server, NewUser("eve@example.com", role="editor", claims={"team": 1}))
    token = (await tenant_auth.custom_token(server, made.id, {"tv": True})).token
    signed_in = await tenant_auth.login_with_custom_token(AT_BAKERY, token)
    caller = await as_user(tenant_auth, AT_BAKERY, signed_in.access_token, time.time)
    assert caller.user is not None
    assert (caller.user.role, caller.user.claims) == ("editor", {"team": 1, "tv": True})
    found = await tenant_auth.user(server, made.id)
    assert found.last_sign_in_at is not None
    assert await tenant_auth.users(server, UserFilter(q="eve"), 10, None) == ManagedUsers((found,))
    [session] = (await tenant_auth.user_sessions(server, made.id, 10, None)).items
    assert session.id == caller.user.session

    async with feed_of(tenant_auth) as feed:
        assert (await feed.next()).kind is RevokedKind.READY
        changed = await tenant_auth.update_user(server, made.id, UserChanges(role="admin"))
        told = await feed.next()
    await tenant_auth.end_user_sessions(server, made.id)

    assert (changed.role, changed.claims, changed.email) == ("admin", {"team": 1}, "eve@example.com")
    assert (told.kind, told.id) == (RevokedKind.USER, user_version(BAKERY, made.id, 0))
    assert not await tenant_auth.session_alive(BAKERY, session.id, 0)
    assert await tenant_auth.user(server, made.id) == changed
    await tenant_auth.delete_user(server, made.id)
    with pytest.raises(UserNotFound):
        await tenant_auth.user(server, made.id)


async def test_problems_of_user_management_keep_their_class_over_http(tenant_auth: TenantAuth) -> None:
    server, eve = secret_caller(BAKERY), (await signed_up(tenant_auth)).user
    token = (await tenant_auth.custom_token(server, eve.id, {})).token
    await tenant_auth.login_with_custom_token(AT_BAKERY, token)

    with pytest.raises(CustomTokenUsed):
        await tenant_auth.login_with_custom_token(AT_BAKERY, token)
    with pytest.raises(EmailTaken):
        await tenant_auth.create_user(server, NewUser("eve@example.com"))
    with pytest.raises(InvalidInput):
        await tenant_auth.update_user(server, eve.id, UserChanges(claims={"sub": "usr_other"}))
    with pytest.raises(InvalidCursor):
        await tenant_auth.users(server, UserFilter(), 1, "forged")
    with pytest.raises(Forbidden):
        await tenant_auth.delete_user(AT_BAKERY, eve.id)
    await tenant_auth.update_user(server, eve.id, UserChanges(banned=True))
    with pytest.raises(UserBanned):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)


async def test_numbers_beyond_64_bits_are_refused_in_both_topologies(tenant_auth: TenantAuth) -> None:
    server, beyond = secret_caller(BAKERY), {"n": [1 << 64]}
    eve = (await signed_up(tenant_auth, n=(1 << 64) - 1)).user

    for refused in (
        signed_up(tenant_auth, AT_BAKERY, "ada@example.com", **beyond),
        tenant_auth.update_user(server, eve.id, UserChanges(claims=beyond)),
        tenant_auth.custom_token(server, eve.id, beyond),
    ):
        with pytest.raises(InvalidInput, match="64 bits"):
            await refused

    assert (await tenant_auth.users(server, UserFilter(), 10, None)).items[0].data == {"n": (1 << 64) - 1}


async def test_a_user_lists_and_ends_own_sessions_and_first_uses_are_noted(tenant_auth: TenantAuth) -> None:
    first = await signed_up(tenant_auth)
    second = await tenant_auth.refresh(AT_BAKERY, first.refresh_token)
    caller = await as_user(tenant_auth, AT_BAKERY, second.access_token, time.time)
    [session] = (await tenant_auth.own_sessions(caller, 10, None)).items

    await tenant_auth.note_first_uses((FirstUse(session.id, 1, BAKERY),))
    with pytest.raises(SessionNotFound):
        await tenant_auth.end_own_session(caller, "ses_other")
    await tenant_auth.end_own_session(caller, session.id)
    await tenant_auth.end_own_sessions(caller, keep_current=False)

    assert (session.current, session.last_used_at >= session.created_at) == (True, True)
    assert not await tenant_auth.session_alive(BAKERY, session.id, 0)


async def test_an_address_is_confirmed_by_mail(tenant_auth: TenantAuth) -> None:
    server = secret_caller(BAKERY)
    made = await tenant_auth.create_user(server, NewUser("eve@example.com"))
    await tenant_auth.request_user_verification(AT_BAKERY, "eve@example.com", "")
    await until_true(lambda: tenant_auth.dev_mails("eve@example.com", BAKERY, 1, ""))
    [mail] = await tenant_auth.dev_mails("eve@example.com", BAKERY, 1, "")
    link = parse_qs(urlsplit(mail.text[mail.text.index("http") :].split()[0]).query)

    visitor = Caller(CallerKind.ANONYMOUS, project=link["project"][0])
    assert (await tenant_auth.user_page(visitor)).app_name == "this app"
    assert (await tenant_auth.verify_user_email(visitor, link["token"][0])).status == "verified"
    with pytest.raises(LinkExpired):
        await tenant_auth.verify_user_email(visitor, link["token"][0])

    assert (await tenant_auth.user(server, made.id)).email_verified


async def test_a_member_reads_and_changes_the_settings(tenant_auth: TenantAuth) -> None:
    ada = member_caller(BAKERY)
    patch = {"app_name": "Bakery", "mail": {"from": "The bakery"}, "captcha": {"secret": "no-bot"}}

    made = await tenant_auth.change_project_auth(ada, patch, 0)

    assert (made.app_name, made.mail.sender, made.secrets, made.version) == ("Bakery", "The bakery", ("captcha",), 1)
    assert await tenant_auth.project_auth(ada) == made
    with pytest.raises(StaleSettings):
        await tenant_auth.change_project_auth(ada, {}, 0)
    with pytest.raises(InvalidInput):
        await tenant_auth.change_project_auth(ada, {"app": "x"}, None)


async def test_a_dropped_project_has_no_users(tenant_auth: TenantAuth) -> None:
    await signed_up(tenant_auth)

    await tenant_auth.drop_project(BAKERY)
    await tenant_auth.drop_project(BAKERY)

    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)


async def test_an_ip_address_is_known_if_the_user_signed_in_there_before(tenant_auth: TenantAuth) -> None:
    """The limits on sign-ins allow users from known addresses."""
    await signed_up(tenant_auth)
    at_home = msgspec.structs.replace(AT_BAKERY, ip="2001:db8:1:2::3")
    await tenant_auth.login(at_home, "eve@example.com", PASSWORD)

    for email in ("eve@example.com", " EVE@example.com"):
        assert await tenant_auth.knows_address(BAKERY, email, "127.0.0.1")
        assert await tenant_auth.knows_address(BAKERY, email, "2001:db8:1:2:ffff::1")
        for ip in ("2001:db8:1:3::3", "127.0.0.2", "", "nonsense"):
            assert not await tenant_auth.knows_address(BAKERY, email, ip)
    assert not await tenant_auth.knows_address("prj_library", "eve@example.com", "127.0.0.1")
    assert not await tenant_auth.knows_address(BAKERY, "bob@example.com", "127.0.0.1")
    assert not await tenant_auth.knows_address(BAKERY, "no address", "127.0.0.1")
