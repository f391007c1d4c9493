"""An account's own sessions: `/api/auth/sessions`."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, get
from litestar.params import PathParameter, QueryParameter

from bunbase.contracts.bunauth.accounts import AccountSessions
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import Cursor, Injected, Limit
from bunbase.pkg.ids import ID

TAGS = ["Developers"]

SessionId = Annotated[str, PathParameter(pattern=ID)]
KeepCurrent = Annotated[bool, QueryParameter(description="The session of this request stays.")]


@get("/api/auth/sessions", summary="List your sessions", tags=TAGS)
async def list_sessions(
    developer: Injected[Caller], bunauth: Injected[BunAuth], limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> AccountSessions:
    """Returns the open sessions of your account with their devices and IP addresses, newest first."""
    return await bunauth.sessions(developer, limit, cursor)


@delete("/api/auth/sessions", summary="Sign out everywhere", tags=TAGS)
async def end_sessions(
    developer: Injected[Caller], bunauth: Injected[BunAuth], keep_current: KeepCurrent = False
) -> None:
    """The tokens of the sessions stop working everywhere within a second. Personal access tokens stay valid."""
    await bunauth.end_sessions(developer, keep_current)


@delete("/api/auth/sessions/{session_id:str}", summary="End one of your sessions", tags=TAGS)
async def end_session(developer: Injected[Caller], bunauth: Injected[BunAuth], session_id: SessionId) -> None:
    """The tokens of the session stop working everywhere within a second."""
    await bunauth.end_session(developer, session_id)


ROUTES = (list_sessions, end_sessions, end_session)
