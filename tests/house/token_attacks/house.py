"""The verifiers of the house, and a genuine token of every kind. Only Bundoc, Functions and BunKMS are fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, RSAKey

from bunbase.bunauth.module import MODULE as BUNAUTH
from bunbase.bunauth.service import BunAuthService
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.storage import Storage
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.gateway.identity import Identity
from bunbase.pkg.modules import Rooms
from bunbase.platform.module import MODULE as PLATFORM
from bunbase.tenant_auth.module import MODULE as TENANT_AUTH
from tests.bunauth.people import caller_with, registered
from tests.fakes import FakeKms
from tests.house.token_attacks.genuine_tokens import genuine_tokens, signed_in_shop
from tests.house.token_attacks.opaque_tokens import opaque_verifiers
from tests.house.token_attacks.rows import Opened, Verifier, at
from tests.house.token_attacks.signed_tokens import signed_verifiers
from tests.house.token_attacks.signing import Issuer
from tests.platform.fake_rooms import FakeBundoc, FakeFiles, FakeFunctions
from tests.rooms import opened, secret_caller, site


@dataclass(frozen=True)
class House:
    """The verifiers and tokens. `tokens` returns a genuine token of a kind.

    `other_project`: the key of another project.
    """

    verifiers: dict[str, Verifier]
    tokens: dict[str, Callable[[], str]]
    other_project: Issuer
    bunauth: BunAuthService

    def rows(self) -> list[tuple[Verifier, Issuer]]:
        """Return the verifiers of tokens that are signed."""
        return [(row, row.issuer) for row in self.verifiers.values() if row.issuer]

    def issuers(self) -> list[Issuer]:
        return [row.issuer for row in self.verifiers.values() if row.issuer]


@asynccontextmanager
async def opened_house(home: Path, database_url: str) -> AsyncIterator[House]:
    where, kms = site(home, database_url), FakeKms(lazy=False)
    async with (
        opened(BUNAUTH, Rooms({Kms: kms}), where) as bunauth,
        opened(TENANT_AUTH, Rooms({Kms: kms}), where) as tenant_auth,
    ):
        others: dict[type, Any] = {
            Bundoc: FakeBundoc(),
            Functions: FakeFunctions(),
            Storage: FakeFiles(),
            BunAuth: bunauth,
            TenantAuth: tenant_auth,
        }
        async with opened(PLATFORM, Rooms({Kms: kms, **others}), where) as platform:
            identity = Identity(bunauth, platform, tenant_auth, size=10_000)
            async with identity.following():
                access = await registered(bunauth)
                ada = await caller_with(bunauth, access.access_token)
                bakery = await platform.create_project(ada, "Bakery")
                library = await platform.create_project(ada, "Library")
                user = await tenant_auth.create_user(secret_caller(bakery.id), NewUser("eve@example.com"))
                keys = RSAKey.generate_key(2048), ECKey.generate_key("P-256")
                shop = await signed_in_shop(bunauth, ada)
                rooms = Opened(
                    kms, bunauth, tenant_auth, platform, identity, ada, bakery, library, user.id, *keys, shop
                )
                await tenant_auth.change_project_auth(at(rooms, bakery.id), {"cookies": True}, None)
                tenant_auth.pools.cache.forget(bakery.id)
                made = await genuine_tokens(rooms)
                made |= {"developer": access.access_token, "developer's refresh": access.refresh_token}
                tokens: dict[str, Callable[[], str]] = {kind: partial(str, token) for kind, token in made.items()}
                verifiers = await signed_verifiers(rooms)
                tokens |= {row.name: row.issuer.token for row in verifiers if row.issuer and row.name in row.kinds}
                every = [*verifiers, *opaque_verifiers(rooms)]
                other = Issuer("RS256", f"{library.id}-1", kms.signing[library.id], dict)
                yield House({row.name: row for row in every}, tokens, other, bunauth)
