"""Two projects and their end users, whose tokens become Callers as in the gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from bunbase.contracts.caller import Caller, EndUser
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.jwt import Verifier
from tests.rooms import publishable_caller

BAKERY, LIBRARY = "prj_bakery", "prj_library"
AT_BAKERY, AT_LIBRARY = publishable_caller(BAKERY), publishable_caller(LIBRARY)
PASSWORD = "correct horse battery"


async def signed_up(
    room: TenantAuth, caller: Caller = AT_BAKERY, email: str = "eve@example.com", **data: Any
) -> UserSignedIn:
    signed_in = await room.signup(caller, email, PASSWORD, data)
    assert signed_in is not None, "the project confirms addresses first"
    return signed_in


async def claims_of(room: TenantAuth, project: str, token: str, now: Callable[[], float]) -> dict[str, Any]:
    """Verify a token with the public keys of the project, as the gateway does. Raises: BadToken."""
    return Verifier((await room.jwks(project)).keys, now).claims(token, aud=project, type="user")


async def as_user(room: TenantAuth, caller: Caller, token: str, now: Callable[[], float]) -> Caller:
    claims = await claims_of(room, caller.project, token, now)
    user = EndUser(claims["sub"], claims["email"], claims["role"], claims["claims"], claims["sid"])
    return msgspec.structs.replace(caller, user=user)
