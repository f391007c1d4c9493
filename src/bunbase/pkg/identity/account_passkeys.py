"""The passkeys of an account: register, list, rename and delete them, and sign in with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.identity.events import CredentialEvent, Note, Refused, no_note, no_refusal
from bunbase.pkg.identity.factor_checks import FactorChecks, wrong_passkey
from bunbase.pkg.identity.factors import Passkey, PasskeyOptions, Passkeys
from bunbase.pkg.identity.holders import H
from bunbase.pkg.identity.problems import PasskeyNotFound
from bunbase.pkg.identity.store.passkeys import PasskeyAct
from bunbase.pkg.ids import new_id
from bunbase.pkg.passkeys import BadPasskey, PasskeyUser, registered, registration_options, sign_in_options, user_in

MAX_PASSKEYS: Final = 20

T = TypeVar("T")
NeedWayIn = Callable[[str], Awaitable[None]]


class AccountPasskeys(Generic[H]):
    """The passkeys of one pool.

    `need_way_in(user)` raises a Problem if the account has no way to sign in any more. This function is called after a
    removal, while the account is locked.
    """

    def __init__(self, checks: FactorChecks[H], need_way_in: NeedWayIn) -> None:
        self.checks = checks
        self.stores = checks.stores
        self.holders = checks.holders
        self.letters = checks.letters
        self.clock = checks.clock
        self.need_way_in = need_way_in

    async def registration_options(self, user: PasskeyUser) -> PasskeyOptions:
        """Return the options for a new passkey. Raises: PasskeysUnavailable, InvalidInput."""
        party = self.checks.party
        await self._need_room(user.id)
        existing = await self.stores.passkeys.credential_ids(user.id)
        challenge = await self.checks.new_challenge(user.id, PasskeyAct.REGISTER)
        return PasskeyOptions(registration_options(party, user, challenge, existing))

    async def register(self, user: str, credential: dict[str, Any], name: str, note: Note = no_note) -> Passkey:
        """Store a passkey that was made with options for the same account.

        Raises: WrongPasskey, PasskeysUnavailable, InvalidInput.
        """
        party, id, now = self.checks.party, new_id("psk"), self.clock.now()
        async with self.stores.db.transaction():
            holder = await self.holders.locked(user)
            challenge = await self.checks.taken_challenge(credential, PasskeyAct.REGISTER, user)
            if holder is None or challenge is None:
                raise wrong_passkey()
            await self._need_room(user)
            try:
                new = registered(party, credential, challenge)
            except BadPasskey:
                raise wrong_passkey() from None
            if not await self.stores.passkeys.add(user, id, new, name, now):
                raise InvalidInput.at("/credential", "This passkey is registered already.")
            await note(user, CredentialEvent.PASSKEY_ADDED, name)
            if holder.email is not None:
                await self.stores.mails.post(self.letters.factor_added(holder.email, _described(name)))
        return Passkey(id, name, new.synced, now)

    async def list(self, user: str) -> Passkeys:
        """Return the account's passkeys, newest first."""
        return Passkeys(tuple(await self.stores.passkeys.of_account(user, MAX_PASSKEYS)))

    async def rename(self, user: str, id: str, name: str) -> None:
        """Rename a passkey. Raises: PasskeyNotFound."""
        if not await self.stores.passkeys.rename(user, id, name):
            raise PasskeyNotFound

    async def delete(self, user: str, id: str, note: Note = no_note) -> None:
        """Delete a passkey. Raises: PasskeyNotFound, and the problems of `need_way_in`."""
        async with self.stores.db.transaction():
            holder = await self.holders.locked(user)
            name = await self.stores.passkeys.delete(user, id)
            if holder is None or name is None:
                raise PasskeyNotFound
            await self.need_way_in(user)
            await note(user, CredentialEvent.PASSKEY_REMOVED, name)
            if holder.email is not None:
                await self.stores.mails.post(self.letters.factor_removed(holder.email, _described(name)))

    async def sign_in_options(self) -> PasskeyOptions:
        """Return options for a sign-in without an email, because the passkey names the account.

        Raises: PasskeysUnavailable.
        """
        party = self.checks.party
        return PasskeyOptions(sign_in_options(party, await self.checks.new_challenge(None, PasskeyAct.SIGN_IN)))

    async def sign_in(
        self, credential: dict[str, Any], on_right: Callable[[H], Awaitable[T]], refused: Refused = no_refusal
    ) -> T:
        """If the passkey is right, call `on_right(account)` and return its result.

        `on_right` runs in the transaction of the check. bunauth stores the session in this transaction; tenant_auth
        opens the session afterwards (see `SecondStep.finish`). The passkey has verified its user, so it counts as two
        factors.
        Raises: WrongPasskey, PasskeysUnavailable.
        """
        named = await self.checks.named_passkey(credential)
        async with self.stores.db.transaction():
            holder = await self.holders.locked(named.user_id) if named else None
            wrong = await self._check(credential, holder.id if holder else "")
            if wrong is None and holder is not None:
                return await on_right(holder)
        if holder is not None:
            refused(holder.id)
        raise wrong or wrong_passkey()

    async def _check(self, credential: dict[str, Any], user: str) -> Problem | None:
        """Check the passkey of a sign-in. Lock the account first, because another request may delete the passkey."""
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
