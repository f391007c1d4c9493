"""Accounts of developers, and the answer to a sign-in."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.contracts.bunauth.factors import Proof as Proof
from bunbase.pkg.sent_texts import Email, NewPassword


class Account(msgspec.Struct, frozen=True):
    """`role`: "admin" for the instance's administrators, else "user". `avatar_url`: the URL of the picture; empty if
    the account has no picture.
    """

    id: str
    email: str
    name: str
    role: str
    created_at: datetime
    email_verified: bool = False
    avatar_url: str = ""


class AccountSession(msgspec.Struct, frozen=True):
    """An open session. `ip`, `agent`: the IP address and the User-Agent header of the sign-in.

    `last_used_at`: the time of the last refresh. `current`: true if the request belongs to this session. `client`: the
    name of the OpenID Connect client that has the session; "Sign-in page" for the session of a browser on the page
    where people sign in to such clients; empty for all other sessions.
    """

    id: str
    ip: str
    agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool
    client: str = ""


class AccountSessions(msgspec.Struct, frozen=True):
    items: tuple[AccountSession, ...]
    next: str | None = None


class ProfileChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new values of a profile. A value stays if the field is None. An empty `avatar_url` removes the picture."""

    name: str | None = None
    avatar_url: str | None = None


class SignedIn(msgspec.Struct, frozen=True):
    """`expires_in`: seconds until the access token expires."""

    user: Account
    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"


class NewAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`setup_token`: the token that the first account needs in production. `invite`: the token of an invitation."""

    email: Email
    password: NewPassword
    name: str = ""
    setup_token: str = ""
    invite: str = ""


class SignupPending(msgspec.Struct, frozen=True):
    """The answer to a registration that must first be confirmed by mail.

    The answer is the same if the address already has an account. In this case, the mail tells the owner of the address
    about the account.
    """

    status: str = "confirmation_sent"


class Registered(msgspec.Struct, frozen=True):
    """The result of a registration. `signed_in`: None if the address must first be confirmed by mail."""

    signed_in: SignedIn | None


class Accepted(msgspec.Struct, frozen=True):
    """The answer to a request for a mail. The answer does not show whether a mail was sent."""

    status: str = "accepted"


class EmailConfirmed(msgspec.Struct, frozen=True):
    """`status`: "verified" or "changed"; "pending" if the other address must still confirm the change."""

    status: str


class PasswordReset(msgspec.Struct, frozen=True):
    """`removed`: the other ways to sign in that the reset has removed from the account, in words; empty if the address
    was already verified.
    """

    removed: tuple[str, ...] = ()


class SignupState(msgspec.Struct, frozen=True):
    """`signups`: "open", "invite" or "closed"; `setup_complete`: true if an administrator exists.

    `confirms_signups`: true if people without an invitation choose their password on the page that a mail links to, so
    that a registration has no password.
    """

    signups: str
    setup_complete: bool
    confirms_signups: bool = False
