"""The OpenID Provider: the tokens and claims that a client gets, and when tokens end."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import suppress

import pytest

from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.store import oauth_clients
from bunbase.contracts.bunauth.openid import (
    AuthorizationExpired,
    AuthorizationNotFound,
    ClientKind,
    OAuthClient,
    OAuthClientNotFound,
    OAuthRefused,
    OAuthTokens,
    PageKind,
    PageStep,
)
from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.contracts.bunauth.tokens import PersonalToken
from bunbase.contracts.caller import Caller
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.jwt import Verifier, unverified_claims
from bunbase.pkg.openid_provider.id_tokens import access_token_hash
from tests.bunauth.factors import with_totp
from tests.bunauth.openid import (
    BROWSER,
    CALLBACK,
    CLIENT,
    ISSUER,
    Visitor,
    answer_in,
    credentials,
    exchanged,
    new_client,
    refreshed,
    refusal_of,
)
from tests.bunauth.people import PASSWORD, caller_with
from tests.rooms import ANYONE

PROGRAM = "http://127.0.0.1/callback"

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_person_signs_in_and_the_client_gets_what_its_scopes_name(
    bunauth: BunAuthService, own: Caller, shop: OAuthClient, visitor: Visitor, clock: ManualClock
) -> None:
    page = await visitor.to(shop, login_hint=visitor.email)
    before = visitor.cookie
    consent = await visitor.sign_in(page)
    answer = answer_in(await visitor.allow(consent))
    tokens = await exchanged(bunauth, shop, answer["code"])
    about = await bunauth.oauth_userinfo(tokens.access_token)

    assert (page.kind, page.client, page.email) == (PageKind.SIGN_IN, "Shop", visitor.email)
    assert visitor.cookie != before
    assert (consent.kind, consent.form_target, consent.local) == (PageKind.CONSENT, "https://shop.example", False)
    assert (answer["state"], answer["iss"]) == ("xyz", ISSUER)
    now = int(clock.now().timestamp())
    claims = Verifier((await bunauth.jwks()).keys, lambda: now).claims(tokens.id_token, iss=ISSUER, aud=shop.id)
    assert (claims["nonce"], claims["auth_time"], claims["amr"]) == ("n-0S6", now, ["pwd"])
    assert claims["at_hash"] == access_token_hash(tokens.access_token)
    assert (about.sub, about.email, about.name) == (claims["sub"], visitor.email, "Ada")
    assert claims["sub"] == own.signed_in().id
    assert (tokens.token_type, tokens.scope) == ("Bearer", "openid profile email offline_access")


async def test_the_token_of_somebody_elses_client_is_good_for_userinfo_alone(
    bunauth: BunAuthService, shop: OAuthClient, visitor: Visitor
) -> None:
    tokens = await exchanged(bunauth, shop, await visitor.code(shop))

    assert not (await bunauth.verify(tokens.access_token)).valid
    assert not (await bunauth.verify(tokens.id_token)).valid
    with pytest.raises(InvalidToken):
        await bunauth.refresh(ANYONE, tokens.refresh_token)
    with pytest.raises(InvalidToken):
        await bunauth.oauth_userinfo(tokens.id_token)
    assert unverified_claims(tokens.access_token)["type"] == "oauth"


async def test_the_operators_own_client_gets_a_session_without_consent(
    bunauth: BunAuthService, admin: Caller, own: Caller, visitor: Visitor
) -> None:
    console = await new_client(bunauth, admin, name="Console", first_party=True, kind=ClientKind.PUBLIC)

    step = await visitor.sign_in(await visitor.to(console))
    tokens = await exchanged(bunauth, console, answer_in(step)["code"])
    own = await caller_with(bunauth, tokens.access_token)
    (session,) = [one for one in (await bunauth.sessions(own, 10, None)).items if one.current]

    assert (session.client, session.ip, session.agent) == ("Console", BROWSER.ip, BROWSER.agent)
    with pytest.raises(InvalidToken):  # Only the client can refresh the token, because the client must authenticate.
        await bunauth.refresh(ANYONE, tokens.refresh_token)
    assert (await refreshed(bunauth, console, tokens.refresh_token)).access_token
    await bunauth.end_session(own, session.id)
    assert not (await bunauth.verify(tokens.access_token)).valid
    with pytest.raises(InvalidToken):
        await bunauth.oauth_userinfo(tokens.access_token)


async def test_a_program_on_the_machine_always_asks_for_full_access(
    bunauth: BunAuthService, admin: Caller, own: Caller, visitor: Visitor
) -> None:
    command = await new_client(bunauth, admin, first_party=True, kind=ClientKind.PUBLIC, redirect_uris=(PROGRAM,))
    at_a_free_port = {"redirect_uri": "http://127.0.0.1:53123/callback"}

    first = await visitor.sign_in(await visitor.to(command, **at_a_free_port))
    code = answer_in(await visitor.allow(first))["code"]
    second = await visitor.to(command, **at_a_free_port)

    assert first.local
    assert await exchanged(bunauth, command, code, **at_a_free_port)
    assert (first.kind, second.kind) == (PageKind.CONSENT, PageKind.CONSENT)


async def test_consent_is_remembered_until_more_is_asked_for_or_it_is_ended(
    bunauth: BunAuthService, admin: Caller, own: Caller, shop: OAuthClient, visitor: Visitor
) -> None:
    tokens = await exchanged(bunauth, shop, await visitor.code(shop, scope="openid offline_access"))

    again = await visitor.to(shop, scope="openid")
    silent = await visitor.to(shop, scope="openid", prompt="none")
    more = await visitor.to(shop, scope="openid email")
    silent_more = await visitor.to(shop, scope="openid email", prompt="none")
    asked = await visitor.to(shop, scope="openid", prompt="consent")
    waiting = answer_in(again)["code"]
    (allowed,) = (await bunauth.authorizations(own)).items
    await bunauth.delete_authorization(own, allowed.id)
    ended = await visitor.to(shop, scope="openid")

    assert {"code"} <= answer_in(again).keys() & answer_in(silent).keys()
    assert (more.kind, asked.kind, ended.kind) == (PageKind.CONSENT,) * 3
    assert answer_in(silent_more)["error"] == "consent_required"
    assert (allowed.client, allowed.scopes) == ("Shop", ("offline_access", "openid"))
    with pytest.raises(InvalidToken):
        await bunauth.oauth_userinfo(tokens.access_token)
    with pytest.raises(OAuthRefused):
        await refreshed(bunauth, shop, tokens.refresh_token)
    assert await refusal_of(bunauth, shop, waiting) == "invalid_grant"
    with pytest.raises(AuthorizationNotFound):
        await bunauth.delete_authorization(own, allowed.id)


async def test_the_tokens_that_an_application_has_made_are_named_after_it_and_end_with_its_authorization(
    bunauth: BunAuthService, admin: Caller, own: Caller, visitor: Visitor
) -> None:
    console = await new_client(bunauth, admin, name="Console", first_party=True, kind=ClientKind.PUBLIC)
    mine = await bunauth.create_token(own, "laptop", ("read",), None)

    async def made(name: str) -> tuple[Caller, PersonalToken]:
        access = (await exchanged(bunauth, console, await visitor.code(console))).access_token
        caller = await caller_with(bunauth, access)
        return caller, await bunauth.create_token(caller, name, ("read",), None)

    async def works(token: PersonalToken) -> bool:
        return (await bunauth.verify(token.token or "")).valid

    at_console, first = await made("of the console")
    listed = {one.name: (one.client, one.session) for one in (await bunauth.tokens(own)).items}
    (allowed,) = (await bunauth.authorizations(own)).items
    both = await asyncio.gather(
        bunauth.delete_authorization(own, allowed.id),
        *(bunauth.create_token(at_console, f"at once {number}", ("read",), None) for number in range(4)),
        return_exceptions=True,
    )

    assert listed == {
        "laptop": ("", own.signed_in().session),
        "of the console": ("Console", at_console.signed_in().session),
    }
    assert [one for one in both if not isinstance(one, PersonalToken | InvalidToken | None)] == []
    assert [one.name for one in (await bunauth.tokens(own)).items] == ["laptop"]
    assert not await works(first)
    assert await works(mine)
    with pytest.raises(InvalidToken):  # The session of the token has ended.
        await bunauth.create_token(at_console, "late", ("read",), None)

    _, second = await made("of the console")
    await bunauth.delete_oauth_client(admin, console.id)

    assert not await works(second)
    assert [one.name for one in (await bunauth.tokens(own)).items] == ["laptop"]


async def test_a_client_may_ask_for_a_new_sign_in(
    bunauth: BunAuthService, shop: OAuthClient, visitor: Visitor, clock: ManualClock
) -> None:
    nobody = await visitor.to(shop, prompt="none")
    await visitor.code(shop)
    signed_in_at = int(clock.now().timestamp())
    clock.advance(100)

    steps = {asked: await visitor.to(shop, **{asked.split("=")[0]: asked.split("=")[1]}) for asked in ASKED}
    silent = await visitor.to(shop, prompt="none", max_age="99")
    stranger = await visitor.to(shop, prompt="none", id_token_hint=hint_of("usr_somebody"))
    tokens = await exchanged(bunauth, shop, answer_in(await visitor.sign_in(steps["prompt=login"]))["code"])

    clock.advance(5)
    at_once = await visitor.to(shop, max_age="0")
    clock.advance(5)

    assert (await visitor.sign_in(at_once)).kind is PageKind.REDIRECT, "a fresh sign-in is fresh enough"
    assert answer_in(nobody)["error"] == answer_in(silent)["error"] == answer_in(stranger)["error"] == "login_required"
    assert {asked: step.kind for asked, step in steps.items()} == ASKED
    assert unverified_claims(tokens.id_token)["auth_time"] == signed_in_at + 100


ASKED = {
    "prompt=login": PageKind.SIGN_IN,
    "max_age=99": PageKind.SIGN_IN,
    "max_age=100": PageKind.REDIRECT,
    "prompt=select_account": PageKind.CONSENT,
}


def hint_of(subject: str) -> str:
    """Return an id_token that names a person."""
    part = base64.urlsafe_b64encode(json.dumps({"sub": subject}).encode()).rstrip(b"=").decode()
    return f"e30.{part}.x"


async def test_an_account_with_a_second_factor_needs_it_on_the_page(
    bunauth: BunAuthService, own: Caller, shop: OAuthClient, visitor: Visitor, clock: ManualClock
) -> None:
    phone, _ = await with_totp(bunauth, own, clock)
    page = await visitor.to(shop)

    asked = await visitor.sign_in(page)
    wrong = await bunauth.oauth_second_factor(
        BROWSER, page.request, visitor.cookie, asked.challenge, phone.wrong_code()
    )
    step = await bunauth.oauth_second_factor(BROWSER, page.request, visitor.cookie, asked.challenge, phone.code())
    code = answer_in(await visitor.allow(await visitor.follow(step)))["code"]
    tokens = await exchanged(bunauth, shop, code)

    assert asked.kind is PageKind.SECOND_FACTOR
    assert (wrong.kind, wrong.status) == (PageKind.SECOND_FACTOR, 403)
    assert unverified_claims(tokens.id_token)["amr"] == ["pwd", "otp", "mfa"]


# The error of the token endpoint, and the fault that causes it.
WRONG = {
    "another redirect URI": {"redirect_uri": f"{CALLBACK}/"},
    "no redirect URI": {"redirect_uri": ""},
    "another verifier": {"code_verifier": "another-verifier-that-has-at-least-43-characters"},
    "a short verifier": {"code_verifier": "short"},
    "no verifier": {"code_verifier": ""},
    "another code": {"code_sent": "oco_another"},
}


async def test_a_code_is_bound_to_client_redirect_and_verifier(
    bunauth: BunAuthService, admin: Caller, own: Caller, shop: OAuthClient, visitor: Visitor, clock: ManualClock
) -> None:
    foreign = await new_client(bunauth, admin, name="Foreign")
    code = await visitor.code(shop)

    errors = {why: await refusal_of(bunauth, shop, code, **changes) for why, changes in WRONG.items()}
    by_another = await refusal_of(bunauth, foreign, code)
    unknown = await refusal_of(bunauth, shop, code, grant_type="password")
    clock.advance(60)
    expired = await refusal_of(bunauth, shop, code)

    assert set(errors.values()) == {by_another, expired} == {"invalid_grant"}
    assert unknown == "unsupported_grant_type"


async def test_the_second_use_of_a_code_ends_what_the_first_gave(
    bunauth: BunAuthService, shop: OAuthClient, visitor: Visitor, clock: ManualClock
) -> None:
    code = await visitor.code(shop)
    tokens = await exchanged(bunauth, shop, code)
    clock.advance(3600)

    again = await refusal_of(bunauth, shop, code)

    assert again == "invalid_grant"
    with pytest.raises(OAuthRefused):
        await refreshed(bunauth, shop, tokens.refresh_token)
    with pytest.raises(InvalidToken):
        await bunauth.oauth_userinfo(tokens.access_token)


async def test_of_two_answers_and_of_two_exchanges_at_once_one_counts(
    bunauth: BunAuthService, shop: OAuthClient, visitor: Visitor
) -> None:
    page = await visitor.sign_in(await visitor.to(shop))
    person = await visitor.person()

    answers = await asyncio.gather(
        *(bunauth.oauth_allow(person, page.request, shop.id) for _ in range(3)), return_exceptions=True
    )
    (allowed,) = [one for one in answers if isinstance(one, PageStep)]
    exchanges = await asyncio.gather(
        *(exchanged(bunauth, shop, answer_in(allowed)["code"]) for _ in range(3)), return_exceptions=True
    )
    (tokens,) = [one for one in exchanges if isinstance(one, OAuthTokens)]

    assert [type(one) for one in answers if one is not allowed] == [AuthorizationExpired] * 2
    assert [type(one) for one in exchanges if one is not tokens] == [OAuthRefused] * 2
    with pytest.raises(InvalidToken):  # Two parties used the code, so one of them has stolen it.
        await bunauth.oauth_userinfo(tokens.access_token)


async def test_the_activity_shows_what_an_application_does_at_an_account(
    bunauth: BunAuthService, own: Caller, shop: OAuthClient, visitor: Visitor
) -> None:
    page = await visitor.to(shop)
    await bunauth.oauth_sign_in(BROWSER, page.request, visitor.cookie, visitor.email, "wrong horse battery")
    code = await visitor.code(shop)
    tokens = await exchanged(bunauth, shop, code)
    assert await refusal_of(bunauth, shop, code) == "invalid_grant"
    # The token belongs to the ended session.
    await bunauth.oauth_revoke(CLIENT, credentials(shop), tokens.refresh_token)
    tokens = await exchanged(bunauth, shop, await visitor.code(shop))
    await bunauth.oauth_revoke(CLIENT, credentials(shop), tokens.refresh_token)
    (allowed,) = (await bunauth.authorizations(own)).items
    await bunauth.delete_authorization(own, allowed.id)

    items = (await bunauth.activity(own, 100, None)).items
    shown = [(one.action, one.method, one.outcome.value, one.ip) for one in items[-2::-1]]
    session = ("account.sign_in", "openid", "done", BROWSER.ip)
    assert [one for one in shown if one[1] != "password"] == [
        ("authorization.create", None, "done", BROWSER.ip),
        session,
        ("session.end", "token_reused", "done", CLIENT.ip),
        session,
        ("session.end", "openid", "done", CLIENT.ip),
        ("authorization.delete", None, "done", own.ip),
    ]
    assert {one for one in shown if one[1] == "password"} == {
        ("account.sign_in", "password", "done", BROWSER.ip),
        ("account.sign_in", "password", "refused", BROWSER.ip),
    }
    assert {one.target for one in items if one.method == "openid" and one.action == "account.sign_in"} == {"Shop"}


async def test_a_failure_amid_an_exchange_leaves_the_code_usable(
    bunauth: BunAuthService, shop: OAuthClient, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = await visitor.code(shop)

    async def fail(*_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as broken:
        broken.setattr(bunauth.stores.oauth_codes, "use", fail)  # The failure comes after the session was stored.
        with pytest.raises(ConnectionResetError):
            await exchanged(bunauth, shop, code)

    assert (await exchanged(bunauth, shop, code)).access_token


async def test_a_refresh_token_follows_the_rule_of_sessions(
    bunauth: BunAuthService, admin: Caller, own: Caller, shop: OAuthClient, visitor: Visitor, clock: ManualClock
) -> None:
    foreign = await new_client(bunauth, admin, name="Foreign")
    first = await exchanged(bunauth, shop, await visitor.code(shop))

    with pytest.raises(OAuthRefused):
        await refreshed(bunauth, foreign, first.refresh_token)
    with pytest.raises(OAuthRefused) as too_much:
        await refreshed(bunauth, shop, first.refresh_token, scope="openid admin")
    second = await refreshed(bunauth, shop, first.refresh_token)
    clock.advance(600)
    lost = await refreshed(bunauth, shop, first.refresh_token)  # The answer to this refresh is lost.
    await bunauth.oauth_userinfo(lost.access_token)  # The new token is used now.
    clock.advance(600)
    with pytest.raises(OAuthRefused):
        await refreshed(bunauth, shop, first.refresh_token)

    assert too_much.value.extra["error"] == "invalid_scope"
    assert lost.refresh_token == second.refresh_token
    assert "nonce" not in unverified_claims(second.id_token)
    with pytest.raises(OAuthRefused):  # The second use of the old token has ended the session.
        await refreshed(bunauth, shop, second.refresh_token)


async def test_without_offline_access_a_session_ends_with_its_access_token(
    bunauth: BunAuthService, own: Caller, shop: OAuthClient, visitor: Visitor, clock: ManualClock
) -> None:
    tokens = await exchanged(bunauth, shop, await visitor.code(shop, scope="openid"))
    about = await bunauth.oauth_userinfo(tokens.access_token)
    before = [one.client for one in (await bunauth.sessions(own, 10, None)).items]
    clock.advance(tokens.expires_in)

    assert (tokens.refresh_token, about.email, about.name) == ("", None, None)
    assert set(before) >= {"Shop", "Sign-in page"}
    assert "Shop" not in [one.client for one in (await bunauth.sessions(own, 10, None)).items]


async def test_a_password_change_a_suspension_and_the_end_of_the_client_end_its_tokens(
    bunauth: BunAuthService, admin: Caller, own: Caller, shop: OAuthClient, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await new_client(bunauth, admin, name="Other")

    async def signed_in(client: OAuthClient, password: str = PASSWORD) -> tuple[str, str]:
        visitor = Visitor(bunauth, email)
        page = await visitor.to(client, prompt="login consent")
        consent = await visitor.sign_in(page, password=password)
        waiting = answer_in(await visitor.allow(consent))["code"]
        code = await visitor.code(client)
        return (await exchanged(bunauth, client, code)).access_token, waiting

    async def ended(access_token: str) -> bool:
        with suppress(InvalidToken):
            await bunauth.oauth_userinfo(access_token)
            return False
        return True

    changed, waiting = await signed_in(shop)
    await bunauth.change_password(own, "another horse battery", PASSWORD)
    late = await refusal_of(bunauth, shop, waiting)
    deleted, waits_too = await signed_in(other, "another horse battery")
    also_deleted = (await exchanged(bunauth, other, waits_too)).access_token
    monkeypatch.setattr(oauth_clients, "SESSIONS_AT_ONCE", 1)
    suspended, waits = await signed_in(shop, "another horse battery")
    await bunauth.delete_oauth_client(admin, other.id)
    await bunauth.suspend_account(admin, own.signed_in().id)

    assert [await ended(token) for token in (changed, deleted, also_deleted, suspended)] == [True] * 4
    assert (late, await refusal_of(bunauth, shop, waits)) == ("invalid_grant", "invalid_grant")
    assert await refusal_of(bunauth, other, "oco_any") == "invalid_client"
    with pytest.raises(OAuthClientNotFound):
        await bunauth.delete_oauth_client(admin, other.id)


async def test_revocation_and_introspection_are_for_the_client_of_the_token(
    bunauth: BunAuthService, admin: Caller, own: Caller, shop: OAuthClient, visitor: Visitor
) -> None:
    foreign = await new_client(bunauth, admin, name="Foreign")
    page = await new_client(bunauth, admin, name="Page", kind=ClientKind.PUBLIC)
    tokens = await exchanged(bunauth, shop, await visitor.code(shop))

    access = await bunauth.oauth_introspect(credentials(shop), tokens.access_token)
    refresh = await bunauth.oauth_introspect(credentials(shop), tokens.refresh_token)
    by_another = await bunauth.oauth_introspect(credentials(foreign), tokens.access_token)
    with pytest.raises(OAuthRefused) as public:
        await bunauth.oauth_introspect(credentials(page), tokens.access_token)
    for stranger in (foreign, page):
        await bunauth.oauth_revoke(CLIENT, credentials(stranger), tokens.refresh_token)
    kept = await bunauth.oauth_introspect(credentials(shop), tokens.refresh_token)
    await bunauth.oauth_revoke(CLIENT, credentials(shop), tokens.refresh_token)
    await bunauth.oauth_revoke(CLIENT, credentials(shop), "unknown")
    after = [
        await bunauth.oauth_introspect(credentials(shop), one) for one in (tokens.access_token, tokens.refresh_token)
    ]

    assert (access.active, access.client_id, access.sub) == (True, shop.id, own.signed_in().id)
    assert (refresh.active, kept.active, by_another.active) == (True, True, False)
    assert public.value.extra["error"] == "invalid_client"
    assert [one.active for one in after] == [False, False]
