"""Sign-ins by other services at the same moment, from two tabs, by a double click, or by two services of one person."""

from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.tenant_auth.identities import UserCodeExchange
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import UserFilter
from bunbase.tenant_auth.service import TenantAuthService
from tests.tenant_auth.external import GOOGLE, VERIFIER, code_of, configure
from tests.tenant_auth.people import AT_BAKERY, BAKERY
from tests.tenant_auth.service.test_external import SERVER, room, service

__all__ = ["room", "service"]


async def signed_in_at_once(room: TenantAuthService, codes: list[str]) -> list[UserSignedIn]:
    exchanges = (room.exchange_user_code(AT_BAKERY, UserCodeExchange(code, VERIFIER)) for code in codes)
    return list(await asyncio.gather(*exchanges))


@pytest.mark.parametrize("services", [("google",) * 4, ("google", "github", "google", "github")], ids=["one", "two"])
async def test_a_new_person_who_signs_in_twice_at_once_becomes_one_user(
    room: TenantAuthService, services: tuple[str, ...]
) -> None:
    await configure(room, BAKERY, providers=dict.fromkeys(services, GOOGLE))
    codes = [await code_of(room, provider=one) for one in services]

    signed_in = await signed_in_at_once(room, codes)

    (user,) = (await room.users(SERVER, UserFilter(), 10, None)).items
    assert {one.user.id for one in signed_in} == {user.id}
    assert len({one.refresh_token for one in signed_in}) == len(codes)
