"""An account's own name and picture."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.names import checked_name
from bunbase.bunauth.store.accounts import AccountStore
from bunbase.contracts.bunauth.accounts import Account, ProfileChanges
from bunbase.contracts.caller import Caller
from bunbase.pkg.cursors import MAX_LIMIT
from bunbase.pkg.errors import InvalidInput

MAX_URL_LENGTH: Final = 500


class Profile:
    def __init__(self, accounts: AccountStore) -> None:
        self.accounts = accounts

    async def read(self, caller: Caller) -> Account:
        return await self.accounts.existing(caller.signed_in().id)

    async def read_many(self, ids: tuple[str, ...]) -> tuple[Account, ...]:
        """Return the accounts that exist, in any order. Raises: InvalidInput for more than MAX_LIMIT ids."""
        if len(ids) > MAX_LIMIT:
            raise InvalidInput(f"Ask for at most {MAX_LIMIT} accounts at once.")
        return tuple(await self.accounts.by_ids(list(ids)))

    async def change(self, caller: Caller, changes: ProfileChanges) -> Account:
        """Store the given values. Raises: InvalidInput, Forbidden."""
        developer = with_session(caller, "it cannot change the account: sign in")
        name = None if changes.name is None else checked_name(changes.name)
        avatar_url = None if changes.avatar_url is None else _checked_url(changes.avatar_url)
        await self.accounts.set_profile(developer.id, name, avatar_url)
        return await self.accounts.existing(developer.id)


def _checked_url(url: str) -> str:
    """Return the URL of a picture, which must be empty or use https. Raises: InvalidInput."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and bool(parts.hostname) and parts.username is None
    except ValueError:
        usable = False
    if url and (not usable or len(url) > MAX_URL_LENGTH or not (url.isascii() and url.isprintable()) or " " in url):
        raise InvalidInput.at("/avatar_url", f"Send an https URL of at most {MAX_URL_LENGTH} ASCII characters, or ''.")
    return url
