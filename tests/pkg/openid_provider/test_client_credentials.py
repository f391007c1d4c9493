from __future__ import annotations

import base64

import pytest

from bunbase.pkg.openid_provider.client_credentials import ClientCredentials, UnreadableCredentials, read_credentials


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_the_credentials_of_a_header_are_form_decoded() -> None:
    assert read_credentials(basic("oac_1:a%3Ab+c"), {}) == ClientCredentials("oac_1", "a:b c", basic=True)
    assert read_credentials(basic("oac_1:a:b"), {}).secret == "a:b"
    assert read_credentials(basic("oac_1:100%25"), {}).secret == read_credentials(basic("oac_1:100%"), {}).secret
    assert read_credentials(basic("oac_1:x"), {"client_id": "oac_1"}).secret == "x"
    assert read_credentials("", {"client_id": "oac_1", "client_secret": "x"}) == ClientCredentials("oac_1", "x")
    assert read_credentials("", {}) == ClientCredentials("", "")


@pytest.mark.parametrize(
    ("header", "form"),
    [
        (basic("oac_1:x"), {"client_secret": "x"}),
        (basic("oac_1:x"), {"client_id": "oac_2"}),
        (basic("no colon"), {}),
        ("Basic !!!", {}),
        ("Bearer token", {}),
    ],
    ids=["twice", "two clients", "no colon", "no base64", "another scheme"],
)
def test_credentials_that_are_not_clear_are_refused(header: str, form: dict[str, str]) -> None:
    with pytest.raises(UnreadableCredentials):
        read_credentials(header, form)
