"""Invitations to projects and organisations."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.page_sign_in import NO_WAYS, PageWays
from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.places import Organisation, Project
from bunbase.pkg.errors import Problem

SHOWN: Final = "binv"  # the prefix of the token in a link that the inviter passes on
MAILED: Final = "binm"  # the prefix of the token in the link of the mail


class InviteNotFound(Problem):
    """This problem is for the members who send invitations. A person who opens a link gets LinkExpired, as for every
    link of a mail.
    """

    status, code, title = 404, "invite_not_found", "There is no such open invitation"


class Invite(msgspec.Struct, frozen=True, omit_defaults=True):
    """An open invitation. `url`: a link that accepts the invitation; present only in the answer to the request that
    made the link.

    `invited_by`: the account that sent the invitation last; `inviter`: the address of this account, if it is still a
    member. `admits_newcomers`: false if the sender's invitations do not let people create accounts; only the
    answer with `url` has it. The value does not depend on the invited address.
    """

    id: str
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime
    url: str | None = None
    admits_newcomers: bool = True
    invited_by: str = ""
    inviter: str = ""


class Invites(msgspec.Struct, frozen=True):
    items: tuple[Invite, ...]
    next: str | None


class PlaceKind(StrEnum):
    """The kind of place to which an invitation leads, in the words that people read."""

    PROJECT = "project"
    ORGANISATION = "organisation"


class Opening(StrEnum):
    """How a person with the link of an invitation may open an account for the address that was invited."""

    HERE = "here"  # the link came by mail, so its holder reads the mailbox
    BY_MAIL = "by_mail"  # the inviter passed the link on, so the person must first open a link in a mail to the address
    HAS_ACCOUNT = "has_account"  # the link came by mail, and the address has an account
    CLOSED = "closed"  # no account can be opened with the invitation here


class OpenInvitation(msgspec.Struct, frozen=True):
    """The invitation of a link, as the page shows it.

    `target`: the name of the project or organisation; `kind`: project or organisation.

    `email`: the address that was invited; an account with another address may accept the invitation too. `ways`: the
    ways to sign in.
    """

    target: str
    role: Role
    email: str
    inviter: str
    ways: PageWays = NO_WAYS
    opening: Opening = Opening.CLOSED
    kind: PlaceKind = PlaceKind.PROJECT


class AcceptedInvite(msgspec.Struct, frozen=True, omit_defaults=True):
    """The project or organisation that the caller has joined, and the caller's role there.

    `already_member`: true if the caller already had this role or a stronger role, so that nothing was changed.
    """

    role: Role
    project: Project | None = None
    org: Organisation | None = None
    already_member: bool = False


class InvitedSignIn(SignedIn, frozen=True, kw_only=True):
    """A new account that is signed in. `joined`: the project or organisation that the account has joined."""

    joined: AcceptedInvite


class InvitedRegistration(msgspec.Struct, frozen=True):
    """The result of a registration with an invitation. `signed_in`: None if a mail to the invited address was sent."""

    signed_in: InvitedSignIn | None


class MemberInvitations(Protocol):
    """`org`: an organisation's id or slug, or None for the caller's project."""

    async def create_invite(self, caller: Caller, org: str | None, email: str, role: Role) -> Invite:
        """Invite a person by mail, and return the link. An earlier invitation of the same address ends.

        The answer does not depend on whether an account has the address.
        Raises: InvalidInput, Forbidden, RateLimited, PersonalOrganisation.
        """
        ...

    async def invites(self, caller: Caller, org: str | None, limit: int, cursor: str | None) -> Invites:
        """Return the open invitations, newest first. Raises: InvalidCursor, Forbidden."""
        ...

    async def resend_invite(self, caller: Caller, org: str | None, id: str) -> Invite:
        """Send new links, valid for seven days again. The old links end. Raises: InviteNotFound, RateLimited."""
        ...

    async def delete_invite(self, caller: Caller, org: str | None, id: str) -> None:
        """Withdraw an invitation. Raises: InviteNotFound."""
        ...

    async def accept_invite(self, caller: Caller, token: str) -> AcceptedInvite:
        """Make the caller a member. A second call by the same account returns the same place and role.

        If the caller already has this role or a stronger role, nothing changes, and the invitation stays open for
        another person.
        Raises: LinkExpired; InvalidInput if the project or organisation has the maximum number of members.
        """
        ...

    async def invitation(self, token: str, cookie: str = "") -> OpenInvitation:
        """Return the invitation of a link.

        The invitation stays open. `cookie`: the cookie of a pass. Raises: LinkExpired.
        """
        ...

    async def accept_invite_by_password(self, caller: Caller, token: str, email: str, password: str) -> AcceptedInvite:
        """Sign a person in only for this act, and make the account a member.

        Raises: the problems of `accept_invite`; InvalidCredentials, SecondFactorRequired, AccountSuspended.
        """
        ...

    async def accept_invite_by_pass(self, caller: Caller, token: str, cookie: str) -> AcceptedInvite:
        """Accept an invitation with a pass of BunAuth (`page_sign_in.py`).

        Raises: the problems of `accept_invite`; ChallengeExpired, AccountSuspended, InvalidCredentials.
        """
        ...

    async def accept_invite_by_code(self, caller: Caller, token: str, challenge: str, code: str) -> AcceptedInvite:
        """Accept an invitation with the second factor, after SecondFactorRequired.

        `code`: the code of the app, or a recovery code.
        Raises: the problems of `accept_invite`; ChallengeExpired, WrongCode, RateLimited, AccountSuspended.
        """
        ...

    async def register_by_invite(self, caller: Caller, token: str, name: str, password: str) -> InvitedRegistration:
        """Open an account for the invited address, make it a member, and sign it in.

        If the link did not come by mail, this only sends a mail with a link that opens an account.
        Raises: the problems of `accept_invite`; SignupsClosed, EmailTaken, InvalidInput, RateLimited.
        """
        ...

    async def open_account_by_invite(self, caller: Caller, token: str, name: str, password: str) -> AcceptedInvite:
        """Open an account like `register_by_invite`, with a link that came by mail, but without a session.

        Raises: the problems of `register_by_invite`.
        """
        ...

    async def open_account_by_pass(self, caller: Caller, token: str, cookie: str) -> AcceptedInvite:
        """Open an account for a person who signed in at another service with the invited address (`page_sign_in.py`).

        Raises: the problems of `register_by_invite`; ChallengeExpired.
        """
        ...

    async def send_invite_mail(self, token: str) -> None:
        """Send the mail of an invitation once more. The link of the earlier mail ends. The link that was passed on
        stays valid.

        Raises: LinkExpired, RateLimited, SignupsClosed.
        """
        ...
