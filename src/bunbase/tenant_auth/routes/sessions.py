"""A user's own sessions: `/v1/auth/sessions`."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, get
from litestar.params import PathParameter, QueryParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.sessions import OwnSessions
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import Cursor, Injected, Limit
from bunbase.pkg.ids import ID
from bunbase.pkg.openapi import SIGNED_IN_USER

TAGS = ["End users"]

SessionId = Annotated[str, PathParameter(pattern=ID)]
KeepCurrent = Annotated[bool, QueryParameter(description="The session of this request stays.")]


@get("/v1/auth/sessions", summary="List the signed-in user's sessions", tags=TAGS, security=SIGNED_IN_USER)
async def list_own_sessions(
    client: Injected[Caller], tenant_auth: Injected[TenantAuth], limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> OwnSessions:
    """Returns the open sessions of the user with their devices and IP addresses, newest first."""
    return await tenant_auth.own_sessions(client, limit, cursor)


@delete("/v1/auth/sessions", summary="Sign the user out everywhere", tags=TAGS, security=SIGNED_IN_USER)
async def end_own_sessions(
    client: Injected[Caller], tenant_auth: Injected[TenantAuth], keep_current: KeepCurrent = False
) -> None:
    """The tokens of the sessions stop working everywhere within a second."""
    await tenant_auth.end_own_sessions(client, keep_current)


@delete(
    "/v1/auth/sessions/{session_id:str}",
    summary="End one of the user's sessions",
    tags=TAGS,
    security=SIGNED_IN_USER,
)
async def end_own_session(client: Injected[Caller], tenant_auth: Injected[TenantAuth], session_id: SessionId) -> None:
    """The tokens of the session stop working everywhere within a second."""
    await tenant_auth.end_own_session(client, session_id)


ROUTES = (list_own_sessions, end_own_sessions, end_own_session)
