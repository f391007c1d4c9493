"""The OpenID Provider: the requests of clients, the pages that answer them, and their limits."""

from __future__ import annotations

import asyncio
import contextvars

import msgspec
import pytest

from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.store import oauth_requests
from bunbase.bunauth.store.oauth_requests import MOVE
from bunbase.contracts.bunauth.openid import (
    AuthorizationExpired,
    ClientKind,
    ClientMistaken,
    OAuthClient,
    OAuthClientNotFound,
    OAuthRefused,
    PageKind,
    PageStep,
)
from bunbase.contracts.caller import Caller
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden, InvalidInput
from tests.bunauth.openid import (
    BROWSER,
    CALLBACK,
    ISSUER,
    Visitor,
    answer_in,
    exchanged,
    new_client,
    refusal_of,
    request_of,
)
from tests.bunauth.people import PASSWORD, registered
from tests.pkg.waiting import until_true

pytestmark = pytest.mark.asyncio(loop_scope="module")


# BunBase answers these requests on a page, because the redirect URI may not belong to the client.
MISTAKEN = (
    {"client_id": "oac_unknown"},
    {"client_id": "o'; DROP TABLE users; --\0"},
    {"redirect_uri": "https://evil.example/callback"},
    {"redirect_uri": f"{CALLBACK}?next=https://evil.example"},
    {"redirect_uri": "https://shop.example/callback/../evil"},
    {"redirect_uri": "https://shop.example:444/callback"},
    {"redirect_uri": "http://127.0.0.1:5000/callback"},
    {"redirect_uri": ""},
)
# The error that the client gets, and a request that causes it.
REFUSED = {
    "invalid_request": {"code_challenge_method": "plain"},
    "invalid_request ": {"code_challenge": ""},
    "invalid_request  ": {"code_challenge_method": ""},
    "invalid_request   ": {"response_mode": "fragment"},
    "invalid_request    ": {"prompt": "none login"},
    "invalid_request     ": {"max_age": "-1"},
    "invalid_request      ": {"nonce": "a\0b"},
    "unsupported_response_type": {"response_type": "token"},
    "invalid_scope": {"scope": "profile"},
    "request_not_supported": {"request": "e30.e30."},
    "request_uri_not_supported": {"request_uri": "https://evil.example"},
}


async def test_a_mistaken_request_goes_to_no_unregistered_address(
    bunauth: BunAuthService, shop: OAuthClient, visitor: Visitor
) -> None:
    for changes in MISTAKEN:
        with pytest.raises(ClientMistaken):
            await visitor.to(shop, **changes)
    for error, changes in REFUSED.items():
        answer = answer_in(await visitor.to(shop, **changes))
        assert (answer["error"], answer["state"], answer["iss"]) == (error.strip(), "xyz", ISSUER)
    without_state = answer_in(await visitor.to(shop, state="", scope="profile"))
    assert "state" not in without_state


async def test_a_request_continues_only_in_its_own_browser_and_once(
    bunauth: BunAuthService, shop: OAuthClient, visitor: Visitor, clock: ManualClock
) -> None:
    thief = Visitor(bunauth, visitor.email)
    await thief.code(shop)  # This person is signed in, in another browser.
    own = await visitor.sign_in(await visitor.to(shop, prompt="consent"))

    for stolen in (thief.cookie, "", "ops_invented"):
        with pytest.raises(AuthorizationExpired):
            await bunauth.oauth_page(BROWSER, own.request, stolen)
        with pytest.raises(AuthorizationExpired):
            await bunauth.oauth_deny(own.request, stolen)
        with pytest.raises(AuthorizationExpired):
            await bunauth.oauth_sign_in(BROWSER, own.request, stolen, visitor.email, PASSWORD)
    with pytest.raises(AuthorizationExpired):
        await bunauth.oauth_allow(await thief.person(), own.request, shop.id)
    with pytest.raises(AuthorizationExpired):  # The form was changed to another client.
        await bunauth.oauth_allow(await visitor.person(), own.request, "oac_another")
    await visitor.allow(own)
    with pytest.raises(AuthorizationExpired):
        await bunauth.oauth_allow(await visitor.person(), own.request, shop.id)
    late = await visitor.to(shop, prompt="consent")
    clock.advance(600)
    with pytest.raises(AuthorizationExpired):
        await bunauth.oauth_allow(await visitor.person(), late.request, shop.id)


async def test_a_person_refuses_or_leaves_the_page_to_another_person(
    bunauth: BunAuthService, shop: OAuthClient, visitor: Visitor
) -> None:
    bob = f"bob-{visitor.email}"
    await registered(bunauth, bob)
    consent = await visitor.sign_in(await visitor.to(shop))

    page = await visitor.follow(await bunauth.oauth_sign_out(consent.request, visitor.cookie))
    others = await visitor.sign_in(page, bob)
    denied = answer_in(await bunauth.oauth_deny(others.request, visitor.cookie))

    assert (page.kind, others.email) == (PageKind.SIGN_IN, bob)
    assert (denied["error"], denied["state"]) == ("access_denied", "xyz")


async def test_a_page_session_is_for_the_page_alone(
    bunauth: BunAuthService, own: Caller, shop: OAuthClient, visitor: Visitor, clock: ManualClock
) -> None:
    consent = await visitor.sign_in(await visitor.to(shop))

    assert not (await bunauth.verify(visitor.cookie)).valid
    await bunauth.end_sessions(own, keep_current=True)
    assert (await bunauth.oauth_page(BROWSER, consent.request, visitor.cookie)).kind is PageKind.SIGN_IN
    assert await bunauth.page_session(visitor.cookie) is None


async def test_administrators_register_clients_and_see_each_secret_once(
    bunauth: BunAuthService, admin: Caller, own: Caller, shop: OAuthClient
) -> None:
    public = await new_client(bunauth, admin, name="Page", kind=ClientKind.PUBLIC)

    rotated = await bunauth.rotate_oauth_client(admin, shop.id)
    listed = (await bunauth.oauth_clients(admin)).items

    assert [(one.name, one.client_secret) for one in listed[:2]] == [("Page", None), ("Shop", None)]
    assert rotated.client_secret not in (None, shop.client_secret)
    assert public.client_secret is None
    assert await refusal_of(bunauth, shop, "oco_any") == "invalid_client"
    assert await refusal_of(bunauth, rotated, "oco_any") == "invalid_grant"
    with pytest.raises(InvalidInput):
        await bunauth.rotate_oauth_client(admin, public.id)
    with pytest.raises(OAuthClientNotFound):
        await bunauth.rotate_oauth_client(admin, "oac_unknown")
    for act in (bunauth.oauth_clients(own), new_client(bunauth, own), bunauth.delete_oauth_client(own, shop.id)):
        with pytest.raises(Forbidden):
            await act


# Strangers have begun these requests, each in a browser without a session.
REQUESTS = """
INSERT INTO oauth_requests (hash, browser_hash, client_id, redirect_uri, asked, created_at, expires_at)
SELECT sha256(n::text::bytea), sha256(n::text::bytea), $1, '', '{}', now(), now() FROM generate_series(1, 20000) AS n"""


async def test_the_deletion_of_an_account_and_the_exchange_of_its_code_do_not_wait_for_each_other(
    bunauth: BunAuthService, shop: OAuthClient, visitor: Visitor, own: Caller
) -> None:
    code, db = await visitor.code(shop), bunauth.stores.db
    owner = own.developer.id if own.developer else ""

    async with db.transaction():  # This is the order of the deletion: first the account, then its rows.
        await bunauth.stores.accounts.locked(owner)
        exchange = contextvars.Context().run(asyncio.create_task, exchanged(bunauth, shop, code))
        await until_true(lambda: db.value(WAITING))
        await bunauth.stores.accounts.delete(owner)

    with pytest.raises(OAuthRefused) as refused:
        await exchange
    assert refused.value.extra["error"] == "invalid_grant"


WAITING = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())"


async def test_of_too_many_open_sign_ins_of_a_browser_or_a_network_the_oldest_are_forgotten(
    bunauth: BunAuthService, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth_requests, "MAX_OF_BROWSER", 2)
    monkeypatch.setattr(oauth_requests, "MAX_OF_NETWORK", 4)
    client, here = await new_client(bunauth, admin), msgspec.structs.replace(BROWSER, ip="192.0.2.1")

    async def begin(browser: str = "") -> PageStep:
        return await bunauth.oauth_authorize(here, request_of(client), browser)

    async def left() -> int:
        found: int = await bunauth.stores.db.value(
            "SELECT count(*) FROM oauth_requests WHERE client_id = $1", client.id
        )
        return found

    cookie = (await begin()).browser
    for _ in range(3):
        await begin(cookie)
    of_browser = await left()
    await asyncio.gather(*(begin() for _ in range(6)))
    last = await begin()

    assert (of_browser, await left()) == (2, 4)
    assert (await bunauth.oauth_page(here, last.request, last.browser)).kind is PageKind.SIGN_IN


async def test_a_sign_in_does_not_scan_the_requests_of_strangers(bunauth: BunAuthService, admin: Caller) -> None:
    client, db = await new_client(bunauth, admin), bunauth.stores.db
    await db.execute(REQUESTS, client.id)
    await db.execute("ANALYZE oauth_requests")

    plan: str = await db.value(f"EXPLAIN (FORMAT JSON) {MOVE}", b"old", b"new")

    assert "Seq Scan" not in str(plan)
