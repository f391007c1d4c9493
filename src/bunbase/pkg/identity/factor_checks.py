"""Check codes and passkeys, for sign-ins and for proofs.

The life of a check:

1. The secret of the authenticator app is unsealed before any lock is taken, because the vault may be another process.
2. The caller begins a transaction and locks the account. So among a thousand simultaneous guesses, each
   guess sees the count of the guess before it. If there are two requests with the same code, the second finds that the
   code was used.
3. A method of this class returns None if the factor is right. Otherwise it returns the Problem. The function does not
   raise the Problem, because the transaction must commit the count of wrong codes. The caller raises the Problem after
   the transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Generic

from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem, RateLimited
from bunbase.pkg.identity.factors import PasskeyOptions
from bunbase.pkg.identity.holders import H, Holders, Vault
from bunbase.pkg.identity.problems import PasskeysUnavailable, WrongCode, WrongPasskey
from bunbase.pkg.identity.store import MAX_OPEN, IdentityStores
from bunbase.pkg.identity.store.passkeys import PasskeyAct, StoredPasskey
from bunbase.pkg.logger import logger
from bunbase.pkg.mail.account_letters import AccountLetters
from bunbase.pkg.mail.letters import Letter
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.passkeys import (
    BadPasskey,
    CounterWentBack,
    RelyingParty,
    challenge_in,
    checked,
    credential_id_in,
    new_challenge,
    sign_in_options,
    user_handle,
    user_in,
)
from bunbase.pkg.recovery_codes import recovery_hash
from bunbase.pkg.totp import FIRST_WAIT_SECONDS, matching_step, wait_seconds

log = logger("identity")

CHALLENGE_SECONDS: Final = 300
NO_SECRET: Final = ("", "")
ANOTHER_CODE: Final = (
    "This code is wrong, or it was used before. Wait for the next code of your app and send that, or send a recovery "
    "code."
)


class FactorChecks(Generic[H]):
    """The checks of one pool.

    `relying_party`: the site of the passkeys, or a Problem if passkeys cannot work at this server's address.
    """

    def __init__(
        self,
        stores: IdentityStores,
        holders: Holders[H],
        vault: Vault,
        relying_party: RelyingParty | PasskeysUnavailable,
        letters: AccountLetters,
        clock: Clock,
    ) -> None:
        self.stores = stores
        self.holders = holders
        self.vault = vault
        self.relying_party = relying_party
        self.letters = letters
        self.clock = clock

    @property
    def party(self) -> RelyingParty:
        """Return the site of the passkeys. Raises: PasskeysUnavailable."""
        if isinstance(self.relying_party, PasskeysUnavailable):
            raise self.relying_party
        return self.relying_party

    async def totp_secret(self, user: str) -> tuple[str, str]:
        """Return the sealed secret of the authenticator app and the secret itself; both are empty if there is no
        app.
        """
        row = await self.stores.factors.totp(user)
        if row is None or row.sealed is None:
            return NO_SECRET
        return row.sealed, await self.unsealed(user, row.sealed)

    async def sealed(self, user: str, secret: str) -> str:
        return await self.vault.sealed(_purpose(user), secret)

    async def unsealed(self, user: str, sealed: str) -> str:
        return await self.vault.unsealed(_purpose(user), sealed)

    async def totp(self, user: str, secret: tuple[str, str], code: str) -> Problem | None:
        """Check a code of the authenticator app. `secret` is the result of `totp_secret`."""
        sealed, plain = secret
        row, now = await self.stores.factors.totp(user), self.clock.now()
        if row is None or row.sealed is None or row.sealed != sealed:
            return WrongCode("This account has no authenticator app, or it was changed just now.")
        if row.locked_until is not None and row.locked_until > now:
            seconds = int((row.locked_until - now).total_seconds()) + 1
            return RateLimited(
                "Too many wrong codes were sent for this account. A recovery code or a passkey works now.",
                retry_after_seconds=seconds,
            )
        step = matching_step(plain, code, now, row.last_step)
        if step is not None:
            await self.stores.factors.use_step(user, step)
            return None
        await self._fail(user, row.failed + 1)
        return WrongCode(ANOTHER_CODE)

    async def recovery_code(self, user: str, code: str) -> Problem | None:
        """Check a recovery code, delete it and tell the owner. Wrong codes are not counted, because recovery codes
        cannot be guessed.
        """
        if not await self.stores.factors.use_code(user, recovery_hash(user, code)):
            return WrongCode(
                "This recovery code is wrong, or it was used before. Send another one, or a code of your app."
            )
        left = (await self.stores.factors.counts(user)).recovery_codes
        await self._tell(user, lambda email: self.letters.recovery_code_used(email, left))
        return None

    async def passkey_options(self, user: str, act: PasskeyAct) -> PasskeyOptions:
        """Return options that only the passkeys of one account can answer. Raises: PasskeysUnavailable."""
        allowed = await self.stores.passkeys.credential_ids(user)
        return PasskeyOptions(sign_in_options(self.party, await self.new_challenge(user, act), allowed))

    async def new_challenge(self, user: str | None, act: PasskeyAct) -> bytes:
        challenge, expires_at = new_challenge(), self.clock.now() + timedelta(seconds=CHALLENGE_SECONDS)
        await self.stores.passkeys.add_challenge(_hash(challenge), act, user, expires_at, MAX_OPEN)
        return challenge

    async def taken_challenge(self, credential: dict[str, Any], act: PasskeyAct, user: str | None) -> bytes | None:
        """Delete the challenge that a credential answers, and return it. Return None if there is no such challenge."""
        try:
            challenge = challenge_in(credential)
        except BadPasskey:
            return None
        known = await self.stores.passkeys.take_challenge(_hash(challenge), act, user, self.clock.now())
        return challenge if known else None

    async def passkey(self, user: str, credential: dict[str, Any], act: PasskeyAct) -> Problem | None:
        """Check a passkey of an account that is already known. Raises: PasskeysUnavailable."""
        challenge = await self.taken_challenge(credential, act, user)
        stored = await self.named_passkey(credential)
        if challenge is None or stored is None or stored.user_id != user:
            return wrong_passkey()
        return await self.signature(credential, challenge, stored)

    async def named_passkey(self, credential: dict[str, Any]) -> StoredPasskey | None:
        """Return the stored passkey that a credential names."""
        try:
            return await self.stores.passkeys.by_credential(credential_id_in(credential))
        except BadPasskey:
            return None

    async def signature(self, credential: dict[str, Any], challenge: bytes, stored: StoredPasskey) -> Problem | None:
        """Check the signature of a passkey. Store the counter of the passkey, and whether the passkey is synced now."""
        try:
            if user_in(credential) not in ("", user_handle(stored.user_id).decode()):
                return wrong_passkey()
            used = checked(self.party, credential, challenge, stored)
        except CounterWentBack as back:
            log.warning("a passkey may have been copied", account=stored.user_id, passkey=stored.id, reason=str(back))
            return WrongPasskey("This passkey may have been copied: sign in another way, and delete it.")
        except BadPasskey:
            return wrong_passkey()
        await self.stores.passkeys.use(stored.id, used, self.clock.now())
        return None

    async def _fail(self, user: str, failed: int) -> None:
        """Store the number of wrong codes in a row. Tell the owner when the account must wait for the first time."""
        wait = wait_seconds(failed)
        until = self.clock.now() + timedelta(seconds=wait) if wait else None
        await self.stores.factors.fail_totp(user, failed, until)
        if wait == FIRST_WAIT_SECONDS:
            await self._tell(user, self.letters.wrong_codes)

    async def _tell(self, user: str, letter: Callable[[str], Letter]) -> None:
        holder = await self.holders.locked(user)
        if holder is not None and holder.email is not None:
            await self.stores.mails.post(letter(holder.email))


def wrong_passkey() -> WrongPasskey:
    return WrongPasskey("Ask for new options, and try again. The passkey may also have been deleted here.")


def _hash(challenge: bytes) -> bytes:
    return fingerprint(challenge.hex())


def _purpose(user: str) -> str:
    """Return the purpose of a sealed secret. The purpose names the account, so that a secret cannot be moved to another
    account.
    """
    return f"totp:{user}"
