"""Invitations to open an account: `/api/invites`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import delete, get, post
from litestar.params import PathParameter

from bunbase.contracts.bunauth.invites import AccountInvite, AccountInvites
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import NO_STORE, Cursor, Injected, Limit
from bunbase.pkg.ids import ID
from bunbase.pkg.sent_texts import Email

TAGS = ["Developers"]

InviteId = Annotated[str, PathParameter(pattern=ID)]


class NewInvite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`email`: BunBase sends the invitation to this address, and only this address may use it.
    With null, you only get a link.
    """

    email: Email | None = None
    role: Literal["user", "admin"] = "user"


@post("/api/invites", summary="Invite a person to this installation", tags=TAGS, cache_control=NO_STORE)
async def create_account_invite(
    developer: Injected[Caller], bunauth: Injected[BunAuth], data: NewInvite
) -> AccountInvite:
    """For administrators. The invited person opens the account at `url`, which works once, for seven days. Only this
    response contains `url`.
    """
    return await bunauth.create_invite(developer, data.email, data.role)


@get("/api/invites", summary="List the open invitations", tags=TAGS)
async def list_account_invites(
    developer: Injected[Caller], bunauth: Injected[BunAuth], limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> AccountInvites:
    """For administrators. Lists the newest invitations first."""
    return await bunauth.invites(developer, limit, cursor)


@delete("/api/invites/{invite_id:str}", summary="Withdraw an invitation", tags=TAGS)
async def delete_account_invite(developer: Injected[Caller], bunauth: Injected[BunAuth], invite_id: InviteId) -> None:
    """For administrators. The link of the invitation stops working at once."""
    await bunauth.delete_invite(developer, invite_id)


ROUTES = (create_account_invite, list_account_invites, delete_account_invite)
