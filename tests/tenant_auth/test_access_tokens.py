from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from bunbase.contracts.bunkms import PublicKey, Signature, SigningAlgorithm
from bunbase.contracts.tenant_auth.settings import ProjectAuth, TokenSettings
from bunbase.contracts.tenant_auth.users import User
from bunbase.gateway.credentials import MAX_LENGTH as LONGEST_CREDENTIAL
from bunbase.gateway.live.session import MAX_FIRST_BYTES
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.jwt import MAX_LENGTH, Verifier, unverified_header
from bunbase.tenant_auth.access_tokens import Life, Subject, UserTokens
from bunbase.tenant_auth.profiles import MAX_TOKEN_CLAIMS_BYTES, check_added_claims
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.sign_in_methods import SignInMethod
from bunbase.tenant_auth.store.settings import StoredSettings
from tests.fakes import FakeKms
from tests.rooms import secret_caller
from tests.tenant_auth.people import AT_BAKERY, BAKERY, LIBRARY, claims_of, signed_up


async def test_an_access_token_has_exactly_the_claims_that_the_gateway_reads(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    new = await signed_up(tenant_auth)

    claims = await claims_of(tenant_auth, BAKERY, new.access_token, lambda: clock.now().timestamp())

    now = int(clock.now().timestamp())
    assert claims == {
        "iss": f"http://127.0.0.1:7070/v1/auth/{BAKERY}",
        "sub": new.user.id,
        "aud": BAKERY,
        "iat": now,
        "exp": now + 900,
        "jti": claims["jti"],
        "sid": claims["sid"],
        "gen": 0,
        "ver": 0,
        "type": "user",
        "role": "user",
        "email": "eve@example.com",
        "email_verified": False,
        "anonymous": False,
        "amr": ["pwd"],
        "aal": 1,
        "provider": "password",
        "claims": {},
    }


async def test_the_longest_token_is_no_longer_than_all_parts_of_bunbase_and_a_line_of_a_head_allow() -> None:
    now, host = ManualClock().now(), "h" * 63 + "." + "o" * 63 + "." + "s" * 63 + ".example:65535"
    user = User("usr_" + "e" * 36, "e" * 242 + "@example.com", True, "r" * 64, {}, {}, now)
    claims = {"rooms": "x" * (MAX_TOKEN_CLAIMS_BYTES - len('{"rooms":""}'))}
    method = SignInMethod(tuple(f"method_{n}" for n in range(8)), "p" * 64, 2)
    act = {"sub": "usr_" + "a" * 36, "email": "a" * 242 + "@example.com"}
    check_added_claims({}, claims)
    subject = Subject(user, 10**9, "ses_" + "s" * 36, {}, 10**9, method, act, claims)

    token, _ = await UserTokens(FakeKms(), f"https://{host}").sign(BAKERY, subject, Life(now, 900, now))

    assert len(f"Authorization: Bearer {token}") < MAX_LENGTH <= LONGEST_CREDENTIAL
    first = {"t": "auth", "key": "pk_" + "k" * 100, "token": token, "resume": "r" * 24, "explain": "e" * MAX_LENGTH}
    assert len(json.dumps(first)) < MAX_FIRST_BYTES


class ReplacedKey(FakeKms):
    """A fake of BunKMS that signs with another key from its second signature on."""

    signatures = 0

    async def sign(self, owner: str, message: bytes) -> Signature:
        self.signatures += 1
        if self.signatures == 2:
            self.signing.pop(owner)
        signed = await super().sign(owner, message)
        return Signature(self._kid(), signed.signature)

    async def public_keys(self, owner: str) -> tuple[PublicKey, ...]:
        return tuple(PublicKey(self._kid(), key.n, key.e) for key in await super().public_keys(owner))

    def _kid(self) -> str:
        return "first" if self.signatures < 2 else "second"


async def test_a_token_of_a_replaced_signing_key_verifies_with_the_fresh_key_set() -> None:
    now = ManualClock().now()
    tokens = UserTokens(ReplacedKey(), "http://test")
    user = User("usr_eve", "eve@example.com", False, "user", {}, {}, now)

    for kid in ("first", "second"):
        token, _ = await tokens.sign(BAKERY, Subject(user, 0, "ses_one"), Life(now, 900, now + timedelta(days=1)))

        keys = (await tokens.jwks(BAKERY)).keys
        assert [key["kid"] for key in keys] == [kid]
        assert Verifier(keys, now.timestamp).claims(token)["sub"] == user.id


class SlowKms(FakeKms):
    """While `answering` is clear, `public_keys` has read the keys but does not return."""

    def __init__(self) -> None:
        super().__init__()
        self.answering = asyncio.Event()

    async def public_keys(self, owner: str) -> tuple[PublicKey, ...]:
        found = await super().public_keys(owner)
        await self.answering.wait()
        return found


async def test_keys_that_were_read_before_their_replacement_and_arrive_afterwards_are_not_kept() -> None:
    kms = SlowKms()
    tokens = UserTokens(kms, "http://test")
    reading = asyncio.create_task(tokens.jwks(BAKERY))
    await asyncio.sleep(0)
    tokens.end_key("the old key")  # Another process has replaced the key and reports it.
    kms.answering.set()

    assert (await reading).keys
    assert tokens.keys.get(BAKERY) is None


@pytest.mark.parametrize("algorithm", [SigningAlgorithm.ES256, SigningAlgorithm.EDDSA])
async def test_a_change_of_the_algorithm_signs_nobody_out(
    tenant_auth: TenantAuthService, clock: ManualClock, algorithm: SigningAlgorithm
) -> None:
    before = await signed_up(tenant_auth)
    custom = (await tenant_auth.custom_token(secret_caller(BAKERY), before.user.id, {})).token
    changed = StoredSettings(ProjectAuth(tokens=TokenSettings(algorithm=algorithm)))
    await tenant_auth.stores.settings.replace(BAKERY, changed, clock.now())
    tenant_auth.pools.cache.known.drop(BAKERY)

    after = await asyncio.gather(*(tenant_auth.refresh(AT_BAKERY, before.refresh_token) for _ in range(3)))
    from_custom = await tenant_auth.login_with_custom_token(AT_BAKERY, custom)

    for signed_in, alg in ((before, "RS256"), (after[0], algorithm), (from_custom, algorithm)):
        assert unverified_header(signed_in.access_token)["alg"] == alg
        claims = await claims_of(tenant_auth, BAKERY, signed_in.access_token, clock.now().timestamp)
        assert claims["sub"] == before.user.id
    assert [key["alg"] for key in (await tenant_auth.jwks(BAKERY)).keys] == [algorithm, "RS256"]
    assert [key["alg"] for key in (await tenant_auth.jwks(LIBRARY)).keys] == ["RS256"]
