"""Two projects and their end users, whose tokens become `Caller` objects as in the gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.tokens import end_user_of
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.pkg.clock import Clock
from bunbase.pkg.jwt import Verifier
from bunbase.tenant_auth.service import TenantAuthService
from tests.rooms import member_caller, publishable_caller, secret_caller

BAKERY, LIBRARY = "prj_bakery", "prj_library"
AT_BAKERY, AT_LIBRARY = publishable_caller(BAKERY), publishable_caller(LIBRARY)
PASSWORD = "correct horse battery"


async def signed_up(
    room: TenantAuth, caller: Caller = AT_BAKERY, email: str = "eve@example.com", **data: Any
) -> UserSignedIn:
    signed_in = await room.signup(caller, email, PASSWORD, data)
    assert signed_in is not None, "the project confirms addresses first"
    return signed_in


async def without_password(
    room: TenantAuth, email: str, clock: Clock, caller: Caller = AT_BAKERY, *, email_verified: bool = False
) -> Caller:
    """Add a user without a password, which would cost time to hash, and return the user signed in."""
    server = secret_caller(caller.project)
    made = await room.create_user(server, NewUser(email, email_verified=email_verified))
    custom = (await room.custom_token(server, made.id, {})).token
    signed_in = await room.login_with_custom_token(caller, custom)
    return await as_user(room, caller, signed_in.access_token, clock.now().timestamp)


async def change_settings(room: TenantAuthService, project: str = BAKERY, **patch: Any) -> None:
    """Apply a merge patch to the settings of a project. The patch has effect at once, without the feed of changes."""
    await room.change_project_auth(member_caller(project, Role.ADMIN), patch, None)
    room.pools.cache.known.drop(project)


async def claims_of(room: TenantAuth, project: str, token: str, now: Callable[[], float]) -> dict[str, Any]:
    """Verify a token with the public keys of the project, like the gateway. Raises: BadToken."""
    return Verifier((await room.jwks(project)).keys, now).claims(token, aud=project, type="user")


async def as_user(room: TenantAuth, caller: Caller, token: str, now: Callable[[], float]) -> Caller:
    claims = await claims_of(room, caller.project, token, now)
    return msgspec.structs.replace(caller, user=end_user_of(claims))
