"""Accounts of developers, and the answer to a sign-in."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Account(msgspec.Struct, frozen=True):
    """`role`: "admin" for the instance's administrators, else "user". `avatar_url`: empty if there is none."""

    id: str
    email: str
    name: str
    role: str
    created_at: datetime
    email_verified: bool = False
    avatar_url: str = ""


class AccountSession(msgspec.Struct, frozen=True):
    """An open session. `ip`, `agent`: the IP address and the User-Agent header of the sign-in.

    `last_used_at`: the time of the last refresh. `current`: the request belongs to this session.
    """

    id: str
    ip: str
    agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool


class AccountSessions(msgspec.Struct, frozen=True):
    items: tuple[AccountSession, ...]
    next: str | None = None


class ProfileChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new values of a profile. None: this value stays. An empty `avatar_url` removes the picture."""

    name: str | None = None
    avatar_url: str | None = None


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A proof that the caller owns the account."""

    password: str = ""


class SignedIn(msgspec.Struct, frozen=True):
    """`expires_in`: seconds until the access token expires."""

    user: Account
    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"


class SignupState(msgspec.Struct, frozen=True):
    """`signups`: "open", "invite" or "closed"; `setup_complete`: true if an administrator exists."""

    signups: str
    setup_complete: bool
