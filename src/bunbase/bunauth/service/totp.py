"""The authenticator app of an account, and its recovery codes.

A confirmed app turns the second factor on: from then on, a password alone opens no session. Passkeys do not turn it on,
because they need neither password nor second factor (docs/decisions/0050-second-factors-and-passkeys.md).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.factor_checks import FactorChecks
from bunbase.bunauth.service.letters import APP, Letters
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.factors import TotpRow
from bunbase.contracts.bunauth.activity import Activity
from bunbase.contracts.bunauth.factors import NewTotp, RecoveryCodes, TotpState
from bunbase.contracts.bunauth.problems import TotpNotFound, WrongCode
from bunbase.contracts.caller import Caller
from bunbase.pkg.recovery_codes import new_recovery_codes, recovery_hash
from bunbase.pkg.totp import BEFORE_ALL, matching_step, new_totp_secret, totp_uri

PENDING_FOR: Final = timedelta(minutes=15)
MAX_FAILED: Final = 10  # wrong codes for one pending secret
FACTOR: Final = "an authenticator app"


class Totp:
    def __init__(self, stores: Stores, checks: FactorChecks, proofs: Proofs, letters: Letters) -> None:
        self.stores = stores
        self.checks = checks
        self.proofs = proofs
        self.letters = letters
        self.activity = proofs.tokens.activity
        self.clock = proofs.clock

    async def state(self, caller: Caller) -> TotpState:
        user = with_session(caller, "it cannot see second factors: sign in").id
        counts, row = await self.stores.factors.counts(user), await self.stores.factors.totp(user)
        return TotpState(counts.totp, counts.recovery_codes, row.confirmed_at if row else None)

    async def start(self, caller: Caller) -> NewTotp:
        """Make a secret. It is pending until a code confirms it; an app that is in use stays in use until then.

        Raises: ReauthenticationRequired, Forbidden.
        """
        developer, secret = await self.proofs.need_fresh(caller), new_totp_secret()
        account = await self.stores.accounts.existing(developer.id)
        sealed = await self.checks.sealed(account.id, secret)
        await self.stores.factors.start_totp(account.id, sealed, self.clock.now() + PENDING_FOR)
        return NewTotp(secret, totp_uri(secret, account.email, APP))

    async def confirm(self, caller: Caller, code: str) -> RecoveryCodes:
        """Put the pending secret into use, and return new recovery codes.

        If the answer is lost, `new_codes` makes others. Raises: TotpNotFound, WrongCode, Forbidden.
        """
        user, now = with_session(caller, "it cannot change second factors: sign in").id, self.clock.now()
        pending = self._pending(await self.stores.factors.totp(user))
        step = matching_step(await self.checks.unsealed(user, pending), code, now, BEFORE_ALL)
        async with self.stores.db.transaction():
            account, row = await self.stores.factors.locked_account(user), await self.stores.factors.totp(user)
            if account is None or self._pending(row) != pending:
                raise _none_pending()
            if step is not None:
                await self.stores.factors.confirm_totp(user, now, step)
                await self.stores.factors.change_version(user)
                await self.activity.add(caller, user, Happened(Activity.TOTP_CONFIRM))
                await self.stores.mails.post(self.letters.factor_added(account.email, FACTOR))
                return await self._replace_codes(user)
            await self.stores.factors.fail_pending(user)
        raise WrongCode("Check the clock of your phone, and send the code that the app shows now.")

    async def new_codes(self, caller: Caller) -> RecoveryCodes:
        """Replace all recovery codes. Raises: ReauthenticationRequired, TotpNotFound, Forbidden."""
        user = (await self.proofs.need_fresh(caller)).id
        async with self.stores.db.transaction():
            account = await self.stores.factors.locked_account(user)
            await self._need_confirmed(user)
            await self.activity.add(caller, user, Happened(Activity.RECOVERY_CODE_CREATE))
            if account is not None:
                await self.stores.mails.post(self.letters.recovery_codes_replaced(account.email))
            return await self._replace_codes(user)

    async def remove(self, caller: Caller) -> None:
        """Turn the second factor off, and delete the recovery codes.

        Raises: ReauthenticationRequired, TotpNotFound, Forbidden.
        """
        user = (await self.proofs.need_fresh(caller)).id
        async with self.stores.db.transaction():
            account = await self.stores.factors.locked_account(user)
            await self._need_confirmed(user)
            await self.stores.factors.delete_totp(user)
            await self.stores.factors.change_version(user)
            await self.activity.add(caller, user, Happened(Activity.TOTP_DELETE))
            if account is not None:
                await self.stores.mails.post(self.letters.factor_removed(account.email, FACTOR))

    async def _replace_codes(self, user: str) -> RecoveryCodes:
        codes = new_recovery_codes()
        await self.stores.factors.replace_codes(user, [recovery_hash(user, code) for code in codes])
        return RecoveryCodes(codes)

    async def _need_confirmed(self, user: str) -> None:
        if not (await self.stores.factors.counts(user)).totp:
            raise TotpNotFound("Set one up first: POST /api/auth/totp.")

    def _pending(self, row: TotpRow | None) -> str:
        """Return the sealed secret that waits for its first code. Raises: TotpNotFound."""
        if row is None or row.pending is None or row.pending_until is None:
            raise _none_pending()
        if row.pending_until <= self.clock.now() or row.pending_failed >= MAX_FAILED:
            raise _none_pending()
        return row.pending


def _none_pending() -> TotpNotFound:
    return TotpNotFound("No secret waits for its first code: begin again with POST /api/auth/totp.")
