"""Administration: `/v1/auth/users` and custom tokens, for the secret key and for developers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import delete, get, patch, post
from litestar.params import PathParameter, QueryParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.sessions import CustomToken, UserSessions
from bunbase.contracts.tenant_auth.signups import NewUserInvite, OpenUserInvites, UserInvite
from bunbase.contracts.tenant_auth.users import (
    USER_ID,
    ManagedUser,
    ManagedUsers,
    NewUser,
    UserChanges,
    UserFilter,
    UserOrder,
)
from bunbase.pkg.addresses import MAX_LENGTH
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.http import NO_STORE, Cursor, Injected, Limit
from bunbase.pkg.ids import ID
from bunbase.pkg.moments import read_moment
from bunbase.pkg.sent_texts import TIME

TAGS = ["End users: administration"]

UserId = Annotated[str, PathParameter(description="The id of the user.", schema_extra={"pattern": USER_ID})]
InviteId = Annotated[str, PathParameter(description="The id of the invitation.", schema_extra={"pattern": ID})]
OfEmail = Annotated[
    str | None,
    QueryParameter(max_length=MAX_LENGTH, description="Only the user with this address. Case is ignored."),
]
Beginning = Annotated[
    str | None,
    QueryParameter(
        max_length=MAX_LENGTH,
        description="Only users whose address or name begins with this text, or the user with this phone number.",
    ),
]
OfRole = Annotated[str | None, QueryParameter(max_length=64)]
Banned = Annotated[
    bool | None, QueryParameter(description="Only banned users (true), or only users that are not banned (false).")
]

OfPhone = Annotated[str | None, QueryParameter(max_length=32, description="Only the user with this phone number.")]
OfProvider = Annotated[
    str | None,
    QueryParameter(max_length=64, description="Only users to whom this service signs in, or users with a `password`."),
]
IsAnonymous = Annotated[bool | None, QueryParameter(description="Only anonymous users (true), or only others (false).")]
Since = Annotated[
    str | None,
    QueryParameter(
        schema_extra=TIME, max_length=64, description="Only users that were created at this time or later (RFC 3339)."
    ),
]
Order = Annotated[
    UserOrder, QueryParameter(description="`newest` first, `oldest` first, or by `email`: then only users with one.")
]


class NewCustomToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`claims`: claims that the session's access tokens contain in addition to the user's own claims; at most 1 KiB of
    JSON.
    """

    uid: str
    claims: dict[str, Any] = {}


@get("/v1/auth/users", summary="List users", tags=TAGS)
async def list_users(
    operator: Injected[Caller],
    tenant_auth: Injected[TenantAuth],
    email: OfEmail = None,
    q: Beginning = None,
    role: OfRole = None,
    banned: Banned = None,
    phone: OfPhone = None,
    provider: OfProvider = None,
    anonymous: IsAnonymous = None,
    created_since: Since = None,
    order: Order = UserOrder.NEWEST,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> ManagedUsers:
    """A user must match all conditions. Send a cursor only with the conditions and the order of the request that
    returned the cursor.
    """
    since = _moment(created_since)
    only = UserFilter(email, q, role, banned, phone, provider, anonymous, since, order)
    return await tenant_auth.users(operator, only, limit, cursor)


@post("/v1/auth/users", summary="Create a user", tags=TAGS)
async def create_user(operator: Injected[Caller], tenant_auth: Injected[TenantAuth], data: NewUser) -> ManagedUser:
    """A user without a password signs in with a mail, a text message or a custom token. `role` is `user` by default."""
    return await tenant_auth.create_user(operator, data)


@post("/v1/auth/invites", summary="Invite a person", tags=TAGS, cache_control=NO_STORE)
async def invite_user(operator: Injected[Caller], tenant_auth: Injected[TenantAuth], data: NewUserInvite) -> UserInvite:
    """BunBase sends the person a mail with a link that creates the user. The invitation works even if the settings
    `signups` and `email_domains` would not let this person sign up. The link works once, for seven days. A new
    invitation for the same address replaces the earlier invitation.
    """
    return await tenant_auth.invite_user(operator, data)


@get("/v1/auth/invites", summary="List the open invitations", tags=TAGS)
async def list_user_invites(
    operator: Injected[Caller], tenant_auth: Injected[TenantAuth], limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> OpenUserInvites:
    """Lists the invitations that nobody has accepted yet, newest first. BunBase never shows the links of the
    invitations again.
    """
    return await tenant_auth.user_invites(operator, limit, cursor)


@delete("/v1/auth/invites/{invite_id:str}", summary="Withdraw an invitation", tags=TAGS)
async def withdraw_user_invite(
    operator: Injected[Caller], tenant_auth: Injected[TenantAuth], invite_id: InviteId
) -> None:
    """The link in the mail stops working at once."""
    await tenant_auth.withdraw_user_invite(operator, invite_id)


@get("/v1/auth/users/{user_id:str}", summary="Get a user", tags=TAGS)
async def get_user(operator: Injected[Caller], tenant_auth: Injected[TenantAuth], user_id: UserId) -> ManagedUser:
    return await tenant_auth.user(operator, user_id)


@patch("/v1/auth/users/{user_id:str}", summary="Change a user", tags=TAGS)
async def update_user(
    operator: Injected[Caller], tenant_auth: Injected[TenantAuth], user_id: UserId, data: UserChanges
) -> ManagedUser:
    """Fields that the request leaves out do not change. `claims` and `data` replace the whole objects.

    If you change the email, the role or the claims, the user's access tokens become invalid within a second, and the
    next refresh returns an access token with the new values. A ban or a new password ends all sessions of the user.
    `banned_until` is the end of a ban.
    """
    return await tenant_auth.update_user(operator, user_id, data)


@delete("/v1/auth/users/{user_id:str}", summary="Delete a user", tags=TAGS)
async def delete_user(operator: Injected[Caller], tenant_auth: Injected[TenantAuth], user_id: UserId) -> None:
    """All sessions of the user end, and access tokens stop working within a second. BunBase keeps the user's documents,
    unless the setting `deletion` names them.
    """
    await tenant_auth.delete_user(operator, user_id)


@get("/v1/auth/users/{user_id:str}/sessions", summary="List a user's sessions", tags=TAGS)
async def list_user_sessions(
    operator: Injected[Caller],
    tenant_auth: Injected[TenantAuth],
    user_id: UserId,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> UserSessions:
    """Lists the user's open sessions, newest first."""
    return await tenant_auth.user_sessions(operator, user_id, limit, cursor)


@delete("/v1/auth/users/{user_id:str}/sessions", summary="Sign a user out everywhere", tags=TAGS)
async def end_user_sessions(operator: Injected[Caller], tenant_auth: Injected[TenantAuth], user_id: UserId) -> None:
    """Ends all sessions of the user. Access tokens stop working within a second."""
    await tenant_auth.end_user_sessions(operator, user_id)


@post("/v1/auth/custom-token", summary="Make a custom token", tags=TAGS, status_code=200, cache_control=NO_STORE)
async def make_custom_token(
    operator: Injected[Caller], tenant_auth: Injected[TenantAuth], data: NewCustomToken
) -> CustomToken:
    """The token signs the user in once, within five minutes, at `POST /v1/auth/login/custom-token`."""
    return await tenant_auth.custom_token(operator, data.uid, data.claims)


def _moment(sent: str | None) -> datetime | None:
    """Return a time of the query. Raises: InvalidInput."""
    try:
        return None if sent is None else read_moment(sent)
    except ValueError:
        raise InvalidInput.at("/created_since", "Send a time with a zone, such as 2026-01-31T12:00:00Z.") from None


ROUTES = (
    list_users,
    create_user,
    invite_user,
    list_user_invites,
    withdraw_user_invite,
    get_user,
    update_user,
    delete_user,
    list_user_sessions,
    end_user_sessions,
    make_custom_token,
)
