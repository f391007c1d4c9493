from __future__ import annotations

from typing import Any

import pytest

from bunbase.pkg.errors import CannotStart
from bunbase.tenant_auth.settings import TenantAuthSettings, check_settings


@pytest.mark.parametrize("host", ["localhost", "login.bakery.internal", "127.0.0.1", "2001:db8::1", "idp_1"])
def test_a_host_of_a_provider_is_a_name_or_an_address(host: str) -> None:
    check_settings(TenantAuthSettings(provider_hosts=(host,)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"provider_hosts": ("127.0.0.1:7620",)}, "without a port"),
        ({"provider_hosts": ("[2001:db8::1]",)}, "provider_hosts"),
        ({"provider_hosts": ("http://login.bakery.internal",)}, "without https://"),
        ({"provider_hosts": ("Login.bakery.internal",)}, "in lower case"),
        ({"provider_hosts": ("",)}, "provider_hosts"),
        ({"captcha_urls": {"recaptcha": "https://captcha.example"}}, "allowed: turnstile, hcaptcha"),
    ],
)
def test_a_setting_that_could_have_no_effect_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(CannotStart, match=words):
        check_settings(TenantAuthSettings(**settings))
