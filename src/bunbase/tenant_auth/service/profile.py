"""What signed-in users see and change of themselves."""

from __future__ import annotations

from typing import Any

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth import User
from bunbase.tenant_auth.profiles import check_data
from bunbase.tenant_auth.service.parts import Parts, account_gone, keyed_project


class Profile(Parts):
    async def me(self, caller: Caller) -> User:
        return (await self.account(keyed_project(caller), caller.end_user().uid)).user

    async def update_me(self, caller: Caller, data: dict[str, Any]) -> User:
        check_data(data)
        user = await self.stores.users.update_data(keyed_project(caller), caller.end_user().uid, data)
        if user is None:
            raise account_gone()
        return user
