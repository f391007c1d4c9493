from __future__ import annotations

from typing import Any

import pytest

from bunbase.pkg.errors import InvalidInput
from bunbase.tenant_auth.settings_patch import checked

PUBLIC = "https://bunbase.example"


def texts(**of: str) -> dict[str, Any]:
    return {"mail": {"templates": {"verify_email": of}}}


@pytest.mark.parametrize(
    ("patch", "path", "words"),
    [
        ({"redirect_urls": ["https://a.example/", "http://b.example/"]}, "/redirect_urls/1", "https address"),
        ({"redirect_urls": ["javascript://a.example/%0aalert(1)"]}, "/redirect_urls/0", "whole address"),
        ({"redirect_urls": ["javascript://a.example/alert"]}, "/redirect_urls/0", "https address"),
        ({"redirect_urls": ["https://*.a.example/"]}, "/redirect_urls/0", "no wildcards"),
        ({"redirect_urls": ["https://a.example/?next=x"]}, "/redirect_urls/0", "without ?"),
        ({"redirect_urls": ["https://bunbase.example/v1/http/take"]}, "/redirect_urls/0", "functions of projects"),
        ({"redirect_urls": ["/signed-in"]}, "/redirect_urls/0", "whole address"),
        ({"redirect_urls": ["https://ada@a.example/"]}, "/redirect_urls/0", "whole address"),
        ({"email_domains": ["Example.com"]}, "/email_domains/0", "Did you mean example.com?"),
        ({"email_domains": ["ada@example.com"]}, "/email_domains/0", "such as example.com"),
        ({"email_domains": ["xn--bcher-kva.example"]}, "/email_domains/0", "Did you mean bücher.example?"),
        ({"app_name": "Bakery\r\nBcc: x"}, "/app_name", "one line"),
        ({"mail": {"from": "Bakery\n"}}, "/mail/from", "one line"),
        ({"mail": {"reply_to": "nobody"}}, "/mail/reply_to", "email address"),
        ({"mail": {"templates": {"verify_mail": {}}}}, "/mail/templates/verify_mail", "Did you mean verify_email?"),
        ({"mail": {"templates": {"member_invite": {}}}}, "/mail/templates/member_invite", "no such mail"),
        (texts(body="Hello $name"), "/mail/templates/verify_email/body", "There are: $app, $email, $valid_for."),
        (texts(body="Go to $url"), "/mail/templates/verify_email/body", "no field $url"),
        (texts(subject="It costs 5 $"), "/mail/templates/verify_email/subject", "$$"),
        (texts(subject="a\nb"), "/mail/templates/verify_email/subject", "one line"),
        ({"providers": {"My Google": {}}}, "/providers/My Google", "lower-case"),
        ({"captcha": {"provider": "recaptcha"}}, "/captcha/provider", "turnstile"),
        ({"hooks": {"before_signup": "../x"}}, "/hooks/before_signup", "name of a function"),
        ({"captcha": {"provider": "turnstile"}}, "/captcha/site_key", "site key"),
        ({"sign_in_page": {"accent": "red"}}, "/sign_in_page/accent", "#1d4fd7"),
        ({"sign_in_page": {"languages": ["english please"]}}, "/sign_in_page/languages/0", "pt-BR"),
    ],
)
def test_a_setting_without_a_meaning_is_refused_with_its_name(patch: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked(patch, patch, PUBLIC)

    [error] = refused.value.extra["errors"]
    assert error["path"] == path
    assert words in error["message"]


def test_settings_of_apps_in_browsers_on_devices_and_of_programs_are_accepted() -> None:
    urls = [
        "https://app.example",
        "https://app.example:8443/signed-in",
        "http://localhost:5173",
        "http://127.0.0.1",
        "com.example.app://signed-in",
    ]
    patch = {
        "redirect_urls": urls,
        "email_domains": ["example.com", "bücher.example"],
        "sign_in_page": {"languages": ["de", "pt-BR"]},
        **texts(subject="Welcome to $app", body="Hello ${email}.\n\nIt costs 5 $$, for $valid_for."),
    }

    assert checked(patch, patch, PUBLIC).redirect_urls == tuple(urls)
