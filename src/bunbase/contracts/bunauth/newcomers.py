"""Open accounts for people whom a member invites to a project or an organisation.

Platform stores these invitations. Platform has also checked, with a link in a mail, that the person reads the mailbox
of the invited address. BunAuth decides whether the installation admits newcomers of this inviter.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from bunbase.contracts.bunauth.accounts import Account, SignedIn
from bunbase.contracts.bunauth.page_sign_in import ActPage
from bunbase.contracts.caller import Caller


class InvitedAccount(msgspec.Struct, frozen=True):
    """`email`: the invited address, which a mail has verified.

    `inviter`: the id of the account that has invited the person.
    """

    email: str
    inviter: str
    name: str
    password: str


class Newcomers(Protocol):
    async def admits_newcomers(self, inviter: str) -> bool:
        """True if a person can open an account here with an invitation of this account."""
        ...

    async def acts(self, account: str) -> bool:
        """True if an account exists and is not suspended. Otherwise, the invitations of the account are not valid."""
        ...

    async def has_account(self, email: str) -> bool:
        """True if the address has an account. Call this only for a person who has proved to own the mailbox."""
        ...

    async def open_invited(self, caller: Caller, new: InvitedAccount) -> SignedIn:
        """Open an account with a verified address, and sign it in. Raises: SignupsClosed, EmailTaken, InvalidInput."""
        ...

    async def open_invited_on_page(self, caller: Caller, new: InvitedAccount) -> Account:
        """Open an account like `open_invited`, but without a session. Raises: the problems of `open_invited`."""
        ...

    async def open_invited_by_pass(self, caller: Caller, to: ActPage, cookie: str, email: str, inviter: str) -> Account:
        """Open an account for a person who signed in at another service with the invited address.

        The pass cannot be used again.

        Raises: ChallengeExpired, SignupsClosed, EmailTaken.
        """
        ...
