"""Public HTTP of BunAuth for administrators of the installation: `/api/admin/accounts`."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import get, patch, post
from litestar.params import PathParameter, QueryParameter

from bunbase.contracts.bunauth.administration import AccountRole, ManagedAccount, ManagedAccounts
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import Cursor, Injected, Limit
from bunbase.pkg.ids import ID

TAGS: Final = ["Administration"]

AccountId = Annotated[str, PathParameter(pattern=ID)]
Email = Annotated[
    str, QueryParameter(max_length=254, description="Only accounts whose email begins with this text, in any case.")
]


class ChangeAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: AccountRole


@get("/api/admin/accounts", summary="List accounts", tags=TAGS)
async def list_accounts(
    developer: Injected[Caller],
    bunauth: Injected[BunAuth],
    email: Email = "",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> ManagedAccounts:
    """Returns the accounts of all developers in the order of their emails, to administrators of the installation."""
    return await bunauth.managed_accounts(developer, email, limit, cursor)


@get("/api/admin/accounts/{account_id:str}", summary="Get an account", tags=TAGS)
async def get_account(developer: Injected[Caller], bunauth: Injected[BunAuth], account_id: AccountId) -> ManagedAccount:
    return await bunauth.managed_account(developer, account_id)


@patch("/api/admin/accounts/{account_id:str}", summary="Change the role of an account", tags=TAGS)
async def change_account(
    developer: Injected[Caller], bunauth: Injected[BunAuth], account_id: AccountId, data: ChangeAccount
) -> ManagedAccount:
    """BunBase ends the sessions of the account, because their tokens contain the old role. At least one active
    administrator must remain.
    """
    return await bunauth.set_account_role(developer, account_id, data.role)


@post("/api/admin/accounts/{account_id:str}/suspend", summary="Suspend an account", tags=TAGS, status_code=200)
async def suspend_account(
    developer: Injected[Caller], bunauth: Injected[BunAuth], account_id: AccountId
) -> ManagedAccount:
    """All sessions and personal access tokens of the account end within a second. Its projects stay."""
    return await bunauth.suspend_account(developer, account_id)


@post("/api/admin/accounts/{account_id:str}/resume", summary="Resume an account", tags=TAGS, status_code=200)
async def resume_account(
    developer: Injected[Caller], bunauth: Injected[BunAuth], account_id: AccountId
) -> ManagedAccount:
    """The account can sign in again. Its earlier sessions and personal access tokens stay ended."""
    return await bunauth.resume_account(developer, account_id)


@post(
    "/api/admin/accounts/{account_id:str}/reset-factors",
    summary="Remove the factors of an account",
    tags=TAGS,
    status_code=204,
)
async def reset_factors(developer: Injected[Caller], bunauth: Injected[BunAuth], account_id: AccountId) -> None:
    """Use this for an owner who has lost the phone, the recovery codes and the passkeys. Needs recent reauthentication.
    BunBase tells the owner by mail. Afterwards, the password alone is enough to sign in. So first make sure that the
    request really came from the owner.
    """
    await bunauth.remove_factors(developer, account_id)


ROUTES = (list_accounts, get_account, change_account, suspend_account, resume_account, reset_factors)
