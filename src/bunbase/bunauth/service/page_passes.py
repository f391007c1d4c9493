"""Passes: sign-ins on a page with another service or a passkey. Each pass is valid for one action on that page.

A pass is not a session, and nobody gets tokens for it. A pass works once, for five minutes, on one page, and only for
the device, invitation or request for which the person signed in. A change of the credentials ends the pass.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.session_tokens import Factors, SessionTokens, signed_in_by
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.accounts import Credentials
from bunbase.bunauth.store.page_passes import StoredPass
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.page_sign_in import PASS_SECONDS, ActPage, PageName
from bunbase.contracts.bunauth.problems import ChallengeExpired
from bunbase.contracts.caller import Caller
from bunbase.pkg.opaque import fingerprint, new_secret
from bunbase.pkg.user_codes import typed

PREFIX: Final = "bpp"
MAX_OPEN: Final = 20  # One account has at most this many open passes.


class PagePasses:
    def __init__(self, stores: Stores, tokens: SessionTokens) -> None:
        self.stores = stores
        self.tokens = tokens
        self.clock = tokens.clock

    async def give(self, account: Credentials, to: ActPage, by: Happened, amr: tuple[str, ...]) -> str:
        """Return a new pass. The caller has checked everything that the account needs to sign in."""
        assert by.method is not None
        secret, until = new_secret(PREFIX), self.clock.now() + timedelta(seconds=PASS_SECONDS)
        new = StoredPass(account.id, account.version, by.method, by.target, amr)
        await self.stores.page_passes.add(fingerprint(secret), page_hash(to), new, until, MAX_OPEN)
        return secret

    async def email_of(self, to: ActPage, secret: str) -> str:
        """Return the address of the account of a pass, or "" if the pass is not valid here. The pass stays valid."""
        found = await self.stores.page_passes.find(fingerprint(secret), page_hash(to), self.clock.now())
        account = None if found is None else await self.stores.accounts.credentials_of(found.user_id)
        return account.email if account and found and account.version == found.user_version else ""

    async def use(
        self, caller: Caller, to: ActPage, secret: str, tokens: SessionTokens
    ) -> tuple[SignedIn, tuple[str, ...]]:
        """Exchange a pass for a session. The caller of this method keeps or ends the session.

        Raises: ChallengeExpired, AccountSuspended, InvalidCredentials.
        """
        found = await self.stores.page_passes.take(fingerprint(secret), page_hash(to), self.clock.now())
        account = None if found is None else await self.stores.accounts.credentials_of(found.user_id)
        if found is None or account is None or account.version != found.user_version:
            raise ChallengeExpired("This sign-in has expired, was used, or is for another page: sign in again.")
        by = signed_in_by(found.method, found.target)
        return await tokens.open_session(caller, account, factors=Factors.TWO, by=by), found.amr


def page_hash(to: ActPage) -> bytes:
    key = typed(to.key) if to.page is PageName.DEVICE else to.key
    return fingerprint(f"{to.page.value} {key}")
