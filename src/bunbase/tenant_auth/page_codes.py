"""Codes of the sign-in page. An app exchanges a code for the tokens of the session that was opened on the page.

When the person signs in, BunBase makes the tokens, and BunKMS seals them. BunKMS unseals the tokens for the caller that
knows the PKCE verifier. So every sign-in method works on the page in the same way as in an app, and no URL contains a
token.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import Final

import msgspec

from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.clock import Clock
from bunbase.pkg.identity.external_login import MAX_VERIFIER_LENGTH
from bunbase.pkg.identity.holders import Vault
from bunbase.pkg.oidc.person import challenge_of
from bunbase.pkg.opaque import fingerprint, new_secret
from bunbase.tenant_auth.store.page_codes import PageCode, PageCodeStore

PREFIX: Final = "upc"
SECONDS: Final = 60
READING_SECONDS: Final = 600  # A code lives this long while a person copies the recovery codes.


class _Kept(msgspec.Struct, frozen=True):
    signed_in: UserSignedIn
    at: datetime


class PageCodes:
    """The codes of one project."""

    def __init__(self, store: PageCodeStore, project: str, vault: Vault, clock: Clock) -> None:
        self.store = store
        self.project = project
        self.vault = vault
        self.clock = clock

    async def sealed(self, code: str, signed_in: UserSignedIn) -> str:
        """Return the tokens of a session, sealed for a code. Do not call this inside a transaction."""
        kept = msgspec.json.encode(_Kept(signed_in, self.clock.now())).decode()
        return await self.vault.sealed(_purpose(code), kept)

    async def add(self, code: str, page_code: PageCode, seconds: int) -> None:
        """Store a code with its sealed tokens. Call this in the transaction that stores the session."""
        expires_at = self.clock.now() + timedelta(seconds=seconds)
        await self.store.add(self.project, fingerprint(code), page_code, expires_at)

    async def take(self, code: str) -> PageCode | None:
        """Remove a code, and return the values that were stored with it.

        The code is used up, even if the verifier turns out to be wrong.
        """
        return await self.store.take(self.project, fingerprint(code), self.clock.now())

    async def tokens(self, code: str, found: PageCode) -> UserSignedIn:
        """Return the tokens of a code that `take` has returned."""
        kept = msgspec.json.decode(await self.vault.unsealed(_purpose(code), found.sealed), type=_Kept)
        passed = int((self.clock.now() - kept.at).total_seconds())
        return msgspec.structs.replace(kept.signed_in, expires_in=max(0, kept.signed_in.expires_in - passed))


def new_page_code() -> str:
    return new_secret(PREFIX)


def is_page_code(code: str) -> bool:
    return code.startswith(f"{PREFIX}_")


def is_right_verifier(found: PageCode, verifier: str) -> bool:
    return hmac.compare_digest(challenge_of(verifier[:MAX_VERIFIER_LENGTH]), found.code_challenge)


def _purpose(code: str) -> str:
    return f"page_code:{fingerprint(code).hex()}"
