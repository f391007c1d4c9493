"""The profile that signed-in users read and change themselves."""

from __future__ import annotations

from typing import Any

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.users import User
from bunbase.tenant_auth.people import account_deleted, signed_in_person
from bunbase.tenant_auth.profiles import check_data, check_language, check_name
from bunbase.tenant_auth.service.callers import keyed_project
from bunbase.tenant_auth.store.users import UserStore


class Profile:
    def __init__(self, users: UserStore) -> None:
        self.users = users

    async def read(self, caller: Caller) -> User:
        """Return the signed-in user. Raises: Unauthenticated."""
        uid = caller.end_user(impersonated=True).uid
        return signed_in_person(await self.users.by_id(keyed_project(caller), uid)).user

    async def change(self, caller: Caller, data: dict[str, Any] | None, language: str | None, name: str | None) -> User:
        """Replace the user's own data, language and name. None leaves a field unchanged.

        Raises: InvalidInput, Unauthenticated.
        """
        if data is not None:
            check_data(data)
        check_language(language or "")
        check_name(name or "")
        uid = caller.end_user(impersonated=True).uid
        user = await self.users.update_own(keyed_project(caller), uid, data, language, name)
        if user is None:
            raise account_deleted()
        return user
