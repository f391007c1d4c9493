from __future__ import annotations

import re
from html import unescape

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.tenant_auth.routes import ROUTES
from bunbase.tenant_auth.service import TenantAuthService
from tests.bunauth.web import client_of
from tests.rooms import member_caller, secret_caller
from tests.tenant_auth.external import APP
from tests.tenant_auth.mailbox import link
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, change_settings

EVE = "eve@example.com"
SIGN_UP = f"/v1/auth/ui/sign-up?project={BAKERY}"
VERIFY = f"/v1/auth/ui/verify-email?project={BAKERY}"
READER_OF_MAIL = Caller(CallerKind.ANONYMOUS, project=BAKERY)


async def test_only_the_form_of_the_page_confirms_an_address(tenant_auth: TenantAuthService) -> None:
    id = (await tenant_auth.create_user(secret_caller(BAKERY), NewUser(EVE))).id
    await tenant_auth.request_user_verification(AT_BAKERY, EVE, "")
    token = await link(tenant_auth, EVE, "verify-email")

    async with client_of(ROUTES, tenant_auth=tenant_auth, visitor=READER_OF_MAIL) as http:
        page = await http.get(f"{VERIFY}&token={token}")
        foreign = [
            await http.post(VERIFY, data={"token": token}, headers=headers)
            for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "null"})
        ]
        before = (await tenant_auth.user(secret_caller(BAKERY), id)).email_verified
        sent = re.search(r'action="([^"]+)"', page.text)
        assert sent is not None
        done = await http.post(sent[1], data={"token": token}, headers={"sec-fetch-site": "same-origin"})

    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert [answer.status_code for answer in foreign] == [403] * 3
    assert (before, done.status_code) == (False, 200)
    assert (await tenant_auth.user(secret_caller(BAKERY), id)).email_verified


async def test_the_form_of_the_page_creates_the_user_and_asks_again_after_a_bad_password(
    tenant_auth: TenantAuthService,
) -> None:
    await tenant_auth.change_project_auth(member_caller(BAKERY), {"verify_emails": True}, None)
    await tenant_auth.signup(AT_BAKERY, EVE, PASSWORD, {})
    token = await link(tenant_auth, EVE, "sign-up")

    async with client_of(ROUTES, tenant_auth=tenant_auth, visitor=READER_OF_MAIL) as http:
        page = await http.get(f"{SIGN_UP}&token={token}")
        short = await http.post(SIGN_UP, data={"token": token, "password": "short"})
        done = await http.post(SIGN_UP, data={"token": token, "password": "chosen with the link"})
        again = await http.post(SIGN_UP, data={"token": token, "password": "chosen with the link"})

    assert [answer.status_code for answer in (page, short, done, again)] == [200, 422, 200, 410]
    assert "8 to 256 characters" in short.text
    assert token in short.text
    assert (await tenant_auth.login(AT_BAKERY, EVE, "chosen with the link")).user.email_verified


async def test_a_link_that_was_used_leads_to_a_form_that_sends_a_new_one(tenant_auth: TenantAuthService) -> None:
    await change_settings(tenant_auth, app_name="Bakery", redirect_urls=[APP])
    await tenant_auth.create_user(secret_caller(BAKERY), NewUser(EVE))
    await tenant_auth.request_user_password_reset(AT_BAKERY, EVE, APP)
    used = await link(tenant_auth, EVE, "reset-password")
    await tenant_auth.reset_user_password(AT_BAKERY, used, PASSWORD)

    async with client_of(ROUTES, tenant_auth=tenant_auth, visitor=READER_OF_MAIL) as http:
        over = await http.get(f"/v1/auth/ui/reset-password?project={BAKERY}&token={used}")
        verify = await http.get(f"{VERIFY}&token={used}")
        sign_up = await http.get(f"{SIGN_UP}&token={used}")
        asks = [re.search(r'href="(/v1/auth/ui/new-mail[^"]+)"', page.text) for page in (over, verify)]
        forms = [await http.get(unescape(found[1])) for found in asks if found]
        action = unescape(re.findall('action="([^"]+)"', forms[0].text)[0])
        sent = [await http.post(action, data={"email": email}) for email in (EVE, "nobody@example.com")]
        new = await link(tenant_auth, EVE, "reset-password")
        back = await tenant_auth.reset_user_password(AT_BAKERY, new, "another good battery")

    titles = [re.findall("<h1>(.+)</h1>", form.text)[0] for form in forms]
    assert titles == ["Set a new password", "Confirm your address"]
    assert [answer.status_code for answer in (over, verify, sign_up, *forms, *sent)] == [410, 410, 410] + [200] * 4
    assert sent[0].text.replace(EVE, "") == sent[1].text.replace("nobody@example.com", "")
    assert (new != used, back, f'href="{APP}"' in sign_up.text) == (True, APP, True)


async def test_a_page_without_a_valid_link_says_what_to_do(tenant_auth: TenantAuthService) -> None:
    async with client_of(ROUTES, tenant_auth=tenant_auth, visitor=READER_OF_MAIL) as http:
        answers = [
            await http.get(VERIFY),
            await http.get(f"{VERIFY}&token={'x' * 300}"),
            await http.post(VERIFY, data={"token": "umt_unknown"}),
            await http.post(VERIFY, json={"token": "umt_unknown"}),
        ]
        escaped = await http.get(f'{VERIFY}&token="><script>')

    assert [answer.status_code for answer in answers] == [410, 400, 410, 415]
    assert all(answer.headers["content-type"].startswith("text/html") for answer in answers)
    assert "<script>" not in escaped.text
