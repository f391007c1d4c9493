"""An anonymous user gets a way to sign in only by signing up. No other route that accepts the token does this."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

import bunbase.tenant_auth.providers
from bunbase.contracts.bunauth.problems import InvalidToken, LinkExpired
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.problems import InvalidCode, MfaEnrolmentRequired, SignUpFirst
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges
from bunbase.gateway.examples import EXAMPLES
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.oidc.person import Person
from bunbase.tenant_auth.routes import ROUTES
from bunbase.tenant_auth.service import TenantAuthService
from tests.bunauth.external import FakeProvider
from tests.bunauth.web import client_of
from tests.rooms import secret_caller
from tests.tenant_auth.external import APP, GOOGLE, signed_in
from tests.tenant_auth.mailbox import link
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, as_user, change_settings
from tests.tenant_auth.phones import PHONE, phones_on
from tests.tenant_auth.whole.test_isolation import OPERATIONS

SIGN_UP: Final = ("POST", "/v1/auth/signup")
ENDS: Final = {("DELETE", "/v1/auth/me"), ("POST", "/v1/auth/logout"), ("DELETE", "/v1/auth/sessions")}
WAYS_IN: Final = """
SELECT anonymous AND email IS NULL AND phone IS NULL AND password_hash IS NULL
    AND NOT EXISTS (SELECT FROM identities WHERE user_id = $1) AND NOT EXISTS (SELECT FROM totp WHERE user_id = $1)
    AND NOT EXISTS (SELECT FROM passkey_challenges WHERE user_id = $1 AND kind = 'register')
    AND NOT EXISTS (SELECT FROM email_changes WHERE user_id = $1)
    AND NOT EXISTS (SELECT FROM sign_in_codes WHERE kind = 'phone_change')
FROM users WHERE id = $1"""
READER, SERVER = AT_BAKERY, secret_caller(BAKERY)


async def visitor(room: TenantAuthService, clock: ManualClock) -> Caller:
    opened = await room.sign_in_anonymously(AT_BAKERY, {})
    return await as_user(room, AT_BAKERY, opened.access_token, clock.now().timestamp)


async def test_no_route_but_a_sign_up_gives_an_anonymous_user_a_way_to_sign_in(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    """The routes come from the OpenAPI document, and the bodies of the requests from its examples."""
    await phones_on(tenant_auth, anonymous={"enabled": True}, redirect_urls=[APP])
    caller = await visitor(tenant_auth, clock)
    uid = caller.end_user().uid
    refused: set[tuple[str, str]] = set()

    async with client_of(ROUTES, tenant_auth=tenant_auth, visitor=AT_BAKERY, keyed=caller, client=caller) as http:
        for method, route in OPERATIONS:
            example: Any = EXAMPLES.get((method, route))
            of_server = route.startswith(("/v1/auth/users", "/v1/auth/invites", "/v1/auth/custom-token"))
            if (method, route) in {SIGN_UP, *ENDS} or of_server or isinstance(example, str):
                continue
            if isinstance(example, dict) and "phone" in example:
                example = {**example, "phone": PHONE}
            answer = await http.request(method, re.sub(r"\{\w+\}", "x", route), json=example)
            if "sign_up_first" in answer.text:
                refused.add((method, route))
            assert await tenant_auth.stores.db.value(WAYS_IN, uid), (method, route, answer.text)

    assert refused == {
        ("POST", "/v1/auth/email"),
        ("POST", "/v1/auth/passkeys/options"),
        ("POST", "/v1/auth/password"),
        ("POST", "/v1/auth/phone/change"),
        ("POST", "/v1/auth/totp"),
        ("DELETE", "/v1/auth/phone"),
    }


async def test_changes_that_an_anonymous_user_has_begun_in_an_earlier_release_are_refused(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await phones_on(tenant_auth, anonymous={"enabled": True})
    caller, pool = await visitor(tenant_auth, clock), await tenant_auth.pools.of(BAKERY)
    uid = caller.end_user().uid
    await pool.email_changes.start(uid, "mallory@evil.example")
    code, new = await pool.codes.prepared("phone_change", f"{PHONE} {uid}")
    await pool.codes.keep(new)

    token = await link(tenant_auth, "mallory@evil.example", "change-email")
    with pytest.raises(LinkExpired):
        await tenant_auth.confirm_user_email_change(READER, token)
    with pytest.raises(SignUpFirst):
        await tenant_auth.confirm_phone_change(caller, PHONE, code)

    assert (await tenant_auth.me(caller)).anonymous


async def test_a_user_who_has_an_address_is_never_upgraded(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    await change_settings(tenant_auth, anonymous={"enabled": True})
    caller = await visitor(tenant_auth, clock)
    changes = UserChanges(email="owner@example.com", email_verified=True)
    await tenant_auth.update_user(SERVER, caller.end_user().uid, changes)

    with pytest.raises(InvalidToken):
        await tenant_auth.signup(caller, "victim@corp.example", PASSWORD, {})
    with pytest.raises(InvalidCode):
        await tenant_auth.login_with_code(caller, "victim@corp.example", "123456")

    assert (await tenant_auth.user(SERVER, caller.end_user().uid)).email == "owner@example.com"


async def test_another_address_of_a_user_is_not_confirmed_because_the_one_before_was(
    tenant_auth: TenantAuthService,
) -> None:
    eve = await tenant_auth.create_user(SERVER, NewUser("eve@example.com", email_verified=True))

    changed = await tenant_auth.update_user(SERVER, eve.id, UserChanges(email="new@example.com"))
    vouched = await tenant_auth.update_user(SERVER, eve.id, UserChanges(email="own@example.com", email_verified=True))

    assert (changed.email_verified, vouched.email_verified) == (False, True)


async def test_an_upgrade_by_another_service_ends_the_anonymous_session_and_needs_a_second_factor_if_the_app_does(
    tenant_auth: TenantAuthService, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = FakeProvider()
    service.person_there = Person("sub-eve", "eve@example.com", True)
    monkeypatch.setattr(bunbase.tenant_auth.providers, "open_provider", lambda *_: service)
    await change_settings(
        tenant_auth,
        anonymous={"enabled": True},
        redirect_urls=[APP],
        providers={"google": GOOGLE},
        second_factor="required",
    )
    opened = await tenant_auth.sign_in_anonymously(AT_BAKERY, {})
    caller = await as_user(tenant_auth, AT_BAKERY, opened.access_token, clock.now().timestamp)

    with pytest.raises(MfaEnrolmentRequired):
        await signed_in(tenant_auth, exchanger=caller)

    assert (await tenant_auth.user(SERVER, opened.user.id)).email == "eve@example.com"
    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, opened.refresh_token)
