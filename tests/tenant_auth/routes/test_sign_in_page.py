"""The ready-made sign-in page: its forms, the way back to the app, and attacks on both."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
import pytest_asyncio

import bunbase.tenant_auth.providers
from bunbase.contracts.bunauth.problems import ExternalLoginExpired
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.tenant_auth.identities import UserCodeExchange
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.sign_in_page import ByMailedCode, BySignUp, PageRequest
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.oidc.person import Person, challenge_of
from bunbase.tenant_auth.pages.look import policy_to
from bunbase.tenant_auth.routes import ROUTES
from bunbase.tenant_auth.service import TenantAuthService
from tests.bunauth.external import FakeProvider
from tests.bunauth.factors import Phone
from tests.bunauth.web import client_of
from tests.rooms import secret_caller
from tests.tenant_auth.external import APP, GOOGLE, VERIFIER
from tests.tenant_auth.mailbox import link, mails
from tests.tenant_auth.people import (
    AT_BAKERY,
    AT_LIBRARY,
    BAKERY,
    PASSWORD,
    change_settings,
    signed_up,
    without_password,
)
from tests.tenant_auth.phones import PHONE, phones_on, settle

EVE: Final = "eve@example.com"
ASKED: Final = {"key": "pk_bakery", "redirect_to": APP, "code_challenge": challenge_of(VERIFIER), "state": "s & t"}
FOREIGN: Final = (
    "https://evil.example/",
    "https://bakery.example.evil.example/signed-in",
    "https://bakery.example/signed-in/../other",
    "//evil.example",
    "javascript:alert(1)",
    "http://127.0.0.1:7070/v1/auth/ui",
    "",
)


def at(page: str = "", **changed: str) -> str:
    """Return the address of a page, with the app's request in its query."""
    return f"/v1/auth/ui{page}?{urlencode(ASKED | changed)}"


@pytest_asyncio.fixture
async def room(tenant_auth: TenantAuthService) -> TenantAuthService:
    await change_settings(tenant_auth, app_name="Bakery", redirect_urls=[APP])
    return tenant_auth


@pytest_asyncio.fixture
async def http(room: TenantAuthService) -> AsyncIterator[httpx.AsyncClient]:
    visitor = Caller(CallerKind.ANONYMOUS, project=BAKERY)
    async with client_of(ROUTES, tenant_auth=room, keyed=AT_BAKERY, client=AT_BAKERY, visitor=visitor) as client:
        yield client


def shown(secret: str) -> str:
    """Return the secret of an authenticator app as the page shows it, in groups of four."""
    return " ".join(re.findall("....", secret))


async def trade(room: TenantAuthService, answer: httpx.Response, verifier: str = VERIFIER) -> UserSignedIn:
    """Exchange the code with which a page has redirected the browser to the app."""
    return await room.exchange_user_code(AT_BAKERY, UserCodeExchange(sent_back(answer)["code"], verifier))


def sent_back(answer: httpx.Response) -> dict[str, str]:
    """Return the parameters of the redirect to the app."""
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith(f"{APP}?")
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def action(page: httpx.Response, path: str) -> str:
    """Return the address to which a form of the page is sent, as a browser reads it."""
    found = re.search(rf'action="(/v1/auth/ui{path}\?[^"]+)"', page.text)
    assert found is not None, page.text
    return unescape(found[1])


def hidden(page: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return unescape(found[1])


async def test_a_password_leads_back_to_the_app_with_a_code_that_is_traded_once(
    room: TenantAuthService, http: httpx.AsyncClient
) -> None:
    eve = (await signed_up(room)).user
    page = await http.get(at())
    wrong = await http.post(action(page, ""), data={"email": EVE, "password": "a wrong password"})
    answer = await http.post(action(wrong, ""), data={"email": f" {EVE} ", "password": PASSWORD})
    signed_in = await trade(room, answer)

    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert "set-cookie" not in answer.headers
    assert (wrong.status_code, EVE in wrong.text, "a wrong password" in wrong.text) == (401, True, False)
    assert 'aria-describedby="alert" aria-invalid="true" required autofocus' in wrong.text
    assert sent_back(answer)["state"] == "s & t"
    assert (signed_in.user.id, signed_in.amr, signed_in.expires_in > 0) == (eve.id, ("pwd",), True)
    assert (await room.refresh(AT_BAKERY, signed_in.refresh_token)).user.id == eve.id
    with pytest.raises(ExternalLoginExpired):
        await trade(room, answer)


async def test_a_person_signs_up_and_learns_what_was_wrong_before(
    room: TenantAuthService, http: httpx.AsyncClient
) -> None:
    form = at("/new-account")
    bad = await http.post(form, data={"email": "no address", "password": PASSWORD})
    short = await http.post(form, data={"email": EVE, "password": "short"})
    answer = await http.post(form, data={"email": EVE, "password": PASSWORD})
    taken = await http.post(form, data={"email": EVE, "password": PASSWORD})
    await change_settings(room, verify_emails=True)
    mailed = await http.post(form, data={"email": "new@example.com", "password": PASSWORD})
    unverified = await http.post(at(), data={"email": EVE, "password": PASSWORD})
    again = await http.post(action(unverified, "/send-verification"), data={"email": EVE})
    await change_settings(room, signups="closed")
    closed = await http.get(at())

    assert (await trade(room, answer)).user.email == EVE
    assert [one.status_code for one in (bad, short, taken, mailed, unverified, again)] == [422, 422, 409, 200, 403, 200]
    assert "Type a whole email address" in bad.text
    assert "8 to 256 characters" in short.text
    assert "new@example.com" in mailed.text
    assert await link(room, EVE, "verify-email")
    assert "new-account" not in closed.text


async def test_the_link_of_a_sign_up_on_the_page_leads_back_to_the_app_and_signs_in(
    room: TenantAuthService, http: httpx.AsyncClient
) -> None:
    await change_settings(room, verify_emails=True)
    form = await http.get(at("/new-account"))
    await http.post(action(form, "/new-account"), data={"email": EVE})
    mail = f"/v1/auth/ui/sign-up?project={BAKERY}"
    page = await http.get(f"{mail}&token={await link(room, EVE, 'sign-up')}")
    token = hidden(page, "token")
    short = await http.post(mail, data={"token": token, "password": "short"})
    answer = await http.post(mail, data={"token": token, "password": PASSWORD})
    used = await http.get(f"{mail}&token={token}")
    signed_in = await trade(room, answer)

    assert 'name="password"' not in form.text
    assert all(
        "form-action 'self' https://bakery.example" in one.headers["content-security-policy"] for one in (page, short)
    )
    assert (sent_back(answer)["state"], signed_in.user.email, signed_in.user.email_verified) == ("s & t", EVE, True)
    assert (used.status_code, f'href="{APP}"' in used.text) == (410, True)


async def test_a_code_and_a_link_of_a_mail_sign_in(room: TenantAuthService, http: httpx.AsyncClient) -> None:
    asked = await http.post(at("/by-email"), data={"email": EVE, "way": "code"})
    code = next(found[0] for mail in await mails(room, EVE) if (found := re.search(r"\b\d{6}\b", mail.text)))
    wrong = await http.post(action(asked, "/code"), data={"email": EVE, "code": "x"})
    by_code = await trade(room, await http.post(action(asked, "/code"), data={"email": EVE, "code": f" {code} "}))
    await http.post(at("/by-email"), data={"email": EVE, "way": "link"})
    token = await link(room, EVE, "sign-in-link")
    shown = await http.get(f"/v1/auth/ui/sign-in-link?project={BAKERY}&token={token}")
    pressed = await http.post(f"/v1/auth/ui/sign-in-link?project={BAKERY}", data={"token": token})
    by_link = await trade(room, await http.get(pressed.headers["location"]))
    used = await http.get(pressed.headers["location"])

    assert (wrong.status_code, EVE in wrong.text) == (401, True)
    assert "form-action 'self' https://bakery.example;" in shown.headers["content-security-policy"]
    assert pressed.headers["location"].startswith("/v1/auth/ui/by-link?")
    assert (by_code.user.email, by_link.user.id, by_link.amr) == (EVE, by_code.user.id, ("otp",))
    assert (used.status_code, "Ask for a new mail" in used.text) == (410, True)


async def test_a_code_of_a_text_message_signs_in(room: TenantAuthService, http: httpx.AsyncClient) -> None:
    off = await http.post(at("/by-phone"), data={"phone": PHONE})
    before = await http.get(at())
    sender = await phones_on(room)
    page = await http.get(at(lang="de"))
    abroad = await http.post(at("/by-phone"), data={"phone": "+1 876 555 1234"})
    mistyped = await http.post(at("/by-phone"), data={"phone": "0170"})
    asked = await http.post(at("/by-phone", lang="de"), data={"phone": " +49 (0)170 123 45 67 "})
    await settle(room)
    [message] = sender.to(PHONE)
    wrong = await http.post(action(asked, "/phone-code"), data={"phone": hidden(asked, "phone"), "code": "x"})
    sent = {"phone": hidden(wrong, "phone"), "code": f" {message.code} "}
    signed_in = await trade(room, await http.post(action(wrong, "/phone-code"), data=sent))
    used = await http.post(action(wrong, "/phone-code"), data=sent)

    assert ["/by-phone?" in one.text for one in (before, page)] == [False, True]
    assert [one.status_code for one in (off, abroad, mistyped, asked, wrong, used)] == [422, 422, 422, 200, 401, 401]
    assert "to this country" in abroad.text
    assert 'value="0170" maxlength="40" aria-describedby="alert phone-hint" aria-invalid="true"' in mistyped.text
    assert (message.language, signed_in.user.phone, signed_in.amr) == ("de", PHONE, ("sms",))


async def test_a_forgotten_password_is_answered_alike_for_everybody(
    room: TenantAuthService, http: httpx.AsyncClient
) -> None:
    await room.create_user(secret_caller(BAKERY), NewUser(EVE))
    known = await http.post(at("/forgot-password"), data={"email": EVE})
    unknown = await http.post(at("/forgot-password"), data={"email": "abc@example.com"})
    token = await link(room, EVE, "reset-password")

    assert known.text.replace(EVE, "") == unknown.text.replace("abc@example.com", "")
    assert await room.reset_user_password(AT_BAKERY, token, "another good one") == APP
    assert await mails(room, "abc@example.com") == []


async def test_a_second_factor_is_set_up_and_asked_for_on_a_further_page(
    room: TenantAuthService, http: httpx.AsyncClient, clock: ManualClock
) -> None:
    await signed_up(room)
    await change_settings(room, second_factor="required")
    enrol = await http.post(at(), data={"email": EVE, "password": PASSWORD})
    secret, challenge = hidden(enrol, "secret"), hidden(enrol, "challenge")
    given = {"challenge": challenge, "secret": secret, "uri": hidden(enrol, "uri")}
    refused = await http.post(action(enrol, "/enrolment"), data=given | {"code": "000000"})
    code = Phone(secret, clock).code()
    done = await http.post(action(refused, "/enrolment"), data=given | {"code": code})
    clock.advance(120)  # This time passes while the person copies the recovery codes.
    back = re.search(r'class="button" href="([^"]+)"', done.text)
    assert back is not None
    enrolled = await room.exchange_user_code(
        AT_BAKERY, UserCodeExchange(parse_qs(urlsplit(unescape(back[1])).query)["code"][0], VERIFIER)
    )
    asked = await http.post(at(), data={"email": EVE, "password": PASSWORD})
    wrong = await http.post(
        action(asked, "/second-factor"), data={"challenge": hidden(asked, "challenge"), "code": code}
    )
    recovery = re.search(r"<li>([^<]+)</li>", done.text)
    assert recovery is not None
    challenge = hidden(wrong, "challenge")
    second = await http.post(action(wrong, "/second-factor"), data={"challenge": challenge, "code": recovery[1]})
    over = await http.post(action(wrong, "/second-factor"), data={"challenge": challenge, "code": "1"})

    assert (refused.status_code, shown(secret) in refused.text, '<div class="qr"' in refused.text) == (403, True, True)
    assert "script-src 'sha256-" in done.headers["content-security-policy"]
    assert f"{recovery[1]}%0A" in done.text, "the file to download"
    assert enrolled.aal == (await trade(room, second)).aal == 2
    assert (asked.status_code, wrong.status_code, over.status_code) == (200, 403, 410)
    assert 'name="password"' in over.text, "begin again"


async def test_a_service_leads_back_through_the_page_which_asks_for_the_second_step(
    room: TenantAuthService, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = FakeProvider()
    provider.person_there = Person("g-1", EVE, True, "Eve")
    monkeypatch.setattr(bunbase.tenant_auth.providers, "open_provider", lambda *_: provider)
    await change_settings(room, providers={"google": GOOGLE})
    page = await http.get(at())
    start = await http.get(at("/with/google"))
    state = parse_qs(urlsplit(start.headers["location"]).query)["state"][0]
    callback = await http.get(f"/v1/auth/oauth/google/callback?state={state}&code=c")
    returned = urlsplit(callback.headers["location"])
    other_challenge = re.sub(r"code_challenge=[^&]+", f"code_challenge={challenge_of('x' * 43)}", returned.query)
    stolen = await http.get(f"{returned.path}?{other_challenge}")
    refused = await http.get(at("/return", error="access_denied"))
    unknown = await http.get(at("/with/nobody"))

    assert "/v1/auth/ui/with/google?" in page.text
    assert returned.path == "/v1/auth/ui/return"
    assert (stolen.status_code, refused.status_code, unknown.status_code) == (400, 200, 404)
    assert "refused at the other service" in refused.text

    start = await http.get(at("/with/google"))
    state = parse_qs(urlsplit(start.headers["location"]).query)["state"][0]
    callback = await http.get(f"/v1/auth/oauth/google/callback?state={state}&code=c")
    done = await http.get(callback.headers["location"].removeprefix("http://127.0.0.1:7070"))
    assert (await trade(room, done)).user.email == EVE


@pytest.mark.parametrize("redirect_to", FOREIGN, ids=range(len(FOREIGN)))
async def test_no_page_leads_to_an_address_that_the_project_does_not_allow(
    http: httpx.AsyncClient, redirect_to: str
) -> None:
    for path in ("", "/new-account", "/with/google", "/return", "/by-link"):
        answer = await http.get(at(path, redirect_to=redirect_to))
        assert (answer.status_code, "location" in answer.headers) == (422, False)


async def test_a_request_that_is_not_whole_or_comes_from_another_site_is_refused(
    room: TenantAuthService, http: httpx.AsyncClient
) -> None:
    fields = {"email": EVE, "password": PASSWORD}
    await signed_up(room)
    cross = [
        await http.post(at(), data=fields, headers=headers)
        for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "null"})
    ]
    mistaken = [
        await http.get(at(code_challenge="")),
        await http.get(at(code_challenge="plain")),
        await http.get(at(state="s" * 501)),
        await http.get(at(key="")),
        await http.get(f"{at()}&redirect_to=https://evil.example/"),
        await http.post(at(code_challenge=""), data=fields),
        await http.post(at(), json=fields),
    ]
    async with client_of(ROUTES, tenant_auth=room, keyed=secret_caller(BAKERY)) as server:
        secret = await server.get(at())
    async with client_of(ROUTES, tenant_auth=room, keyed=AT_LIBRARY) as library:
        other = await library.get(at())

    said = [found[1] for one in mistaken if (found := re.search(r'role="alert">(\w+): ', one.text))]

    assert [answer.status_code for answer in cross] == [403] * 3
    assert [answer.status_code for answer in mistaken] == [422, 422, 422, 422, 400, 422, 415]
    assert said == ["code_challenge", "code_challenge", "state", "key", "code_challenge"]
    assert f'href="{APP}">Go back to Bakery</a>' in mistaken[0].text
    assert (secret.status_code, other.status_code) == (403, 422)
    assert all(answer.headers["content-type"].startswith("text/html") for answer in (*cross, *mistaken))


async def test_no_session_and_no_user_is_stored_if_the_code_for_the_app_cannot_be(
    room: TenantAuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between two separate transactions would leave a session that nobody can use and that no job finds."""
    await without_password(room, EVE, room.pools.site.clock, email_verified=True)
    await room.request_user_code(AT_BAKERY, EVE)
    code = next(found[0] for mail in await mails(room, EVE) if (found := re.search(r"\b\d{6}\b", mail.text)))
    request = PageRequest(APP, challenge_of(VERIFIER))
    count = "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM sessions)"
    before = await room.stores.db.value(count)
    ways = (ByMailedCode(EVE, code), BySignUp("new@example.com", PASSWORD, back="/v1/auth/ui?key=pk"))

    async def crash(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(room.stores.page_codes, "add", crash)
        for shown in ways:
            with pytest.raises(ConnectionError):
                await room.sign_in_on_page(AT_BAKERY, request, shown)
    after = await room.stores.db.value(count)
    ends = [await room.sign_in_on_page(AT_BAKERY, request, shown) for shown in ways]

    assert after == before
    assert all("code=upc_" in end.url for end in ends), "the code of the mail was not used up"
    assert await room.stores.db.value(count) == before + 3


async def test_a_code_is_of_use_only_to_the_app_that_has_begun_in_time(
    room: TenantAuthService, http: httpx.AsyncClient, clock: ManualClock
) -> None:
    eve = (await signed_up(room)).user
    fields = {"email": EVE, "password": PASSWORD}

    async def code() -> str:
        return sent_back(await http.post(at(), data=fields))["code"]

    seen, foreign, late = await code(), await code(), await code()
    with pytest.raises(ExternalLoginExpired):
        await room.exchange_user_code(AT_BAKERY, UserCodeExchange(seen, "w" * 43))
    after_theft = await room.user_sessions(secret_caller(BAKERY), eve.id, 10, None)
    for caller, one in ((AT_BAKERY, seen), (AT_LIBRARY, foreign), (AT_BAKERY, f"{foreign[:-1]}_")):
        with pytest.raises(ExternalLoginExpired):
            await room.exchange_user_code(caller, UserCodeExchange(one, VERIFIER))
    assert (await room.exchange_user_code(AT_BAKERY, UserCodeExchange(foreign, VERIFIER))).user.id == eve.id
    clock.advance(61)
    with pytest.raises(ExternalLoginExpired):
        await room.exchange_user_code(AT_BAKERY, UserCodeExchange(late, VERIFIER))
    await room.stores.page_codes.end_unused(clock.now())
    at_last = await room.user_sessions(secret_caller(BAKERY), eve.id, 10, None)

    assert (len(after_theft.items), len(at_last.items)) == (3, 2), "no session stays that nobody has got"
    assert await room.stores.db.value("SELECT count(*) FROM page_codes") == 0


async def test_texts_of_strangers_are_never_markup(room: TenantAuthService, http: httpx.AsyncClient) -> None:
    hostile = '"><script>alert(1)</script>'
    await change_settings(room, app_name=hostile)
    pages = [
        await http.get(at(state=hostile, lang=hostile)),
        await http.get(at(redirect_to=f"{APP}?x={hostile}")),
        await http.get(at("/return", error=hostile)),
        await http.post(at(), data={"email": hostile, "password": "x"}),
        await http.post(at("/by-email"), data={"email": hostile, "way": "code"}),
        await http.post(
            at("/enrolment"), data={"challenge": hostile, "secret": hostile, "uri": "javascript:x", "code": "1"}
        ),
        await http.post(at("/second-factor"), data={"challenge": hostile, "code": hostile}),
    ]

    assert all("<script>alert" not in page.text and 'href="javascript' not in page.text for page in pages)
    assert all(page.headers["x-frame-options"] == "DENY" for page in pages)
    assert all("frame-ancestors 'none'" in page.headers["content-security-policy"] for page in pages)


async def test_a_page_speaks_the_language_of_its_reader_in_the_colour_of_the_app(
    room: TenantAuthService, http: httpx.AsyncClient
) -> None:
    await change_settings(room, sign_in_page={"languages": ["fr", "de"], "accent": "#ffcc00"})
    german = {"accept-language": "it, de-AT;q=0.8, en;q=0.9"}
    pages = {
        "fr": await http.get(at()),
        "de": await http.get(at(), headers=german),
        "es": await http.get(at(lang="es"), headers=german),
    }
    again = await http.post(action(pages["es"], ""), data={"email": EVE, "password": "x"})
    mail = await http.get(f"/v1/auth/ui/verify-email?project={BAKERY}&token=x", headers=german)
    broken = await http.post(f"/v1/auth/ui/verify-email?project={BAKERY}", data={"token": "x"}, headers=german)

    assert all(f'<html lang="{language}">' in page.text for language, page in pages.items())
    assert "El correo o la contraseña no es correcto." in again.text
    assert "Dieser Link wurde schon benutzt" in mail.text
    assert "Dieser Link wurde schon benutzt" in broken.text
    assert "--button: #ffcc00; --on-button: #000000;" in mail.text
    assert mail.headers["content-security-policy"].count("'sha256-") == 2


async def test_passkeys_are_offered_only_where_the_passkeys_of_the_app_belong(
    room: TenantAuthService, http: httpx.AsyncClient
) -> None:
    ours = await http.get(at())
    options = await http.post(at("/passkey/options"), json={})
    foreign = await http.post(at("/passkey/options"), json={}, headers={"sec-fetch-site": "cross-site"})
    wrong = await http.post(at("/passkey"), data={"credential": "{}", "challenge": ""})
    unread = await http.post(at("/passkey"), data={"credential": "no json"})
    await change_settings(room, passkeys={"rp_id": "bakery.example", "origins": ["https://bakery.example"]})
    theirs = await http.get(at())

    assert ("/v1/auth/ui/passkey/options?" in ours.text, "passkey" in theirs.text) == (True, False)
    assert (options.status_code, foreign.status_code, unread.status_code) == (200, 403, 422)
    assert (wrong.status_code, "not accepted" in wrong.text) == (403, True)
    assert "script-src 'sha256-" in ours.headers["content-security-policy"]
    assert "script-src" not in theirs.headers["content-security-policy"]


def test_the_policy_names_the_scheme_of_an_app_on_a_device() -> None:
    assert "form-action 'self' com.example.app:;" in policy_to("com.example.app://signed-in")
