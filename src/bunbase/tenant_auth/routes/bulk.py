"""Administration: acts on many users at once."""

from __future__ import annotations

from litestar import post

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.bulk import BulkChange, BulkResult
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.http import Injected
from bunbase.tenant_auth.routes.users import TAGS


@post("/v1/auth/users/bulk", summary="Ban, delete or sign out many users", tags=TAGS, status_code=200)
async def change_users(operator: Injected[Caller], tenant_auth: Injected[TenantAuth], data: BulkChange) -> BulkResult:
    """A request names at most 1,000 users, by `ids` or by `filter`.

    `failed` lists users that do not exist; BunBase changes all other users. You can safely repeat the request. BunBase
    writes one entry to the audit log, with the number of users and the digest of their ids. If you use the session of a
    member, it needs recent reauthentication.
    """
    return await tenant_auth.change_users(operator, data)


ROUTES = (change_users,)
