"""Sign accounts in."""

from __future__ import annotations

from bunbase.bunauth.service.session_tokens import POOL, SessionTokens, signed_in_by
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.accounts import Credentials
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.activity import Activity, ActivityMethod
from bunbase.contracts.bunauth.problems import InvalidCredentials
from bunbase.contracts.caller import Caller
from bunbase.pkg import metrics
from bunbase.pkg.addresses import known_email
from bunbase.pkg.passwords import Passwords


class SignIn:
    def __init__(self, stores: Stores, passwords: Passwords, tokens: SessionTokens) -> None:
        self.stores = stores
        self.passwords = passwords
        self.tokens = tokens

    async def with_password(self, caller: Caller, email: str, password: str) -> SignedIn:
        """Sign in. An unknown email and a wrong password get the same answer after the same time.

        Raises: InvalidCredentials.
        """
        normal = known_email(email)
        found = None if normal is None else await self.stores.accounts.credentials(normal)
        matches = await self.passwords.matches(POOL, password, found.password_hash if found else None)
        with metrics.counted(metrics.logins, POOL):
            if found is not None and not matches:
                self.tokens.activity.note_refused(caller, found.id, Activity.SIGN_IN, ActivityMethod.PASSWORD)
            if found is None or not matches:
                raise InvalidCredentials
        await self._upgrade_hash(found, password)
        return await self.tokens.open_session(caller, found, by=signed_in_by(ActivityMethod.PASSWORD))

    async def _upgrade_hash(self, found: Credentials, password: str) -> None:
        """If the stored hash has old parameters, replace it with a hash with the present parameters."""
        assert found.password_hash is not None, "the password has matched it"
        upgraded = await self.passwords.upgraded(POOL, password, found.password_hash)
        if upgraded is not None:
            await self.stores.accounts.upgrade_password_hash(found.id, found.password_hash, upgraded)
