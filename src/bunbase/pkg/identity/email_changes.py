"""Change the address of an account.

A change needs the consent of both addresses. The consent of the new address proves that it exists and belongs to the
same person. The consent of the old address stops a thief with an open session. An old address that was never verified
does not have to consent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Generic, Literal, Protocol, TypeVar

from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.identity.events import CredentialEvent, Note, no_note
from bunbase.pkg.identity.mail_links import MailLinks
from bunbase.pkg.identity.problems import LinkExpired
from bunbase.pkg.mail.account_letters import VERIFY_SECONDS, AccountLetters
from bunbase.pkg.mail.letters import Letter

CHANGE_OF_OLD: Final = "change_of_old"  # With this link, the present address agrees to a new address.
CHANGE_OF_NEW: Final = "change_of_new"  # This link proves that the new address exists and agrees.
AGAIN: Final = "Ask for the change again."


class OwnAddress(Protocol):
    @property
    def email(self) -> str:
        """The present address; empty if the account has none. An empty address is never verified."""
        ...

    @property
    def verified(self) -> bool: ...


Own_co = TypeVar("Own_co", bound=OwnAddress, covariant=True)
Own = TypeVar("Own", bound=OwnAddress)


class Addresses(Protocol[Own_co]):
    """The addresses of the accounts of one pool."""

    async def locked(self, id: str) -> Own_co | None:
        """Return the address of an account; it cannot change until the transaction ends."""
        ...

    async def set_email(self, id: str, email: str, now: datetime) -> bool:
        """Store a new address, which is verified. Return False if another account has the address."""
        ...


class EmailChanges(Generic[Own]):
    """The changes of one pool. `url(token)`: the page to which the mails link.

    `letters(account)`: makes the letters of an account, in its language. The letter to the new address, which has no
    account yet, is made in the same way.
    """

    def __init__(
        self,
        links: MailLinks,
        addresses: Addresses[Own],
        letters: Callable[[Own], AccountLetters],
        url: Callable[[str], str],
    ) -> None:
        self.links = links
        self.stores = links.stores
        self.addresses = addresses
        self.letters = letters
        self.url = url
        self.clock = links.clock

    async def start(self, user: str, new: str) -> None:
        """Send links to both addresses. The answer does not show whether another account has the new address.

        Raises: InvalidInput if the account already has the address `new`.
        """
        expires_at = self.clock.now() + timedelta(seconds=VERIFY_SECONDS)
        async with self.stores.db.transaction():
            account = await self.addresses.locked(user)
            if account is None or account.email == new:
                raise InvalidInput.at("/email", "This is the address of the account already.")
            await self.stores.mail_tokens.forget_of_account(user, CHANGE_OF_OLD, CHANGE_OF_NEW)
            await self.stores.email_changes.replace(user, new, not account.verified, expires_at)
            letters = self.letters(account)
            asked = [await self._ask_old(letters, user, account.email, new)] if account.verified else []
            await self.stores.mails.post(
                *asked, await self._ask_new(letters, user, new)
            )  # both mails are posted in one call, because two calls could deadlock

    async def confirm(self, token: str, note: Note = no_note) -> Literal["pending", "changed"]:
        """Confirm a change for the address to which the link was sent. Raises: LinkExpired."""
        now, stores = self.clock.now(), self.stores
        async with stores.db.transaction():
            # Lock the account before the link. A deletion of the account locks in the same order, so the two cannot
            # deadlock.
            seen = await self.links.find(token, CHANGE_OF_OLD, CHANGE_OF_NEW)
            account = await self.addresses.locked(seen.user_id) if seen and seen.user_id else None
            found = await self.links.take(token, CHANGE_OF_OLD, CHANGE_OF_NEW)
            if found is None or found.user_id is None:
                raise LinkExpired(AGAIN)
            change = await stores.email_changes.confirm(found.user_id, found.kind == CHANGE_OF_OLD, now)
            if account is None or change is None:
                raise LinkExpired(AGAIN)
            if not change.confirmed:
                await note(found.user_id, CredentialEvent.EMAIL_CHANGE_AGREED, "")
                return "pending"
            await stores.email_changes.forget(found.user_id)
            if not await self.addresses.set_email(found.user_id, change.new_email, now):
                raise LinkExpired("The change is no longer possible: ask for it again.")
            await note(found.user_id, CredentialEvent.EMAIL_CHANGED, "")
            if account.email:
                await stores.mails.post(self.letters(account).email_changed(account.email, change.new_email))
        return "changed"

    async def _ask_old(self, letters: AccountLetters, user: str, old: str, new: str) -> Letter:
        def letter(token: str) -> Letter:
            return letters.change_of_old(old, new, self.url(token))

        return await self.links.make(CHANGE_OF_OLD, old, user, VERIFY_SECONDS, letter)

    async def _ask_new(self, letters: AccountLetters, user: str, new: str) -> Letter:
        def letter(token: str) -> Letter:
            return letters.change_of_new(new, self.url(token))

        return await self.links.make(CHANGE_OF_NEW, new, user, VERIFY_SECONDS, letter)
