from __future__ import annotations

import pytest

from bunbase.contracts.tenant_auth.settings import ProjectAuth
from bunbase.tenant_auth.admissions import admits

AUTH = ProjectAuth(email_domains=("corp.com", "bücher.example"))


@pytest.mark.parametrize("email", ["ada@corp.com", "ada@bücher.example", "ada@xn--bcher-kva.example"])
@pytest.mark.parametrize(
    "domains", [("corp.com", "bücher.example"), ("CORP.com.", "xn--bcher-kva.example"), ("Corp.com", "BÜCHER.example.")]
)
def test_an_address_of_an_allowed_domain_is_admitted_in_every_spelling(email: str, domains: tuple[str, ...]) -> None:
    assert admits(ProjectAuth(email_domains=domains), email)


@pytest.mark.parametrize(
    "email",
    [
        *("ada@evil.com", "ada@sub.corp.com", "ada@corp.com.evil.com", "ada@corp.com.", None, '"m@evil.com,"@corp.com'),
        *("=?utf-8?q?m=40evil.com=2c?==28=?utf-8?q?=29=5c==é@corp.com", "m%evil.com@corp.com"),
    ],
)
def test_an_address_whose_mail_may_go_elsewhere_is_not_admitted(email: str | None) -> None:
    assert not admits(AUTH, email)
