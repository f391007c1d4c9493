"""The activity of users: `/v1/auth/activity`, and the same for administrators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from litestar import get
from litestar.params import PathParameter, QueryParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.activity import (
    ActivityFilter,
    ManagedActivity,
    OwnActivity,
    UserAct,
    UserActOutcome,
)
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.users import USER_ID
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.http import Cursor, Injected, Limit
from bunbase.pkg.moments import EXAMPLE, read_moment
from bunbase.pkg.openapi import SIGNED_IN_USER
from bunbase.pkg.sent_texts import TIME

OWN_TAGS = ["End users"]
TAGS = ["End users: administration"]

UserId = Annotated[str, PathParameter(description="The id of the user.", schema_extra={"pattern": USER_ID})]
OfUser = Annotated[str | None, QueryParameter(pattern=USER_ID, description="Only entries of this user, by its id.")]
OfAction = Annotated[UserAct | None, QueryParameter(description="Only this event.")]
OfOutcome = Annotated[UserActOutcome | None, QueryParameter(description="Only events with this outcome.")]
Since = Annotated[
    str | None,
    QueryParameter(
        max_length=64,
        schema_extra=TIME,
        description="Only events from this time on, in RFC 3339.",
    ),
]
Until = Annotated[
    str | None,
    QueryParameter(
        max_length=64,
        schema_extra=TIME,
        description="Only events before this time, in RFC 3339.",
    ),
]


@get("/v1/auth/activity", summary="Read the signed-in user's activity", tags=OWN_TAGS, security=SIGNED_IN_USER)
async def list_own_activity(
    client: Injected[Caller], tenant_auth: Injected[TenantAuth], limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> OwnActivity:
    """Returns sign-ins, refused sign-ins, and changes of the ways to sign in, newest first.

    Refused attempts of the same kind within an hour are one entry with a `count`.
    """
    return await tenant_auth.own_user_activity(client, limit, cursor)


@get("/v1/auth/users/{user_id:str}/activity", summary="Read a user's activity", tags=TAGS)
async def list_user_activity(
    operator: Injected[Caller],
    tenant_auth: Injected[TenantAuth],
    user_id: UserId,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> ManagedActivity:
    """Returns the entries that the user sees, and who has acted. After the deletion of a user, one entry says when the
    user was deleted, and by whom.
    """
    return await tenant_auth.user_activity(operator, user_id, limit, cursor)


@get("/api/projects/{project:str}/auth/activity", summary="Read the activity of all users", tags=TAGS)
async def list_project_activity(
    member: Injected[Caller],
    tenant_auth: Injected[TenantAuth],
    user: OfUser = None,
    action: OfAction = None,
    outcome: OfOutcome = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> ManagedActivity:
    """An entry must match all conditions. Send a cursor only with the conditions of the request that returned the
    cursor.
    """
    only = ActivityFilter(user, action, outcome, _moment("since", since), _moment("until", until))
    return await tenant_auth.project_user_activity(member, only, limit, cursor)


def _moment(name: str, sent: str | None) -> datetime | None:
    """Return a time of the query. Raises: InvalidInput."""
    try:
        return None if sent is None else read_moment(sent)
    except ValueError:
        raise InvalidInput.at(f"/{name}", f"{name} must be a time such as {EXAMPLE}.") from None


ROUTES = (list_own_activity, list_user_activity, list_project_activity)
