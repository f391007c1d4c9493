"""Turn a person that another service names into an account, and manage the identities of an account.

Concern: an attacker registers with the address of somebody else, and waits until its owner signs in by another service.
    If both then shared one account, the attacker's password or tokens would open it (pre-hijacking).
Decision: accounts are joined by address only if the service has verified the address. If the room has not verified the
    address, the owner of the mailbox takes the account over: its earlier password, sessions, tokens, factors and
    identities end.
Rejected: a second account with the same address, and a question for the password, which only the attacker knows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from bunbase.pkg.errors import Problem
from bunbase.pkg.identity.events import CredentialEvent, Note, no_note
from bunbase.pkg.identity.external import Identities
from bunbase.pkg.identity.external_login import ExternalLogins
from bunbase.pkg.identity.holders import H, H_co
from bunbase.pkg.identity.problems import (
    ExternalEmailNotVerified,
    ExternalLoginExpired,
    IdentityNotFound,
    IdentityTaken,
)
from bunbase.pkg.identity.store.external_logins import ExternalCode
from bunbase.pkg.identity.store.identities import NewIdentity
from bunbase.pkg.ids import new_id
from bunbase.pkg.mail.account_letters import AccountLetters

MAX_IDENTITIES: Final = 20
ATTEMPTS: Final = 3

T = TypeVar("T")

Open = Callable[[ExternalCode], Awaitable[str]]  # The function opens an account for a person, and returns its id.
NeedWayIn = Callable[[str], Awaitable[None]]


class JoinedAccount(msgspec.Struct, frozen=True):
    """The account that has an address. `verified`: true if the room has verified the address."""

    id: str
    verified: bool


class People(Protocol[H_co]):
    """The accounts of one pool. Every method is called in the transaction of the exchange."""

    async def existing(self, id: str) -> H_co | None: ...

    async def with_email(self, email: str) -> JoinedAccount | None:
        """Return the account that has an address. The address does not change until the transaction ends."""
        ...

    async def of_session(self, session: str) -> str | None:
        """Return the account of an open session."""
        ...

    async def locked(self, id: str) -> H_co | None:
        """Return the account. Other requests cannot change its ways to sign in until the transaction ends."""
        ...

    async def take_over(self, id: str) -> None:
        """End the sessions, password and mail links of the person who opened the account without proving its address.

        Identities and factors stay. Store that the address is verified.
        """
        ...


async def not_overtaken(
    person: ExternalCode, taken: tuple[type[Problem], ...], attempt: Callable[[], Awaitable[T]]
) -> T:
    """Return the result of `attempt`. Try again if it raises one of `taken`, because another sign-in was faster.

    A new person may sign in twice at once: in two tabs, or by two services. The second sign-in then starts again, and
    finds the account that the first sign-in has opened. If an identity is to be linked, there is no second attempt,
    because the identity must go to the account that requested it, and not to another account.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return await attempt()
        except taken:
            if person.link_session:
                raise
    return await attempt()


class ExternalPeople(Generic[H]):
    """The persons of other services in one pool. `need_way_in` has the same meaning as in `account_passkeys.py`."""

    def __init__(
        self, logins: ExternalLogins, people: People[H], need_way_in: NeedWayIn, letters: AccountLetters
    ) -> None:
        self.logins = logins
        self.stores = logins.stores
        self.people = people
        self.need_way_in = need_way_in
        self.letters = letters
        self.clock = logins.clock

    async def account(self, person: ExternalCode, open: Open, note: Note = no_note) -> H:
        """Return the account to sign in to, or the account to which the person was linked. This is one transaction.

        `open`: a function that opens an account for a person without an account. The function raises a Problem if new
        accounts are not allowed.
        Raises: ExternalEmailNotVerified, IdentityTaken, ExternalLoginExpired.
        """
        async with self.stores.db.transaction():
            account = await self._account(person, open, note)
            await self.stores.identities.touch(person.provider, person.subject, person.email, self.clock.now())
        return account

    async def list(self, user: str) -> Identities:
        return Identities(tuple(await self.stores.identities.of_account(user)))

    async def remove(self, user: str, id: str, note: Note = no_note) -> str:
        """Remove an identity, and return its provider. Raises: IdentityNotFound, and the problems of `need_way_in`."""
        async with self.stores.db.transaction():
            account = await self.people.locked(user)  # If there are two removals at once, the second sees the first.
            provider = await self.stores.identities.delete(user, id)
            if account is None or provider is None:
                raise IdentityNotFound
            await self.need_way_in(user)
            await note(user, CredentialEvent.IDENTITY_REMOVED, provider)
            if account.email is not None:
                title = self.logins.title(provider)
                await self.stores.mails.post(self.letters.identity_removed(account.email, title))
        return provider

    async def _account(self, person: ExternalCode, open: Open, note: Note) -> H:
        if person.link_session:
            return await self._linked(person, note)
        owner = await self.stores.identities.owner(person.provider, person.subject)
        if owner is not None:
            return await self._existing(owner)
        if person.email is None or not person.email_verified:
            raise ExternalEmailNotVerified(
                "Verify your address at the provider and sign in again; or sign in with a password, and link the "
                "provider to your account."
            )
        account = await self.people.with_email(person.email)
        if account is None:
            return await self._with_identity(await open(person), person, note)
        if not account.verified:
            await self._take_over(account.id, person, note)
        return await self._told(await self._with_identity(account.id, person, note), person)

    async def _linked(self, person: ExternalCode, note: Note) -> H:
        """Link the person to the account of the session for which the ticket was made."""
        user = await self.people.of_session(person.link_session)
        if user is None:
            raise ExternalLoginExpired("The session that began to link this identity has ended: sign in again.")
        owner = await self.stores.identities.owner(person.provider, person.subject)
        if owner == user:
            return await self._existing(owner)
        if owner is not None:
            raise IdentityTaken("Sign in to the other account, and remove the identity there.")
        return await self._told(await self._with_identity(user, person, note), person)

    async def _told(self, account: H, person: ExternalCode) -> H:
        """Tell the owner that a person may now sign in to an account that existed before."""
        if account.email is not None:
            title = self.logins.title(person.provider)
            await self.stores.mails.post(self.letters.identity_linked(account.email, title))
        return account

    async def _with_identity(self, user: str, person: ExternalCode, note: Note) -> H:
        new = NewIdentity(new_id("idn"), person.provider, person.subject, person.email)
        if not await self.stores.identities.add(user, new, self.clock.now(), MAX_IDENTITIES):
            raise IdentityTaken(f"Another request has used this identity, or the account has {MAX_IDENTITIES} of them.")
        account = await self._existing(user)
        await note(user, CredentialEvent.IDENTITY_LINKED, person.provider)
        return account

    async def _existing(self, user: str) -> H:
        found = await self.people.existing(user)
        if found is None:
            raise ExternalLoginExpired("The account was deleted meanwhile.")
        return found

    async def _take_over(self, user: str, person: ExternalCode, note: Note) -> None:
        await self.people.locked(user)
        await self.people.take_over(user)
        await self.stores.identities.delete_all(user)
        removed = await self.stores.factors.delete_all(user)
        await note(user, CredentialEvent.TAKEN_OVER, person.provider)
        if removed.any:
            await note(user, CredentialEvent.FACTORS_REMOVED, "")
            if person.email is not None:
                await self.stores.mails.post(self.letters.factor_removed(person.email, removed.in_words))
