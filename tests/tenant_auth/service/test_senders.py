from __future__ import annotations

from dataclasses import replace

import pytest

from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.mail.senders import OF_INSTALLATION, OwnSender
from bunbase.pkg.mail.settings import MailSettings
from bunbase.tenant_auth.service import TenantAuthService
from tests.tenant_auth.people import BAKERY, LIBRARY, change_settings


async def test_a_project_chooses_its_name_but_only_an_address_that_the_operator_allows(
    tenant_auth: TenantAuthService,
) -> None:
    pools = tenant_auth.pools
    outbox = tenant_auth.stores.mails
    await change_settings(tenant_auth, mail={"from": "Bakery", "reply_to": "Hello@bakery.example"})
    named = await outbox.sender_of(BAKERY)
    with pytest.raises(InvalidInput, match="sender_domains"):
        await change_settings(tenant_auth, mail={"from": "Bakery <post@bakery.example>"})
    allowed = MailSettings(sender_domains=(f"bakery.example={BAKERY}",))
    pools.site = replace(pools.site, mail=allowed)
    await change_settings(tenant_auth, mail={"from": "Bakery <post@bakery.example>"})
    with pytest.raises(InvalidInput, match="sender_domains"):
        await change_settings(tenant_auth, LIBRARY, mail={"from": "Bakery <post@bakery.example>"})
    own = await outbox.sender_of(BAKERY)
    pools.site = replace(pools.site, mail=MailSettings())
    pools.cache.known.drop(BAKERY)

    assert named == OwnSender("Bakery", "", "hello@bakery.example")
    assert own == OwnSender("Bakery", "post@bakery.example", "hello@bakery.example")
    assert (await outbox.sender_of(BAKERY)).address == "", "the operator has taken the domain back"
    assert await outbox.sender_of(LIBRARY) == OF_INSTALLATION
