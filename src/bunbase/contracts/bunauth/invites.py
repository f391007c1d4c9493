"""Invitations to open an account."""

from __future__ import annotations

from datetime import datetime

import msgspec


class AccountInvite(msgspec.Struct, frozen=True, omit_defaults=True):
    """`email`: the only address that the invitation admits; null: any address. `url`: opens the account; present only
    in the answer to the request that made the invitation. `invited_by`: the account of the administrator who made it;
    `inviter`: the address of that account, if it still exists.
    """

    id: str
    email: str | None
    role: str
    created_at: datetime
    expires_at: datetime
    url: str | None = None
    invited_by: str = ""
    inviter: str = ""


class AccountInvitation(msgspec.Struct, frozen=True):
    """An invitation as the person with its link sees it. `email`: the only address that it admits; null: any.

    `inviter`: the address of the administrator who made it; empty if that account was deleted.
    """

    email: str | None
    role: str
    inviter: str = ""


class AccountInvites(msgspec.Struct, frozen=True):
    items: tuple[AccountInvite, ...]
    next: str | None = None
