from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
import pytest_asyncio

from bunbase.contracts.bunauth.problems import EmailTaken, InvalidToken, SignupsClosed
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.problems import (
    AnonymousUsersOff,
    EmailDomainNotAllowed,
    UpgradeUnavailable,
    UserNotFound,
)
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.settings import AnonymousSettings, ProjectAuth
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges, UserFilter
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput, Problem, Unauthenticated
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.store.settings import StoredSettings
from tests.rooms import secret_caller
from tests.tenant_auth.people import (
    AT_BAKERY,
    AT_LIBRARY,
    BAKERY,
    PASSWORD,
    as_user,
    change_settings,
    claims_of,
    signed_up,
)

SERVER = secret_caller(BAKERY)
DAY = 86400


@pytest_asyncio.fixture(autouse=True)
async def anonymous_users_on(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    on = ProjectAuth(anonymous=AnonymousSettings(enabled=True))
    await tenant_auth.stores.settings.replace(BAKERY, StoredSettings(on), clock.now())
    tenant_auth.pools.cache.known.drop(BAKERY)


async def visitor(room: TenantAuthService, clock: ManualClock) -> tuple[UserSignedIn, Caller]:
    """Sign in anonymously. Return the answer, and the `Caller` object of its access token."""
    signed_in = await room.sign_in_anonymously(AT_BAKERY, {"theme": "dark"})
    return signed_in, await as_user(room, AT_BAKERY, signed_in.access_token, clock.now().timestamp)


async def test_a_visitor_signs_in_without_an_address(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    new, caller = await visitor(tenant_auth, clock)

    assert (new.user.email, new.user.anonymous, new.user.data) == (None, True, {"theme": "dark"})
    assert caller.end_user().anonymous
    assert caller.end_user().provider == "anonymous"
    assert await tenant_auth.me(caller) == new.user
    assert (await tenant_auth.refresh(AT_BAKERY, new.refresh_token)).user == new.user


async def test_a_project_that_has_not_turned_them_on_has_no_anonymous_users(tenant_auth: TenantAuthService) -> None:
    with pytest.raises(AnonymousUsersOff):
        await tenant_auth.sign_in_anonymously(AT_LIBRARY, {})


async def test_a_sign_up_keeps_the_id_and_the_data_of_the_visitor_and_ends_the_anonymous_session(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    before, caller = await visitor(tenant_auth, clock)

    after = await signed_up(tenant_auth, caller, " Eve@example.com", plan="free")

    assert after.user.id == before.user.id
    assert (after.user.email, after.user.anonymous) == ("eve@example.com", False)
    assert after.user.data == {"theme": "dark", "plan": "free"}
    claims = await claims_of(tenant_auth, BAKERY, after.access_token, clock.now().timestamp)
    assert (claims["anonymous"], claims["provider"], claims["amr"]) == (False, "password", ["pwd"])
    assert not await tenant_auth.session_alive(BAKERY, caller.end_user().session, 0)
    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, before.refresh_token)
    assert (await tenant_auth.refresh(AT_BAKERY, after.refresh_token)).user == after.user
    assert (await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)).user == after.user


@pytest.mark.parametrize(
    ("settings", "refusal"),
    [
        ({"verify_emails": True}, UpgradeUnavailable),
        ({"enumeration": "closed"}, UpgradeUnavailable),
        ({"email_domains": ["example.com"]}, UpgradeUnavailable),
        ({"email_domains": ["example.org"]}, EmailDomainNotAllowed),
        ({"signups": "invite"}, SignupsClosed),
    ],
)
async def test_a_visitor_gets_no_address_that_nobody_has_confirmed_or_that_the_settings_exclude(
    tenant_auth: TenantAuthService, clock: ManualClock, settings: dict[str, Any], refusal: type[Problem]
) -> None:
    before, caller = await visitor(tenant_auth, clock)
    await change_settings(tenant_auth, **settings)

    with pytest.raises(refusal):
        await tenant_auth.signup(caller, "eve@example.com", PASSWORD, {})

    assert await tenant_auth.me(caller) == before.user


@pytest.mark.parametrize(
    ("settings", "refusal"),
    [({"signups": "closed"}, SignupsClosed), ({"email_domains": ["example.com"]}, EmailDomainNotAllowed)],
)
async def test_a_project_that_admits_not_everybody_has_no_new_visitors(
    tenant_auth: TenantAuthService, settings: dict[str, Any], refusal: type[Problem]
) -> None:
    await change_settings(tenant_auth, **settings)

    with pytest.raises(refusal):
        await tenant_auth.sign_in_anonymously(AT_BAKERY, {})


async def test_a_visitor_stays_anonymous_if_the_address_has_a_user_or_the_data_is_too_large(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await tenant_auth.create_user(SERVER, NewUser("taken@example.com"))
    before, caller = await visitor(tenant_auth, clock)

    with pytest.raises(EmailTaken):
        await tenant_auth.signup(caller, "taken@example.com", PASSWORD, {})
    with pytest.raises(InvalidInput):
        await tenant_auth.signup(caller, "eve@example.com", PASSWORD, {"much": "x" * (16 << 10)})

    assert await tenant_auth.me(caller) == before.user
    assert await tenant_auth.session_alive(BAKERY, caller.end_user().session, 0)


async def test_of_two_sign_ups_at_once_with_one_anonymous_token_one_wins(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    _, caller = await visitor(tenant_auth, clock)
    addresses = [f"{name}@example.com" for name in ("a", "b", "c")]

    answers = await asyncio.gather(
        *(tenant_auth.signup(caller, email, PASSWORD, {}) for email in addresses), return_exceptions=True
    )

    assert Counter(type(answer) for answer in answers) == {UserSignedIn: 1, InvalidToken: 2}
    assert len((await tenant_auth.users(SERVER, UserFilter(), 10, None)).items) == 1


async def test_a_change_during_the_upgrade_is_kept(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    """The tokens are signed before the user is stored, so tokens of the first attempt would have an outdated role."""
    _, caller = await visitor(tenant_auth, clock)
    uid, really, changes = caller.end_user().uid, tenant_auth.tokens.before_token, [UserChanges(role="editor")]

    async def changing(*given: Any) -> dict[str, Any]:
        while changes:
            await tenant_auth.update_user(SERVER, uid, changes.pop())
        return await really(*given)

    tenant_auth.tokens.before_token = changing
    after = await signed_up(tenant_auth, caller)

    claims = await claims_of(tenant_auth, BAKERY, after.access_token, clock.now().timestamp)
    assert (claims["role"], claims["ver"], after.user.role) == ("editor", 2, "editor")
    assert await tenant_auth.session_alive(BAKERY, claims["sid"], 2)


async def test_a_token_of_another_project_upgrades_nobody(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    before, caller = await visitor(tenant_auth, clock)
    astray = Caller(caller.kind, project=AT_LIBRARY.project, user=caller.user)

    with pytest.raises(Unauthenticated):
        await tenant_auth.signup(astray, "eve@example.com", PASSWORD, {})

    assert await tenant_auth.me(caller) == before.user


async def test_an_address_or_a_password_from_the_server_ends_anonymity(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    before, _ = await visitor(tenant_auth, clock)

    changed = await tenant_auth.update_user(SERVER, before.user.id, UserChanges(email="eve@example.com"))

    assert not changed.anonymous


async def test_anonymous_users_who_were_away_for_long_are_deleted_and_nobody_else(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    db = tenant_auth.stores.db
    gone, back, known, linked = [await visitor(tenant_auth, clock) for _ in range(4)]
    ordinary = await tenant_auth.create_user(SERVER, NewUser("eve@example.com"))
    await tenant_auth.update_user(SERVER, known[0].user.id, UserChanges(email="known@example.com"))
    await db.execute(
        "INSERT INTO identities (project, id, user_id, provider, subject, created_at, last_used_at) "
        "VALUES ($1, 'idn_1', $2, 'google', 'x', $3, $3)",
        BAKERY, linked[0].user.id, clock.now(),
    )  # fmt: skip
    clock.advance(20 * DAY)
    await tenant_auth.refresh(AT_BAKERY, back[0].refresh_token)
    await tenant_auth.stores.delete_idle_anonymous()
    assert await db.value("SELECT count(*) FROM users") == 5

    clock.advance(11 * DAY)
    await tenant_auth.stores.delete_idle_anonymous()

    with pytest.raises(UserNotFound):
        await tenant_auth.user(SERVER, gone[0].user.id)
    for user in (back[0].user, known[0].user, linked[0].user, ordinary):
        assert await tenant_auth.user(SERVER, user.id)


async def test_a_project_chooses_how_long_anonymous_users_are_kept(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await visitor(tenant_auth, clock)
    short = ProjectAuth(anonymous=AnonymousSettings(enabled=True, idle_days=2))
    await tenant_auth.stores.settings.replace(BAKERY, StoredSettings(short, version=1), clock.now())

    clock.advance(3 * DAY)
    await tenant_auth.stores.delete_idle_anonymous()

    assert await tenant_auth.stores.db.value("SELECT count(*) FROM users") == 0
