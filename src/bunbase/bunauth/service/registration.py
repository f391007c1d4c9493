"""Open accounts."""

from __future__ import annotations

from bunbase.bunauth.service.names import checked_name
from bunbase.bunauth.service.session_tokens import POOL, SessionTokens
from bunbase.bunauth.settings import BunAuthSettings, Signups
from bunbase.bunauth.setup import check_setup
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.accounts import Credentials
from bunbase.contracts.bunauth.accounts import SignedIn, SignupState
from bunbase.contracts.bunauth.problems import EmailTaken, SignupsClosed
from bunbase.contracts.caller import Caller
from bunbase.pkg.addresses import normal_email
from bunbase.pkg.ids import new_id
from bunbase.pkg.modules import Site
from bunbase.pkg.passwords import Passwords


class Registration:
    def __init__(
        self, stores: Stores, passwords: Passwords, tokens: SessionTokens, settings: BunAuthSettings, site: Site
    ) -> None:
        self.stores = stores
        self.passwords = passwords
        self.tokens = tokens
        self.clock = site.clock
        self.dev = site.dev
        self.signups = settings.signups.on(site.dev)

    async def register(self, caller: Caller, email: str, password: str, name: str, setup_token: str) -> SignedIn:
        """Open an account and sign it in. Raises: SetupTokenRequired, EmailTaken, SignupsClosed, InvalidInput."""
        email, name, accounts = normal_email(email), checked_name(name), self.stores.accounts
        first = not await accounts.exist()
        if first:  # check this before hashing the password, which is expensive
            await check_setup(accounts, caller, setup_token, self.dev)
        else:
            self._check_signups()
        hash = await self.passwords.hash(POOL, password)
        new = Credentials(new_id("usr"), email, name, "admin" if first else "user", self.clock.now(), hash)
        if first and await accounts.add_first(new):
            return await self.tokens.open_session(caller, new)
        self._check_signups()  # another request has made the first account meanwhile
        new = Credentials(new.id, email, name, "user", new.created_at, hash)
        if not await accounts.add(new):
            raise EmailTaken("Sign in instead, or use another address.")
        return await self.tokens.open_session(caller, new)

    async def state(self) -> SignupState:
        return SignupState(self.signups.value, await self.stores.accounts.has_admin())

    def _check_signups(self) -> None:
        if self.signups is not Signups.OPEN:
            raise SignupsClosed(
                "Registration is closed here. The operator of this server can open it with the setting bunauth.signups."
            )
