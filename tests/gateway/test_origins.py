"""Which pages may use which key. `whole/test_both_lanes.py` shows that both lanes refuse the same requests."""

from __future__ import annotations

import pytest

from bunbase.contracts.caller import CallerKind
from bunbase.contracts.keys import KeyLimits
from bunbase.contracts.platform import KeyHolder
from bunbase.gateway.origins import is_welcome
from tests.gateway.door import door_of
from tests.gateway.others import APP, BAKERY, PAGES, PASSWORD, SECRET, SERVERS

ORIGINS = ("https://app.example", "https://*.shop.example", "http://localhost:5173", "https://*.local.example:8443")


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        (None, True),
        ("https://app.example", True),
        ("HTTPS://App.Example", True),
        ("http://app.example", False),
        ("https://app.example:8443", False),
        ("https://app.example.evil", False),
        ("https://evil-app.example", False),
        ("https://a.shop.example", True),
        ("https://a.b.shop.example", True),
        ("https://shop.example", False),
        ("https://.shop.example", False),
        ("https://evilshop.example", False),
        ("https://a.shop.example:8443", False),
        ("https://evil.com/.shop.example", False),
        ("https://evil.com:1@.shop.example", False),
        ("http://localhost:5173", True),
        ("http://localhost", False),
        ("https://a.local.example:8443", True),
        ("null", False),
        ("", False),
    ],
)
def test_only_listed_origins_may_use_a_publishable_key(origin: str | None, welcome: bool) -> None:
    holder = KeyHolder("key_p", BAKERY, CallerKind.PUBLISHABLE, limits=KeyLimits(origins=ORIGINS))

    assert is_welcome(holder, origin) is welcome


@pytest.mark.parametrize(
    ("key", "origin", "status", "code"),
    [
        (PAGES, APP, 200, ""),
        (PAGES, "https://evil.example", 403, "origin_not_allowed"),
        (SERVERS, APP, 403, "secret_key_in_browser"),
        (SECRET, APP, 200, ""),  # this key has allow_browser
    ],
)
async def test_a_page_of_another_origin_is_refused_and_can_read_the_refusal(
    key: str, origin: str, status: int, code: str
) -> None:
    async with door_of(mode="production") as door:
        answer = await door.http.get("/v1/data/posts", headers={"x-bunbase-key": key, "origin": origin})

    assert answer.status_code == status
    assert "access-control-allow-origin" in answer.headers
    if code:
        assert answer.json()["code"] == code


async def test_a_preflight_request_has_no_key_and_is_answered() -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "GET"}
    asked |= {"access-control-request-headers": "x-bunbase-key"}

    async with door_of(mode="production") as door:
        answer = await door.http.options("/v1/data/posts", headers=asked)

    assert answer.status_code in (200, 204)


@pytest.mark.parametrize(
    ("key", "origin", "status"),
    [
        (PAGES, "http://test", 303),
        (PAGES, "https://evil.example", 403),
        (PAGES, "null", 403),
        (PAGES, "http://test.evil.example", 403),
        (SERVERS, "http://test", 401),  # no secret key is read from an address
    ],
)
async def test_the_sign_in_page_may_send_its_own_forms_with_a_publishable_key_that_has_origins(
    key: str, origin: str, status: int
) -> None:
    async with door_of(mode="production") as door:
        door.http.base_url = "http://test"
        form = {"email": "eve@example.com", "password": PASSWORD}
        sent = await door.http.post(f"/v1/auth/ui?key={key}", data=form, headers={"origin": origin})
        elsewhere = await door.http.post(f"/v1/auth/login?key={key}", json=form, headers={"origin": "http://test"})

    assert (sent.status_code, elsewhere.status_code) == (status, 401 if key == SERVERS else 403)
