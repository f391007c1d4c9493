"""Sign-ups of end users whose address is confirmed first, and invitations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.sent_texts import Email

InvitationText = Annotated[str, msgspec.Meta(max_length=100)]


class NewUserInvite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`role`, `data`, `language`: the values for the user that the invitation creates; `data` has at most 16 KiB of
    JSON.

    The mail is in this language too; without a language, it is in the first language of the project. `redirect_to`: the
    address of the app to which the page behind the link leads back; one of the project's `redirect_urls`, or below it.
    `inviter`: the name of the person who invites, and `target`: the thing that the invitation is for, such as the name
    of a room. The texts of the mail may contain these two names. Without them, the name of the app replaces both names.
    """

    email: Email
    role: str = "user"
    data: dict[str, Any] = {}
    language: str = ""
    redirect_to: Annotated[str, msgspec.Meta(max_length=500)] = ""
    inviter: InvitationText = ""
    target: InvitationText = ""


class UserInvite(msgspec.Struct, frozen=True):
    """`url`: the link of the mail. The link works once; only this answer shows it."""

    id: str
    email: str
    role: str
    expires_at: datetime
    url: str


class OpenUserInvite(msgspec.Struct, frozen=True):
    """An invitation that nobody has accepted yet. `role`: the role of the user that the invitation creates."""

    id: str
    email: str
    role: str
    created_at: datetime
    expires_at: datetime


class OpenUserInvites(msgspec.Struct, frozen=True):
    items: tuple[OpenUserInvite, ...]
    next: str | None = None


class SignupDetails(msgspec.Struct, frozen=True):
    """The members of a sign-up besides the address and the password. `name`: the name of the user.

    `redirect_to`: the address of the app to which the page behind the link of the mail leads back. `page`: the path and
    query of the ready-made sign-in page on which the person signs up; the link of the mail leads back to the app that
    sent the browser to this page.
    """

    name: str = ""
    redirect_to: str = ""
    page: str = ""


class WayBack(msgspec.Struct, frozen=True):
    """The URL of the app to which a page leads, or "". `signed_in`: true if the URL has a code, so that the browser
    goes there.
    """

    url: str
    signed_in: bool = False


class UserSignups(Protocol):
    """The calls raise LinkExpired, EmailTaken, InvalidInput, WeakPassword, SignupsClosed, EmailDomainNotAllowed and
    TooManyUsers.
    """

    async def invite_user(self, caller: Caller, new: NewUserInvite) -> UserInvite:
        """Send a link that creates a user, even if not everybody may sign up. An earlier invitation of the address
        ends.

        Also raises Forbidden.
        """
        ...

    async def user_invites(self, caller: Caller, limit: int, cursor: str | None) -> OpenUserInvites:
        """Return the open invitations, newest first. Raises: InvalidCursor, Forbidden."""
        ...

    async def withdraw_user_invite(self, caller: Caller, id: str) -> None:
        """End an invitation and its link. Raises: UserInviteNotFound, Forbidden."""
        ...

    async def confirm_user_signup(self, caller: Caller, token: str, password: str) -> UserSignedIn:
        """Create the user for whom a mail has sent a link, with a password, and sign the user in."""
        ...

    async def open_confirmed_user(self, caller: Caller, token: str, password: str) -> WayBack:
        """Create the user whom the emailed link invites, and set the password. The page of the link calls this method.

        A user who began on the ready-made sign-in page is signed in.
        """
        ...
