"""Accounts, as the administrators of the installation see and change them.

This file is a part of BunAuth's contract.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Problem


class AccountSuspended(Problem):
    """Only a caller with the right password gets this answer, so it does not reveal which accounts exist."""

    status, code, title = 403, "account_suspended", "This account is suspended"


class AccountNotFound(Problem):
    status, code, title = 404, "account_not_found", "There is no such account"


class AccountRole(StrEnum):
    ADMIN = "admin"
    USER = "user"


class ManagedAccount(msgspec.Struct, frozen=True):
    """An account as administrators see it.

    `last_used_at`: the time of the last sign-in, refresh, or use of a personal token.

    `sessions`, `tokens`: the number of sessions and of tokens that are valid now.
    """

    id: str
    email: str
    name: str
    role: AccountRole
    created_at: datetime
    suspended_at: datetime | None
    last_used_at: datetime | None
    sessions: int
    tokens: int


class ManagedAccounts(msgspec.Struct, frozen=True):
    """Accounts in the order of their emails."""

    items: tuple[ManagedAccount, ...]
    next: str | None


class AccountAdministration(Protocol):
    """The caller must be an administrator of the installation. Raises: Unauthenticated, Forbidden."""

    async def managed_accounts(self, caller: Caller, email: str, limit: int, cursor: str | None) -> ManagedAccounts:
        """Return the accounts whose email begins with `email`. Raises: InvalidCursor."""
        ...

    async def managed_account(self, caller: Caller, id: str) -> ManagedAccount:
        """Raises: AccountNotFound."""
        ...

    async def suspend_account(self, caller: Caller, id: str) -> ManagedAccount:
        """End all sessions and personal access tokens of an account, and refuse to sign it in. Idempotent.

        Raises: AccountNotFound, LastAdministrator, InvalidInput for the caller's own account.
        """
        ...

    async def resume_account(self, caller: Caller, id: str) -> ManagedAccount:
        """Let a suspended account sign in again.

        The sessions and tokens from before the suspension stay ended. Idempotent.
        """
        ...

    async def set_account_role(self, caller: Caller, id: str, role: AccountRole) -> ManagedAccount:
        """Change the role of an account, and end its sessions, because they contain the old role.

        Raises: AccountNotFound, LastAdministrator.
        """
        ...

    async def remove_factors(self, caller: Caller, id: str) -> None:
        """Remove the authenticator app, the recovery codes and all passkeys of an account, and notify the owner.

        Administrators use this for owners who have lost their factors. A personal access token is not enough.
        Idempotent.
        Raises: ReauthenticationRequired, AccountNotFound.
        """
        ...
