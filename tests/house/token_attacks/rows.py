"""The rows of the table: verifiers, and the rooms that they ask."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc.jwk import ECKey, RSAKey

from bunbase.bunauth.service import BunAuthService
from bunbase.contracts.bunauth.openid import OAuthClient, OAuthTokens
from bunbase.contracts.caller import Caller, CallerKind, Role
from bunbase.contracts.platform import NewProject
from bunbase.contracts.service_accounts import NewServiceAccount
from bunbase.gateway.identity import Identity
from bunbase.platform.service import PlatformService
from bunbase.tenant_auth.service import TenantAuthService
from tests.fakes import FakeKms
from tests.house.token_attacks.signing import Issuer


@dataclass(frozen=True)
class Verifier:
    """`places`: the functions of the product that this row stands for, as `module.function`.

    `accepts` returns True if the token is accepted, and False if it is refused properly. Any other error is a bug.
    `kinds`: the kinds of genuine tokens that the verifier accepts. `exempt`: tokens that are not an attack for this
    verifier, with the reason.
    """

    name: str
    places: tuple[str, ...]
    accepts: Callable[[str], Awaitable[bool]]
    kinds: frozenset[str]
    issuer: Issuer | None = None
    exempt: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SignedInShop:
    """An application, its tokens for Ada, another code for it, and the cookie of the page on which Ada signed in."""

    client: OAuthClient
    tokens: OAuthTokens
    code: str
    cookie: str


@dataclass(frozen=True)
class Opened:
    """The rooms, and the people and projects in them."""

    kms: FakeKms
    bunauth: BunAuthService
    tenant_auth: TenantAuthService
    platform: PlatformService
    identity: Identity
    ada: Caller
    bakery: NewProject
    library: NewProject
    user: str
    rsa: RSAKey
    ec: ECKey
    shop: SignedInShop


async def refuses(asked: Awaitable[Any], *expected: type[Exception]) -> bool:
    """Return False if the answer is one of the expected refusals, and True if there is an answer."""
    try:
        await asked
    except expected:
        return False
    return True


def at(rooms: Opened, project: str) -> Caller:
    return Caller(CallerKind.DEVELOPER, project=project, developer=rooms.ada.developer, role=Role.OWNER)


async def service_account(rooms: Opened, key: Any, project: str = "") -> str:
    by = at(rooms, project or rooms.bakery.id)
    return (await rooms.platform.create_service_account(by, NewServiceAccount("x", ("data:read",), key))).client_id


def dates(seconds: int) -> dict[str, Any]:
    now = int(time.time())
    return {"iat": now, "exp": now + seconds}
