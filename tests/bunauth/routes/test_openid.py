from __future__ import annotations

import pytest

from bunbase.bunauth.routes.openid import ROUTES
from bunbase.bunauth.service import BunAuthService
from tests.bunauth.web import client_of


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_client_that_sends_no_token_to_userinfo_is_told_the_scheme_and_no_error(
    bunauth: BunAuthService, method: str
) -> None:
    """RFC 6750 §3.1."""
    async with client_of(ROUTES, bunauth=bunauth) as http:
        without = await http.request(method, "/oauth/userinfo")
        wrong = await http.request(method, "/oauth/userinfo", headers={"authorization": "Bearer x"})

    assert (without.status_code, without.headers["www-authenticate"]) == (401, "Bearer")
    assert (wrong.status_code, wrong.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


async def test_a_wrong_secret_by_http_basic_gets_the_error_of_the_standard_and_its_scheme(
    bunauth: BunAuthService,
) -> None:
    """RFC 6749 §5.2."""
    async with client_of(ROUTES, bunauth=bunauth) as http:
        sent = {"grant_type": "authorization_code", "code": "oco_x"}
        refused = await http.post("/oauth/token", data=sent, auth=("oac_unknown", "secret"))

    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert refused.headers["www-authenticate"] == 'Basic realm="BunBase"'
