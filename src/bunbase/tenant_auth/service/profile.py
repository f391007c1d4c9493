"""The profile that signed-in users read and change themselves."""

from __future__ import annotations

from typing import Any

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.languages import is_language
from bunbase.tenant_auth.people import account_deleted, signed_in_person
from bunbase.tenant_auth.profiles import check_data
from bunbase.tenant_auth.service.callers import keyed_project
from bunbase.tenant_auth.store.users import UserStore


class Profile:
    def __init__(self, users: UserStore) -> None:
        self.users = users

    async def read(self, caller: Caller) -> User:
        """Return the signed-in user. Raises: Unauthenticated."""
        uid = caller.end_user(impersonated=True).uid
        return signed_in_person(await self.users.by_id(keyed_project(caller), uid)).user

    async def change(self, caller: Caller, data: dict[str, Any] | None, language: str | None) -> User:
        """Replace the user's own data, the language, or both. Raises: InvalidInput, Unauthenticated."""
        if data is not None:
            check_data(data)
        if language and not is_language(language):
            raise InvalidInput.at("/language", "Send the tag of a language, such as de or pt-BR.")
        uid = caller.end_user(impersonated=True).uid
        user = await self.users.update_own(keyed_project(caller), uid, data, language)
        if user is None:
            raise account_deleted()
        return user
