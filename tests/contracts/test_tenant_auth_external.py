"""Sign-in with another service, in the same process and over RPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import bunbase.tenant_auth.providers
from bunbase.contracts.bunauth.problems import ExternalLoginExpired, IdentityNotFound, ProviderNotFound
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.tenant_auth.identities import UserCodeExchange
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.identity.external import ExternalAnswer
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from tests.bunauth.external import FakeProvider
from tests.fakes import FakeKms
from tests.rooms import opened, site
from tests.tenant_auth.external import VERIFIER, configure, signed_in, started
from tests.tenant_auth.people import AT_BAKERY, BAKERY, as_user


@pytest_asyncio.fixture(params=["local", "remote"])
async def tenant_auth(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TenantAuth]:
    def open_it(*_: Any) -> FakeProvider:
        return FakeProvider()

    monkeypatch.setattr(bunbase.tenant_auth.providers, "open_provider", open_it)
    kms = FakeKms(lazy=False)
    await kms.create_keys(BAKERY)
    here = site(tmp_path, database_url, ManualClock())
    async with opened(MODULE, Rooms({Kms: kms}), here, request.param) as service:
        await configure(service, BAKERY)
        yield service


async def test_a_user_signs_in_by_another_service_and_manages_identities(tenant_auth: TenantAuth) -> None:
    ada = await signed_in(tenant_auth)
    caller = await as_user(tenant_auth, AT_BAKERY, ada.access_token, ManualClock().now().timestamp)
    ticket = (await tenant_auth.create_user_link_ticket(caller, "google")).ticket

    assert (await signed_in(tenant_auth, link=ticket)).user == ada.user
    assert [one.email for one in (await tenant_auth.user_identities(caller)).items] == ["ada@example.com"]
    assert [one.name for one in (await tenant_auth.user_login_providers(AT_BAKERY)).items] == ["google"]
    with pytest.raises(IdentityNotFound):
        await tenant_auth.delete_user_identity(caller, "idn_x")
    with pytest.raises(ProviderNotFound, match="are: google"):
        await started(tenant_auth, provider="unknown")
    with pytest.raises(ExternalLoginExpired):
        await tenant_auth.finish_user_login("google", ExternalAnswer("bst_x", "bbs_x"))
    with pytest.raises(ExternalLoginExpired):
        await tenant_auth.exchange_user_code(AT_BAKERY, UserCodeExchange("bxc_x", VERIFIER))
