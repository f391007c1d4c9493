"""An anonymous user gets an address by every way to sign in, and keeps the id and the data."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import pytest_asyncio

from bunbase.contracts.bunauth.problems import EmailTaken, InvalidToken, LinkExpired
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.problems import InvalidCode, PhoneTaken
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Problem, Unauthenticated
from bunbase.tenant_auth.service import TenantAuthService
from tests.rooms import secret_caller
from tests.tenant_auth.mailbox import link, mails
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, PASSWORD, as_user, change_settings, signed_up
from tests.tenant_auth.phones import PHONE, code_by_text, phones_on

EVE = "eve@example.com"
SERVER = secret_caller(BAKERY)

SignIn = Callable[[Caller], Awaitable[UserSignedIn]]


async def by_password(room: TenantAuthService) -> SignIn:
    return lambda caller: signed_up(room, caller, EVE)


async def by_code(room: TenantAuthService) -> SignIn:
    await room.request_user_code(AT_BAKERY, EVE)
    code = re.search(r"\b\d{6}\b", (await mails(room, EVE))[0].text)
    assert code is not None
    return partial(room.login_with_code, email=EVE, code=code[0])


async def by_link(room: TenantAuthService) -> SignIn:
    await room.request_user_link(AT_BAKERY, EVE, "")
    return partial(room.login_with_link, token=await link(room, EVE, "sign-in-link"))


async def by_phone(room: TenantAuthService) -> SignIn:
    await phones_on(room)
    return partial(room.login_with_phone, phone=PHONE, code=await code_by_text(room))


WAYS = (by_password, by_code, by_link, by_phone)  # `service/test_external.py` has the same tests for other services.
every_way = pytest.mark.parametrize("way", WAYS)


@pytest_asyncio.fixture(autouse=True)
async def anonymous_users_on(tenant_auth: TenantAuthService) -> None:
    await change_settings(tenant_auth, anonymous={"enabled": True}, redirect_urls=["https://bakery.example/app"])


async def visitor(room: TenantAuthService, clock: ManualClock) -> Caller:
    signed_in = await room.sign_in_anonymously(AT_BAKERY, {"theme": "dark"})
    return await as_user(room, AT_BAKERY, signed_in.access_token, clock.now().timestamp)


@every_way
async def test_the_user_keeps_the_id_and_the_data_and_the_anonymous_session_ends(
    tenant_auth: TenantAuthService, clock: ManualClock, way: Callable[[TenantAuthService], Awaitable[SignIn]]
) -> None:
    caller, sign_in = await visitor(tenant_auth, clock), await way(tenant_auth)

    after = await sign_in(caller)

    assert (after.user.id, after.user.data) == (caller.end_user().uid, {"theme": "dark"})
    assert not after.user.anonymous
    assert (after.user.email, after.user.phone) == ((None, PHONE) if way is by_phone else (EVE, None))
    assert (after.user.email_verified, after.user.phone_verified) == (way in (by_code, by_link), way is by_phone)
    assert not await tenant_auth.session_alive(BAKERY, caller.end_user().session, 0)
    assert (await tenant_auth.refresh(AT_BAKERY, after.refresh_token)).user == after.user
    with pytest.raises(Problem):  # The code or the link is used up, and the address has a user.
        await sign_in(AT_BAKERY)


@every_way
async def test_the_visitor_stays_as_before_if_the_address_has_a_user(
    tenant_auth: TenantAuthService, clock: ManualClock, way: Callable[[TenantAuthService], Awaitable[SignIn]]
) -> None:
    there = await tenant_auth.create_user(SERVER, NewUser(EVE, PASSWORD, email_verified=True))
    has_phone = "UPDATE users SET phone = $1, phone_verified = true WHERE id = $2"
    await tenant_auth.stores.db.execute(has_phone, PHONE, there.id)
    caller, sign_in = await visitor(tenant_auth, clock), await way(tenant_auth)
    before = await tenant_auth.me(caller)

    with pytest.raises((EmailTaken, PhoneTaken)):
        await sign_in(caller)

    assert await tenant_auth.me(caller) == before
    assert await tenant_auth.session_alive(BAKERY, caller.end_user().session, 0)
    if way is not by_password:
        assert (await sign_in(AT_BAKERY)).user.id == there.id, "the code or the link stays valid for its owner"


@every_way
async def test_of_several_requests_at_once_one_upgrades_the_visitor(
    tenant_auth: TenantAuthService, clock: ManualClock, way: Callable[[TenantAuthService], Awaitable[SignIn]]
) -> None:
    caller, sign_in = await visitor(tenant_auth, clock), await way(tenant_auth)

    answers = await asyncio.gather(*(sign_in(caller) for _ in range(3)), return_exceptions=True)

    [won] = [one for one in answers if isinstance(one, UserSignedIn)]
    assert won.user.id == caller.end_user().uid
    refusals = (EmailTaken, InvalidCode, InvalidToken, LinkExpired, PhoneTaken)
    assert all(isinstance(one, refusals) for one in answers if one is not won), answers


async def test_two_visitors_with_one_code_get_one_address(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    sign_in = await by_code(tenant_auth)
    callers = [await visitor(tenant_auth, clock) for _ in range(2)]

    answers = await asyncio.gather(*(sign_in(caller) for caller in callers), return_exceptions=True)

    [won] = [one for one in answers if isinstance(one, UserSignedIn)]
    [other] = [caller for caller in callers if caller.end_user().uid != won.user.id]
    assert (await tenant_auth.me(other)).anonymous


@every_way
async def test_a_visitor_of_another_project_is_never_upgraded(
    tenant_auth: TenantAuthService, clock: ManualClock, way: Callable[[TenantAuthService], Awaitable[SignIn]]
) -> None:
    caller, sign_in = await visitor(tenant_auth, clock), await way(tenant_auth)

    with pytest.raises((Problem, Unauthenticated)):
        await sign_in(Caller(caller.kind, project=AT_LIBRARY.project, user=caller.user))

    assert (await tenant_auth.me(caller)).anonymous
