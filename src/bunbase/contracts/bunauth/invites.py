"""Invitations to open an account."""

from __future__ import annotations

from datetime import datetime

import msgspec


class AccountInvite(msgspec.Struct, frozen=True, omit_defaults=True):
    """`email`: the only address that the invitation admits; null if it admits any address. `url`: the link that opens
    the account; present only in the answer to the request that made the invitation. `invited_by`: the account of the
    administrator who made the invitation; `inviter`: the address of this account, if the account still exists.
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
    """An invitation as the person with its link sees it. `email`: the only address that the invitation admits; null if
    it admits any address.

    `inviter`: the address of the administrator who made the invitation; empty if the administrator's account was
    deleted.
    """

    email: str | None
    role: str
    inviter: str = ""


class AccountInvites(msgspec.Struct, frozen=True):
    items: tuple[AccountInvite, ...]
    next: str | None = None
