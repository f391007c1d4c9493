"""Public HTTP of the deletion of an account: Platform knows what the account owns, and BunAuth deletes it."""

from __future__ import annotations

from litestar import delete

from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import Platform
from bunbase.pkg.http import Injected

TAGS = ["Developers"]


@delete("/api/auth/me", summary="Delete your account", tags=TAGS)
async def delete_account(developer: Injected[Caller], platform: Injected[Platform]) -> None:
    """The caller needs recent reauthentication. The account's sessions, tokens and memberships end within a second;
    this cannot be undone.

    If the account is the only owner of a project, the answer is 409 `account_owns_projects`. If the account is the last
    owner of an organisation that has other members, the answer is 409 `last_owner`.
    """
    await platform.delete_account(developer)


ROUTES = (delete_account,)
