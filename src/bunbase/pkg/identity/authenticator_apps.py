"""The authenticator app of an account, and its recovery codes.

A confirmed app turns the second factor on: from then on, a password alone opens no session. Passkeys do not turn it on,
because they need neither password nor second factor (docs/decisions/0050-second-factors-and-passkeys.md).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Generic

from bunbase.pkg.identity.events import CredentialEvent, Note, no_note
from bunbase.pkg.identity.factor_checks import FactorChecks
from bunbase.pkg.identity.factors import NewTotp, RecoveryCodes, TotpState
from bunbase.pkg.identity.holders import H
from bunbase.pkg.identity.problems import TotpNotFound, WrongCode
from bunbase.pkg.identity.store.factors import TotpRow
from bunbase.pkg.recovery_codes import new_recovery_codes, recovery_hash
from bunbase.pkg.totp import BEFORE_ALL, matching_step, new_totp_secret, totp_uri

PENDING_FOR: Final = timedelta(minutes=15)
MAX_FAILED: Final = 10  # One pending secret allows this many wrong codes.
FACTOR: Final = "an authenticator app"


class AuthenticatorApps(Generic[H]):
    """The authenticator apps of one pool. `path`: the route with which a person sets up an app, for messages."""

    def __init__(self, checks: FactorChecks[H], path: str) -> None:
        self.checks = checks
        self.stores = checks.stores
        self.holders = checks.holders
        self.letters = checks.letters
        self.clock = checks.clock
        self.path = path

    async def state(self, user: str) -> TotpState:
        counts, row = await self.stores.factors.counts(user), await self.stores.factors.totp(user)
        return TotpState(counts.totp, counts.recovery_codes, row.confirmed_at if row else None)

    async def start(self, user: str, shown: str) -> NewTotp:
        """Make a secret, which is pending until a code confirms it. Until then, an app that is in use stays in use.

        `shown`: the name of the account that the app shows, such as its address.
        """
        secret = new_totp_secret()
        sealed = await self.checks.sealed(user, secret)
        await self.stores.factors.start_totp(user, sealed, self.clock.now() + PENDING_FOR)
        return NewTotp(secret, totp_uri(secret, shown, self.letters.app))

    async def confirm(self, user: str, code: str, note: Note = no_note) -> RecoveryCodes:
        """Put the pending secret into use, and return new recovery codes.

        If the answer is lost, `new_codes` makes other codes. Raises: TotpNotFound, WrongCode.
        """
        now = self.clock.now()
        pending = self._pending(await self.stores.factors.totp(user))
        step = matching_step(await self.checks.unsealed(user, pending), code, now, BEFORE_ALL)
        async with self.stores.db.transaction():
            holder, row = await self.holders.locked(user), await self.stores.factors.totp(user)
            if holder is None or self._pending(row) != pending:
                raise self._none_pending()
            if step is not None:
                await self.stores.factors.confirm_totp(user, now, step)
                await self.holders.change_version(user)
                await note(user, CredentialEvent.TOTP_CONFIRMED, "")
                await self._tell_confirmed(holder, replaced=row is not None and row.confirmed_at is not None)
                return await self._replace_codes(user)
            await self.stores.factors.fail_pending(user)
        raise WrongCode("This code is wrong. Check the clock of your phone, and send the code that the app shows now.")

    async def new_codes(self, user: str, note: Note = no_note) -> RecoveryCodes:
        """Replace all recovery codes. Raises: TotpNotFound."""
        async with self.stores.db.transaction():
            holder = await self.holders.locked(user)
            await self._need_confirmed(user)
            await note(user, CredentialEvent.RECOVERY_CODES_REPLACED, "")
            if holder is not None and holder.email is not None:
                await self.stores.mails.post(self.letters.recovery_codes_replaced(holder.email))
            return await self._replace_codes(user)

    async def remove(self, user: str, note: Note = no_note) -> None:
        """Turn the second factor off, and delete the recovery codes. Raises: TotpNotFound."""
        async with self.stores.db.transaction():
            holder = await self.holders.locked(user)
            await self._need_confirmed(user)
            await self.stores.factors.delete_totp(user)
            await self.holders.change_version(user)
            await note(user, CredentialEvent.TOTP_REMOVED, "")
            await self._tell_removed(holder, FACTOR)

    async def remove_all_factors(self, user: str, note: Note = no_note) -> bool:
        """Remove the app, the recovery codes and all passkeys, for an owner who has lost them. Idempotent.

        Return False if there is no such account.
        """
        async with self.stores.db.transaction():
            holder = await self.holders.locked(user)
            if holder is None:
                return False
            removed = await self.stores.factors.delete_all(user)
            if removed.totp:
                await self.holders.change_version(user)
            if removed.any:
                await note(user, CredentialEvent.FACTORS_REMOVED, "")
                await self._tell_removed(holder, removed.in_words)
        return True

    async def _replace_codes(self, user: str) -> RecoveryCodes:
        codes = new_recovery_codes()
        await self.stores.factors.replace_codes(user, [recovery_hash(user, code) for code in codes])
        return RecoveryCodes(codes)

    async def _tell_confirmed(self, holder: H, replaced: bool) -> None:
        if holder.email is not None:
            letter = self.letters.factor_replaced if replaced else self.letters.factor_added
            await self.stores.mails.post(letter(holder.email, FACTOR))

    async def _tell_removed(self, holder: H | None, factor: str) -> None:
        if holder is not None and holder.email is not None:
            await self.stores.mails.post(self.letters.factor_removed(holder.email, factor))

    async def _need_confirmed(self, user: str) -> None:
        if not (await self.stores.factors.counts(user)).totp:
            raise TotpNotFound(f"Set one up first: {self.path}.")

    def _pending(self, row: TotpRow | None) -> str:
        """Return the sealed secret that waits for its first code. Raises: TotpNotFound."""
        if row is None or row.pending is None or row.pending_until is None:
            raise self._none_pending()
        if row.pending_until <= self.clock.now() or row.pending_failed >= MAX_FAILED:
            raise self._none_pending()
        return row.pending

    def _none_pending(self) -> TotpNotFound:
        return TotpNotFound(f"No secret waits for its first code: begin again with {self.path}.")
