"""Accounts of developers, and the answer to a sign-in."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Account(msgspec.Struct, frozen=True):
    """`role`: "admin" for the instance's administrators, else "user"."""

    id: str
    email: str
    name: str
    role: str
    created_at: datetime


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
