"""Register developers, and turn their tokens into Callers as the gateway does."""

from __future__ import annotations

from bunbase.contracts.bunauth.accounts import NewAccount, SignedIn
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller, CallerKind, Developer
from tests.rooms import ANYONE

PASSWORD = "correct horse battery"


async def registered(
    bunauth: BunAuth, email: str = "ada@example.com", by: Caller = ANYONE, setup_token: str = "", invite: str = ""
) -> SignedIn:
    """Register and return the answer. This fails if registration requires a confirmed address."""
    new = await bunauth.register(by, NewAccount(email, PASSWORD, "Ada", setup_token, invite))
    assert new.signed_in is not None
    return new.signed_in


async def caller_with(bunauth: BunAuth, access_token: str) -> Caller:
    verified = await bunauth.verify(access_token)
    assert verified.valid
    claims = verified.claims
    developer = Developer(
        claims["sub"],
        claims["email"],
        claims["role"] == "admin",
        claims.get("sid", ""),
        tuple(claims.get("scopes", ())),
    )
    return Caller(CallerKind.DEVELOPER, developer=developer, ip="127.0.0.1")
