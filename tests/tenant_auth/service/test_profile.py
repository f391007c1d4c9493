from __future__ import annotations

import msgspec
import pytest

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.tenant_auth.service import TenantAuthService
from tests.tenant_auth.people import AT_BAKERY, as_user, signed_up


async def test_a_user_can_replace_only_the_data_of_the_profile(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    new = await signed_up(tenant_auth, plan="free", old=True)
    caller = await as_user(tenant_auth, AT_BAKERY, new.access_token, lambda: clock.now().timestamp())
    odd = {"role": "admin", "name": "Zoë\0", "big": 2**63, "none": None, "deep": [[{"a": 1.5}]]}

    changed = await tenant_auth.update_me(caller, odd)
    named = await tenant_auth.update_me(caller, None, name="Zoë")
    for name in ("x" * 201, "a\nb"):
        with pytest.raises(InvalidInput):
            await tenant_auth.update_me(caller, None, name=name)

    assert changed.data == odd
    assert changed.role == "user"
    assert await tenant_auth.me(caller) == named == msgspec.structs.replace(changed, name="Zoë")
