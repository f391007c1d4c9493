"""Administration: links of mails without a mail, and sessions in the place of a user."""

from __future__ import annotations

from litestar import post

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.impersonation import HandedLink, Impersonated, NewHandedLink, NewImpersonation
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.tenant_auth.routes.users import TAGS, UserId


@post("/v1/auth/users/{user_id:str}/links", summary="Make a link for a user", tags=TAGS, cache_control=NO_STORE)
async def create_user_link(
    operator: Injected[Caller], tenant_auth: Injected[TenantAuth], user_id: UserId, data: NewHandedLink
) -> HandedLink:
    """Returns the link that BunBase would otherwise send by mail. BunBase sends no mail here, so send the link
    yourself, for example in your own mail. The link works once, and for as long as a mailed link. The user's earlier
    links of this kind stop working. The person who opens the link confirms the address. If you use the session of a
    member, it needs recent reauthentication.
    """
    return await tenant_auth.create_user_link(operator, user_id, data)


@post("/v1/auth/users/{user_id:str}/impersonate", summary="Act in a user's place", tags=TAGS, cache_control=NO_STORE)
async def impersonate_user(
    operator: Injected[Caller], tenant_auth: Injected[TenantAuth], user_id: UserId, data: NewImpersonation
) -> Impersonated:
    """Returns one access token, and no refresh token. The token lives as long as an access token of the project, and at
    most an hour. Its claim `act.sub` is the id of the developer or key; rules see it as `auth.act`. A caller with this
    token cannot change the password, the address, the factors or the sessions of the user, and cannot delete the user.
    The audit log and the list of the user's sessions show this session. If you use the session of a member, it needs
    recent reauthentication.
    """
    return await tenant_auth.impersonate_user(operator, user_id, data)


ROUTES = (create_user_link, impersonate_user)
