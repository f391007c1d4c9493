from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest

from bunbase.contracts.bunauth.problems import ChallengeExpired, InvalidCredentials, ProviderNotFound
from bunbase.contracts.tenant_auth.identities import UserCodeExchange
from bunbase.contracts.tenant_auth.problems import CaptchaRequired, InvalidCode
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.settings import Captcha
from bunbase.contracts.tenant_auth.sign_in_page import (
    BY_LINK,
    RETURN,
    SIGN_IN,
    ByEnrolment,
    ByMailedCode,
    ByMailedLink,
    ByPasskey,
    ByPassword,
    ByPhone,
    BySecondFactor,
    ByService,
    BySignUp,
    PageRequest,
    Shown,
)
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.oidc.person import challenge_of
from tests.contracts.test_tenant_auth import tenant_auth as tenant_auth  # the fixture, local and remote
from tests.rooms import member_caller
from tests.tenant_auth.external import APP, VERIFIER
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD

EVE: Final = "eve@example.com"
BACK: Final = f"{SIGN_IN}?key=pk"
ASKED: Final = PageRequest(APP, challenge_of(VERIFIER), "mine")
REFUSED: Final[list[tuple[Shown, str]]] = [
    (ByPassword(EVE, "wrong"), InvalidCredentials.code),
    (BySignUp(EVE, PASSWORD, back=BACK), "email_taken"),
    (ByMailedCode(EVE, "123456"), InvalidCode.code),
    (ByPhone("+49 170 1234567", "123456"), InvalidCode.code),
    (ByMailedLink("umt_x"), "link_expired"),
    (BySecondFactor("bsc_x", "123456"), ChallengeExpired.code),
    (BySecondFactor("bsc_x", passkey={"id": "x"}), ChallengeExpired.code),
    (ByPasskey({"id": "x"}), "wrong_passkey"),
    (ByService("bxc_x"), "external_login_expired"),
    (ByEnrolment("bsc_x", "123456"), ChallengeExpired.code),
]


async def test_a_person_signs_in_on_the_page_of_a_project(tenant_auth: TenantAuth) -> None:
    ada = member_caller(BAKERY)
    settings = {"app_name": "Bakery", "redirect_urls": [APP], "sign_in_page": {"accent": "#1d4fd7"}}
    await tenant_auth.change_project_auth(ada, settings, None)
    look = await tenant_auth.sign_in_look(AT_BAKERY, ASKED)
    end = await tenant_auth.sign_in_on_page(AT_BAKERY, ASKED, BySignUp(EVE, PASSWORD, back=BACK))
    sent = parse_qs(urlsplit(end.url).query)
    exchange = UserCodeExchange(sent["code"][0], VERIFIER)
    signed_in = await tenant_auth.exchange_user_code(AT_BAKERY, exchange)
    codes = []
    for shown, _ in REFUSED:
        with pytest.raises(Problem) as refused:
            await tenant_auth.sign_in_on_page(AT_BAKERY, ASKED, shown)
        codes.append(refused.value.code)
    await tenant_auth.passkey_options_on_page(AT_BAKERY, None)
    with pytest.raises(ProviderNotFound):
        await tenant_auth.start_service_on_page(AT_BAKERY, ASKED, "nobody", f"{RETURN}?key=pk", "")
    with pytest.raises(InvalidInput):
        await tenant_auth.start_service_on_page(AT_BAKERY, ASKED, "nobody", "https://evil.example/", "")
    captcha = {"provider": "hcaptcha", "site_key": "1x", "secret": "no-bot"}
    await tenant_auth.change_project_auth(ada, {"captcha": captcha}, None)
    for back, expected in ((f"{BY_LINK}?key=pk", CaptchaRequired), ("/v1/functions?", InvalidInput)):
        with pytest.raises(expected):
            await tenant_auth.mail_link_of_page(AT_BAKERY, ASKED, EVE, back, "")

    assert (look.app_name, look.accent, look.signups, look.captcha) == ("Bakery", "#1d4fd7", True, None)
    assert (sent["state"], signed_in.user.email) == (["mine"], EVE)
    assert codes == [code for _, code in REFUSED]
    assert (await tenant_auth.sign_in_look(AT_BAKERY, ASKED)).captcha == Captcha("hcaptcha", "1x")
