"""The passkeys of a user. `pkg/identity/account_passkeys.py` has the rules."""

from __future__ import annotations

from typing import Any, Final

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.identity.account_passkeys import AccountPasskeys
from bunbase.pkg.identity.events import Note
from bunbase.pkg.identity.factor_checks import wrong_passkey
from bunbase.pkg.identity.factors import Passkey, PasskeyOptions, Passkeys
from bunbase.pkg.passkeys import PasskeyUser
from bunbase.tenant_auth.journal import the_user
from bunbase.tenant_auth.people import Person, signed_in_person
from bunbase.tenant_auth.service.callers import keyed_project
from bunbase.tenant_auth.service.open_session import OpenSession
from bunbase.tenant_auth.service.proofs import Proofs
from bunbase.tenant_auth.service.second_factor import itself
from bunbase.tenant_auth.service.totp import shown_name
from bunbase.tenant_auth.sign_in_methods import PASSKEY

UNNAMED: Final = "Passkey"
MAX_NAME: Final = 100


class UserPasskeys:
    def __init__(self, opening: OpenSession, proofs: Proofs) -> None:
        self.opening = opening
        self.proofs = proofs
        self.pools = opening.pools
        self.stores = opening.stores

    async def registration_options(self, caller: Caller) -> PasskeyOptions:
        """Return the options for a new passkey.

        Raises: SignUpFirst, ReauthenticationRequired, PasskeysUnavailable, InvalidInput.
        """
        user = await self.proofs.need_signed_up(caller)
        person = signed_in_person(await self.stores.users.by_id(keyed_project(caller), user.uid))
        shown = PasskeyUser(person.id, shown_name(person), person.user.name or shown_name(person))
        return await (await self._of(caller)).registration_options(shown)

    async def register(self, caller: Caller, credential: dict[str, Any], name: str) -> Passkey:
        """Store a new passkey. Raises: WrongPasskey, PasskeysUnavailable, InvalidInput."""
        uid, name = caller.end_user().uid, checked_name(name)
        return await (await self._of(caller)).register(uid, credential, name, self._noted(caller))

    async def list(self, caller: Caller) -> Passkeys:
        uid = caller.end_user().uid
        return await (await self._of(caller)).list(uid)

    async def rename(self, caller: Caller, id: str, name: str) -> None:
        """Rename a passkey. Raises: PasskeyNotFound, InvalidInput."""
        uid, name = caller.end_user().uid, checked_name(name)
        await (await self._of(caller)).rename(uid, id, name)

    async def delete(self, caller: Caller, id: str) -> None:
        """Delete a passkey. Raises: ReauthenticationRequired, PasskeyNotFound, LastSignInMethod."""
        uid = (await self.proofs.need_fresh(caller)).uid
        await (await self._of(caller)).delete(uid, id, self._noted(caller))

    async def sign_in_options(self, caller: Caller) -> PasskeyOptions:
        """Return the options for a sign-in. Raises: PasskeysUnavailable."""
        return await (await self._of(caller)).sign_in_options()

    async def sign_in(self, caller: Caller, credential: dict[str, Any]) -> UserSignedIn:
        """Open a session. The passkey has verified its user, so it counts as two factors.

        Raises: WrongPasskey, PasskeysUnavailable, UserBanned.
        """
        refused = self.pools.journal.refused(caller, UserAct.SIGN_IN, PASSKEY.provider)
        person: Person = await (await self._of(caller)).sign_in(credential, itself, refused)
        signed_in = await self.opening.open_session(caller, person, PASSKEY)
        if signed_in is None:  # The user was changed just now, and the options work only once.
            raise wrong_passkey()
        return signed_in

    def _noted(self, caller: Caller) -> Note:
        return self.pools.journal.noted(caller.project, the_user(caller))

    async def _of(self, caller: Caller) -> AccountPasskeys[Person]:
        return (await self.pools.of(keyed_project(caller))).passkeys


def checked_name(name: str) -> str:
    """Return the name of a passkey. Raises: InvalidInput."""
    name = name.strip()
    if len(name) > MAX_NAME or not name.isprintable():
        raise InvalidInput.at("/name", f"A name has at most {MAX_NAME} printable characters.")
    return name or UNNAMED
