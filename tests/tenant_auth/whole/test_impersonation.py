"""An administrator in the place of a user may look around in the app, but may do nothing that only the user may do."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Final
from urllib.parse import unquote

import msgspec
import pytest

from bunbase.contracts.bunauth.problems import LinkExpired
from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.tenant_auth.impersonation import LinkKind, NewHandedLink, NewImpersonation
from bunbase.contracts.tenant_auth.problems import ImpersonationRefused, NoLink, UserBanned, UserNotFound
from bunbase.contracts.tenant_auth.tokens import is_user_token
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges
from bunbase.gateway.examples import EXAMPLES
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden, InvalidInput
from bunbase.pkg.openapi import SIGNED_IN_USER
from bunbase.tenant_auth.routes import ROUTES
from bunbase.tenant_auth.service import TenantAuthService
from tests.bunauth.web import client_of
from tests.rooms import member_caller, secret_caller
from tests.shared_openapi import openapi_document
from tests.tenant_auth.people import (
    AT_BAKERY,
    AT_LIBRARY,
    BAKERY,
    LIBRARY,
    as_user,
    change_settings,
    claims_of,
    without_password,
)
from tests.tenant_auth.tables import rows
from tests.tenant_auth.whole.test_isolation import OPERATIONS

EVE: Final = "eve@example.com"
ADA: Final = member_caller(BAKERY, Role.DEVELOPER)
# An impersonator may read, use the data of the app, end the impersonator's own session, and make another anonymous
# user.
APART: Final = {
    ("GET", "/v1/auth/activity"),
    ("GET", "/v1/auth/me"),
    ("GET", "/v1/auth/sessions"),
    ("PATCH", "/v1/auth/me"),
    ("POST", "/v1/auth/logout"),
    ("POST", "/v1/auth/anonymous"),
}
BY_ANYBODY: Final = {"mail_requests", "mail_tokens", "mails", "passkey_challenges", "sign_in_codes"}
OF_USERS: Final = {
    (method.upper(), route)
    for route, methods in msgspec.json.decode(openapi_document())["paths"].items()
    for method, operation in methods.items()
    if route.startswith("/v1/auth/") and operation.get("security") == SIGNED_IN_USER
} | {("POST", "/v1/auth/signup")}


async def in_place(room: TenantAuthService, uid: str, clock: ManualClock, by: Caller = ADA) -> Caller:
    opened = await room.impersonate_user(by, uid, NewImpersonation())
    return await as_user(room, AT_BAKERY, opened.access_token, clock.now().timestamp)


async def test_no_route_lets_an_impersonator_do_what_is_the_users_alone(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    """The routes come from the OpenAPI document. The user is anonymous, so that an upgrade would be possible."""
    await change_settings(tenant_auth, anonymous={"enabled": True}, redirect_urls=["https://bakery.example.com/app"])
    user = (await tenant_auth.sign_in_anonymously(AT_BAKERY, {})).user
    ada = await in_place(tenant_auth, user.id, clock)
    await tenant_auth.active_months.flush()  # Without this flush, its job adds rows meanwhile.
    before = await rows(tenant_auth, BAKERY)
    ids = {"session_id": ada.end_user(impersonated=True).session, "user_id": user.id}

    async with client_of(ROUTES, tenant_auth=tenant_auth, keyed=AT_BAKERY, client=ada) as http:
        for method, route in sorted(set(OPERATIONS) - APART):
            path = re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], "google"), route)
            answer = await http.request(method, path, json=EXAMPLES.get((method, route)))
            refused = answer.json()["code"] == "impersonation_refused" if answer.status_code == 403 else False
            assert refused or (method, route) not in OF_USERS, (method, route, answer.text)

    after = await rows(tenant_auth, BAKERY)
    assert {table for table in after if after[table] != before[table]} <= BY_ANYBODY


async def test_an_impersonated_session_is_marked_short_and_not_refreshed(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await without_password(tenant_auth, EVE, clock)
    uid = eve.end_user().uid
    opened = await tenant_auth.impersonate_user(ADA, uid, NewImpersonation("ticket 4711"))
    claims = await claims_of(tenant_auth, BAKERY, opened.access_token, clock.now().timestamp)
    ada = await as_user(tenant_auth, AT_BAKERY, opened.access_token, clock.now().timestamp)

    assert (claims["act"], claims["aal"], claims["provider"]) == ({"sub": "usr_ada"}, 1, "impersonation")
    assert claims["exp"] - claims["iat"] == opened.expires_in == 900
    assert ada.end_user(impersonated=True).act == "usr_ada"
    for caller, mark in ((ada, "usr_ada"), (eve, None)):
        async with client_of(ROUTES, tenant_auth=tenant_auth, client=caller) as http:
            said = (await http.get("/v1/auth/me")).json()
        assert (said["user"]["id"], said["impersonated_by"]) == (uid, mark)
    marks = [one.impersonated_by for one in (await tenant_auth.own_sessions(eve, 10, None)).items]
    assert sorted(mark or "" for mark in marks) == ["", "usr_ada"]
    assert (
        await tenant_auth.stores.db.value("SELECT count(*) FROM refresh_tokens WHERE session = $1", opened.session) == 0
    )
    with pytest.raises(ImpersonationRefused):
        ada.end_user()
    for wrong in ("usr_ada", {"sub": 1}, {}, None):
        assert not is_user_token(claims | {"act": wrong}, BAKERY)
    clock.advance(900)
    assert not await tenant_auth.session_alive(BAKERY, opened.session, 0)


async def test_the_user_and_administrators_end_an_impersonated_session(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await without_password(tenant_auth, EVE, clock)
    uid, server = eve.end_user().uid, secret_caller(BAKERY)
    opened = [await tenant_auth.impersonate_user(server, uid, NewImpersonation()) for _ in range(4)]
    by_itself = await as_user(tenant_auth, AT_BAKERY, opened[1].access_token, clock.now().timestamp)

    await tenant_auth.end_own_session(eve, opened[0].session)
    await tenant_auth.logout(by_itself)
    alive = [await tenant_auth.session_alive(BAKERY, one.session, 0) for one in opened]
    assert alive == [False, False, True, True]
    await tenant_auth.update_user(server, uid, UserChanges(banned=True))
    assert not await tenant_auth.session_alive(BAKERY, opened[2].session, 1)
    with pytest.raises(UserBanned):
        await tenant_auth.impersonate_user(server, uid, NewImpersonation())
    with pytest.raises(UserBanned):
        await tenant_auth.create_user_link(server, uid, NewHandedLink(LinkKind.PASSWORD_RESET))
    await tenant_auth.delete_user(server, uid)
    for call in (
        tenant_auth.impersonate_user(server, uid, NewImpersonation()),
        tenant_auth.create_user_link(server, uid, NewHandedLink(LinkKind.PASSWORD_RESET)),
    ):
        with pytest.raises(UserNotFound):
            await call


async def test_an_impersonated_session_takes_no_place_of_the_users_own(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await change_settings(tenant_auth, sessions={"max_per_user": 1})
    eve = await without_password(tenant_auth, EVE, clock)
    opened = await tenant_auth.impersonate_user(ADA, eve.end_user().uid, NewImpersonation())
    again = (await tenant_auth.custom_token(secret_caller(BAKERY), eve.end_user().uid, {})).token
    await tenant_auth.login_with_custom_token(AT_BAKERY, again)

    assert await tenant_auth.session_alive(BAKERY, opened.session, 0)
    assert not await tenant_auth.session_alive(BAKERY, eve.end_user().session, 0)


async def test_viewers_users_and_other_projects_make_no_links_and_impersonate_nobody(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await without_password(tenant_auth, EVE, clock)
    uid = eve.end_user().uid
    refusals = [(eve, Forbidden), (member_caller(BAKERY, Role.VIEWER), Forbidden), (AT_LIBRARY, Forbidden)]
    for caller, problem in (*refusals, (secret_caller(LIBRARY), UserNotFound)):
        with pytest.raises(problem):
            await tenant_auth.impersonate_user(caller, uid, NewImpersonation())
        with pytest.raises(problem):
            await tenant_auth.create_user_link(caller, uid, NewHandedLink(LinkKind.VERIFY_EMAIL))


async def test_a_link_of_an_administrator_works_once_as_that_of_a_mail(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await without_password(tenant_auth, EVE, clock)
    uid, made = eve.end_user().uid, tenant_auth.create_user_link
    await change_settings(tenant_auth, redirect_urls=["https://bakery.example.com/app"])

    first, second = [await made(ADA, uid, NewHandedLink(LinkKind.VERIFY_EMAIL)) for _ in range(2)]
    assert (second.email, second.expires_at > clock.now()) == (EVE, True)
    assert await _refused(tenant_auth.verify_user_email(AT_BAKERY, _token(first.url)))
    assert await _refused(tenant_auth.verify_user_email(AT_LIBRARY, _token(second.url)))
    await tenant_auth.verify_user_email(AT_BAKERY, _token(second.url))
    assert await _refused(tenant_auth.verify_user_email(AT_BAKERY, _token(second.url)))
    with pytest.raises(NoLink):
        await made(ADA, uid, NewHandedLink(LinkKind.VERIFY_EMAIL))

    assert not await tenant_auth.dev_mails(EVE, BAKERY, 10, "")
    reset = await made(ADA, uid, NewHandedLink(LinkKind.PASSWORD_RESET, "https://bakery.example.com/app"))
    assert await tenant_auth.reset_user_password(AT_BAKERY, _token(reset.url), "plums and cherries") == (
        "https://bakery.example.com/app"
    )
    magic = await made(ADA, uid, NewHandedLink(LinkKind.SIGN_IN))
    assert (await tenant_auth.login_with_link(AT_BAKERY, _token(magic.url))).user.id == uid
    assert await _refused(tenant_auth.login_with_link(AT_BAKERY, _token(magic.url)))
    with pytest.raises(InvalidInput):
        await made(ADA, uid, NewHandedLink(LinkKind.SIGN_IN, "https://evil.example.com/"))
    other = await tenant_auth.create_user(secret_caller(BAKERY), NewUser("fred@example.com"))
    late = await made(ADA, other.id, NewHandedLink(LinkKind.PASSWORD_RESET))
    clock.advance((late.expires_at - clock.now()).total_seconds())
    assert await _refused(tenant_auth.reset_user_password(AT_BAKERY, _token(late.url), "plums and cherries"))


def _token(url: str) -> str:
    return unquote(url.rpartition("token=")[2])


async def _refused(call: Awaitable[object]) -> bool:
    with pytest.raises(LinkExpired):
        await call
    return True
