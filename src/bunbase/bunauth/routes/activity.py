"""The activity of the caller's account: `/api/auth/activity`."""

from __future__ import annotations

from litestar import get

from bunbase.contracts.bunauth.activity import AccountActivity
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import Cursor, Injected, Limit

TAGS = ["Developers"]


@get("/api/auth/activity", summary="Read the activity of your account", tags=TAGS)
async def list_activity(
    developer: Injected[Caller], bunauth: Injected[BunAuth], limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> AccountActivity:
    """Returns sign-ins, refused sign-ins, and changes of the ways to sign in, newest first.

    Refused attempts of the same kind within an hour are one entry with a `count`.
    """
    return await bunauth.activity(developer, limit, cursor)


ROUTES = (list_activity,)
