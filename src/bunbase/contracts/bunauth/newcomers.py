"""Open accounts for people whom a member invites to a project or an organisation.

Platform keeps these invitations. Platform vouches that the person has proved to own the mailbox of the invited address,
with a link in a mail. BunAuth decides whether the installation admits newcomers of this inviter.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from bunbase.contracts.bunauth.accounts import Account, SignedIn
from bunbase.contracts.bunauth.page_sign_in import ActPage
from bunbase.contracts.caller import Caller


class InvitedAccount(msgspec.Struct, frozen=True):
    """`email`: the invited address, which was proved with a mail. `inviter`: the id of the account that has invited
    it.
    """

    email: str
    inviter: str
    name: str
    password: str


class Newcomers(Protocol):
    async def admits_newcomers(self, inviter: str) -> bool:
        """True if invitations that an account sends open accounts here."""
        ...

    async def acts(self, account: str) -> bool:
        """True if an account exists and is not suspended; only then, its invitations count."""
        ...

    async def has_account(self, email: str) -> bool:
        """Call this only for a person who has proved to own the mailbox."""
        ...

    async def open_invited(self, caller: Caller, new: InvitedAccount) -> SignedIn:
        """Open an account with a verified address, and sign it in. Raises: SignupsClosed, EmailTaken, InvalidInput."""
        ...

    async def open_invited_on_page(self, caller: Caller, new: InvitedAccount) -> Account:
        """Open an account like `open_invited`, but without a session. Raises: as `open_invited`."""
        ...

    async def open_invited_by_pass(self, caller: Caller, to: ActPage, cookie: str, email: str, inviter: str) -> Account:
        """Open the account of a person whom another service knows under the invited address. The pass is used up.

        Raises: ChallengeExpired, SignupsClosed, EmailTaken.
        """
        ...
