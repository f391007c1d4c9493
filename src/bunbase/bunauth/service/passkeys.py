"""The passkeys of an account: register, list, rename and delete them, and sign in with them."""

from __future__ import annotations

from typing import Any, Final

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.factor_checks import FactorChecks, wrong_passkey
from bunbase.bunauth.service.letters import Letters
from bunbase.bunauth.service.names import checked_name
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.service.session_tokens import Factors, SessionTokens, signed_in_by
from bunbase.bunauth.service.ways_in import need_way_in
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.passkeys import PasskeyAct
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.activity import Activity, ActivityMethod
from bunbase.contracts.bunauth.factors import Passkey, PasskeyOptions, Passkeys
from bunbase.contracts.bunauth.problems import PasskeyNotFound
from bunbase.contracts.caller import Caller, Developer
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.ids import new_id
from bunbase.pkg.passkeys import BadPasskey, PasskeyUser, registered, registration_options, sign_in_options, user_in

MAX_PASSKEYS: Final = 20
UNNAMED: Final = "Passkey"


class PasskeyService:
    def __init__(
        self, stores: Stores, checks: FactorChecks, proofs: Proofs, tokens: SessionTokens, letters: Letters
    ) -> None:
        self.stores = stores
        self.checks = checks
        self.proofs = proofs
        self.tokens = tokens
        self.letters = letters
        self.clock = tokens.clock

    async def registration_options(self, caller: Caller) -> PasskeyOptions:
        """Raises: ReauthenticationRequired, PasskeysUnavailable, InvalidInput, Forbidden."""
        developer, party = await self.proofs.need_fresh(caller), self.checks.party
        account = await self.stores.accounts.existing(developer.id)
        await self._need_room(account.id)
        existing = await self.stores.passkeys.credential_ids(account.id)
        user = PasskeyUser(account.id, account.email, account.name or account.email)
        challenge = await self.checks.new_challenge(account.id, PasskeyAct.REGISTER)
        return PasskeyOptions(registration_options(party, user, challenge, existing))

    async def register(self, caller: Caller, credential: dict[str, Any], name: str) -> Passkey:
        """Store a passkey. Only options that the same account has asked for allow this.

        Raises: WrongPasskey, PasskeysUnavailable, InvalidInput, Forbidden.
        """
        user, id, now = _with_session(caller).id, new_id("psk"), self.clock.now()
        party, name = self.checks.party, checked_name(name) or UNNAMED
        async with self.stores.db.transaction():
            account = await self.stores.factors.locked_account(user)
            challenge = await self.checks.taken_challenge(credential, PasskeyAct.REGISTER, user)
            if account is None or challenge is None:
                raise wrong_passkey()
            await self._need_room(user)
            try:
                new = registered(party, credential, challenge)
            except BadPasskey:
                raise wrong_passkey() from None
            if not await self.stores.passkeys.add(user, id, new, name, now):
                raise InvalidInput.at("/credential", "This passkey is registered already.")
            await self.tokens.activity.add(caller, user, Happened(Activity.PASSKEY_CREATE, target=name))
            await self.stores.mails.post(self.letters.factor_added(account.email, _described(name)))
        return Passkey(id, name, new.synced, now)

    async def list(self, caller: Caller) -> Passkeys:
        """Return the account's passkeys, newest first."""
        found = await self.stores.passkeys.of_account(_with_session(caller).id, MAX_PASSKEYS)
        return Passkeys(tuple(found))

    async def rename(self, caller: Caller, id: str, name: str) -> None:
        """Raises: PasskeyNotFound, InvalidInput, Forbidden."""
        user = _with_session(caller).id
        if not await self.stores.passkeys.rename(user, id, checked_name(name) or UNNAMED):
            raise PasskeyNotFound

    async def delete(self, caller: Caller, id: str) -> None:
        """Raises: ReauthenticationRequired, PasskeyNotFound, LastSignInMethod, Forbidden."""
        user = (await self.proofs.need_fresh(caller)).id
        async with self.stores.db.transaction():
            account = await self.stores.factors.locked_account(user)
            name = await self.stores.passkeys.delete(user, id)
            if account is None or name is None:
                raise PasskeyNotFound
            await need_way_in(self.stores, user)
            await self.tokens.activity.add(caller, user, Happened(Activity.PASSKEY_DELETE, target=name))
            await self.stores.mails.post(self.letters.factor_removed(account.email, _described(name)))

    async def sign_in_options(self) -> PasskeyOptions:
        """Return options for a sign-in without an email: the passkey names the account. Raises: PasskeysUnavailable."""
        party = self.checks.party
        return PasskeyOptions(sign_in_options(party, await self.checks.new_challenge(None, PasskeyAct.SIGN_IN)))

    async def sign_in(self, caller: Caller, credential: dict[str, Any]) -> SignedIn:
        """Open a session. The passkey has verified its user, so it counts as two factors.

        Raises: WrongPasskey, PasskeysUnavailable.
        """
        named = await self.checks.named_passkey(credential)
        async with self.stores.db.transaction():
            account = await self.stores.factors.locked_account(named.user_id) if named else None
            wrong = await self._check(credential, account.id if account else "")
            if wrong is None and account is not None:
                by = signed_in_by(ActivityMethod.PASSKEY)
                return await self.tokens.open_session(caller, account, factors=Factors.TWO, by=by)
        if account is not None:
            self.tokens.activity.note_refused(caller, account.id, Activity.SIGN_IN, ActivityMethod.PASSKEY)
        raise wrong or wrong_passkey()

    async def _check(self, credential: dict[str, Any], user: str) -> Problem | None:
        """Check the passkey of a sign-in. Call this while the account is locked: its passkey may have been deleted."""
        challenge = await self.checks.taken_challenge(credential, PasskeyAct.SIGN_IN, None)
        stored = await self.checks.named_passkey(credential)
        if challenge is None or stored is None or stored.user_id != user or not _names_its_user(credential):
            return wrong_passkey()
        return await self.checks.signature(credential, challenge, stored)

    async def _need_room(self, user: str) -> None:
        if (await self.stores.factors.counts(user)).passkeys >= MAX_PASSKEYS:
            raise InvalidInput(f"An account has at most {MAX_PASSKEYS} passkeys. Delete one first.")


def _names_its_user(credential: dict[str, Any]) -> bool:
    """True if the authenticator sent the id of its user, as every discoverable credential does."""
    try:
        return bool(user_in(credential))
    except BadPasskey:
        return False


def _described(name: str) -> str:
    return f"the passkey “{name}”"


def _with_session(caller: Caller) -> Developer:
    return with_session(caller, "it cannot see or change passkeys: sign in")
