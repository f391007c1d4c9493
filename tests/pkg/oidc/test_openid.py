from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from joserfc.errors import SecurityWarning
from joserfc.jwk import RSAKey

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.oidc.openid import OpenIdProvider
from bunbase.pkg.oidc.person import Person, ProviderAnswer, ProviderFailed, ProviderRefused, Secrets
from bunbase.pkg.oidc.settings import ProviderSettings
from bunbase.pkg.outgoing import MAX_ANSWER_BYTES
from tests.pkg.oidc.fake_provider import CLIENT, SECRET, FakeProvider, fake_provider

REDIRECT = "https://app.example.com/callback"
SECRETS = Secrets("the state", "the nonce", "v" * 43)
ADA = Person("ada", "ada@example.com", True, "Ada")


class Flow:
    def __init__(self, fake: FakeProvider) -> None:
        self.fake = fake
        self.clock = ManualClock()
        settings = ProviderSettings(CLIENT, SECRET, issuer=fake.issuer)
        self.client = OpenIdProvider(settings, lambda: self.clock.now().timestamp())

    async def sign_in(self, **answer: str) -> Person:
        """Go through a sign-in, in which the browser brings `answer` besides a code."""
        self.fake.now = self.clock.now().timestamp()
        asked = parse_qs(urlsplit(await self.client.authorization_url(REDIRECT, SECRETS)).query)
        self.fake.nonce = asked["nonce"][0]
        self.fake.codes["code"] = asked["code_challenge"][0]
        return await self.client.person(ProviderAnswer(**{"code": "code"} | answer), REDIRECT, SECRETS)


@pytest.fixture
async def flow() -> AsyncIterator[Flow]:
    async with fake_provider() as fake:
        flow = Flow(fake)
        yield flow
        await flow.client.close()


async def test_a_sign_in_returns_the_person_that_the_provider_names(flow: Flow) -> None:
    assert await flow.sign_in() == ADA


async def test_the_browser_carries_state_nonce_and_a_pkce_challenge_but_no_verifier(flow: Flow) -> None:
    url = await flow.client.authorization_url(REDIRECT, SECRETS)

    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert asked == {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": REDIRECT,
        "scope": "openid email profile",
        "state": SECRETS.state,
        "nonce": SECRETS.nonce,
        "code_challenge": SECRETS.challenge,
        "code_challenge_method": "S256",
    }
    assert SECRETS.verifier not in url


def claim(**claims: Any) -> Callable[[FakeProvider], None]:
    return lambda fake: fake.claims.update(claims)


def without_signature(fake: FakeProvider) -> None:
    fake.alg = "none"


def signed_with_the_public_key(fake: FakeProvider) -> None:
    fake.alg = "HS256"


def signed_with_another_key(fake: FakeProvider) -> None:
    fake.signer = RSAKey.generate_key(2048, {"kid": "first"})


def answering(path: str, status: int, body: bytes) -> Callable[[FakeProvider], None]:
    return lambda fake: fake.answers.update({path: (status, body)})


def metadata(**metadata: Any) -> Callable[[FakeProvider], None]:
    return lambda fake: fake.metadata.update(metadata)


ATTACKS: dict[str, Callable[[FakeProvider], None]] = {
    "the nonce of another sign-in": claim(nonce="another"),
    "no nonce": claim(nonce=None),
    "a token for another client": claim(aud="another"),
    "a token for several clients without azp": claim(aud=[CLIENT, "another"]),
    "a token issued to another client": claim(azp="another"),
    "the token of another issuer": claim(iss="https://accounts.example.com"),
    "an expired token": claim(exp=1),
    "a token without an expiry": claim(exp=None),
    "an expiry that is no number": claim(exp=True),
    "a token issued long ago": claim(iat=1),
    "a token from the future": claim(iat=4_000_000_000),
    "no subject": claim(sub=None),
    "an empty subject": claim(sub=""),
    "alg none": without_signature,
    "a signature with the public key as a secret": signed_with_the_public_key,
    "a signature with another key": signed_with_another_key,
    "no ID token": answering("/token_endpoint", 200, b'{"access_token": "access"}'),
    "an answer without end": answering("/token_endpoint", 200, b" " * (MAX_ANSWER_BYTES + 1)),
    "a redirect": answering("/token_endpoint", 302, b""),
    "an answer that is no JSON": answering("/jwks_uri", 200, b"<html>"),
    "keys that are no keys": answering("/jwks_uri", 200, b'{"keys": [{"kty": "RSA", "n": 1}]}'),
    "metadata of another issuer": metadata(issuer="https://accounts.example.com"),
    "an address in the private network": metadata(jwks_uri="http://localhost:1/jwks"),
    "a private address by https": metadata(token_endpoint="https://10.0.0.1/token"),
    "a page that is no page": metadata(authorization_endpoint="javascript:alert(1)"),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
async def test_a_provider_that_lies_signs_nobody_in(flow: Flow, attack: Callable[[FakeProvider], None]) -> None:
    attack(flow.fake)

    with pytest.raises(ProviderFailed):
        await flow.sign_in()


async def test_an_answer_that_names_another_issuer_is_refused_before_the_code_is_sent(flow: Flow) -> None:
    with pytest.raises(ProviderFailed, match="another issuer"):
        await flow.sign_in(iss="https://accounts.example.com")
    flow.fake.metadata["authorization_response_iss_parameter_supported"] = True
    flow.clock.advance(3600)
    with pytest.raises(ProviderFailed, match="another issuer"):
        await flow.sign_in()

    assert "/token_endpoint" not in flow.fake.seen
    assert await flow.sign_in(iss=flow.fake.issuer) == ADA


async def test_a_code_that_was_used_before_is_refused(flow: Flow) -> None:
    await flow.sign_in()

    with pytest.raises(ProviderRefused, match="invalid_grant"):
        await flow.client.person(ProviderAnswer(code="code"), REDIRECT, SECRETS)


async def test_an_error_of_the_provider_is_refused_with_its_code(flow: Flow) -> None:
    with pytest.raises(ProviderRefused, match="access_denied"):
        await flow.sign_in(code="", error="access_denied")


@pytest.mark.parametrize("drift", [-59, 59])
async def test_the_clock_of_the_provider_may_differ_by_a_minute(flow: Flow, drift: int) -> None:
    now = int(flow.clock.now().timestamp()) + drift
    flow.fake.claims = {"iat": now, "exp": now + 5}

    assert await flow.sign_in() == ADA


async def test_a_new_key_of_the_provider_is_fetched_when_a_token_names_it(flow: Flow) -> None:
    await flow.sign_in()
    flow.fake.rotate_key()
    flow.clock.advance(31)

    assert await flow.sign_in() == ADA
    assert flow.fake.seen.count("/jwks_uri") == 2
    assert flow.fake.seen.count("/.well-known/openid-configuration") == 1


def weak_key() -> RSAKey:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        return RSAKey.import_key(generate_private_key(65537, 1024), {"kid": "weak"})


WEAK = weak_key()
FOREIGN_KEYS: dict[str, Any] = {
    "a curve that is not known here": {"kty": "EC", "crv": "P-192", "x": "AA", "y": "AA", "kid": "new"},
    "a key without its numbers": {"kty": "RSA", "kid": "half"},
    "a kind that is not known here": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "later"},
    "an RSA key of 1,024 bits": WEAK.as_dict(private=False),
    "no object": 7,
}


@pytest.mark.parametrize("key", FOREIGN_KEYS.values(), ids=FOREIGN_KEYS)
async def test_a_key_that_cannot_be_used_does_not_hide_the_others(flow: Flow, key: Any) -> None:
    """RFC 7517 §5: a reader of a set should ignore such keys."""
    own = msgspec.json.decode(flow.fake.answer("/jwks_uri", {}, {})[1])["keys"]
    answering("/jwks_uri", 200, msgspec.json.encode({"keys": [key, *own]}))(flow.fake)

    assert await flow.sign_in() == ADA


async def test_a_token_signed_with_an_rsa_key_of_1024_bits_is_refused(flow: Flow) -> None:
    """RFC 7518 §3.3 demands 2,048 bits."""
    flow.fake.key = WEAK

    with pytest.raises(ProviderFailed, match="no key"):
        await flow.sign_in()


async def test_tokens_with_invented_keys_do_not_make_us_fetch_the_keys_each_time(flow: Flow) -> None:
    await flow.sign_in()
    flow.fake.answers["/jwks_uri"] = flow.fake.answer("/jwks_uri", {}, {})
    flow.fake.rotate_key()
    flow.clock.advance(31)

    for _ in range(5):
        with pytest.raises(ProviderFailed):
            await flow.sign_in()

    assert flow.fake.seen.count("/jwks_uri") == 2


@pytest.mark.parametrize(
    ("claims", "person"),
    [
        ({"email_verified": False}, Person("ada", "ada@example.com", False, "Ada")),
        ({"email_verified": None}, Person("ada", "ada@example.com", False, "Ada")),
        ({"email_verified": 1}, Person("ada", "ada@example.com", False, "Ada")),
        ({"email": None}, Person("ada", None, False, "Ada")),
        ({"email": ["ada@example.com"]}, Person("ada", None, False, "Ada")),
        ({"name": "A\x1b[31mda\n" + "x" * 200}, Person("ada", "ada@example.com", True, ("A[31mda" + "x" * 200)[:100])),
    ],
)
async def test_an_address_counts_as_verified_only_if_the_provider_says_so(
    flow: Flow, claims: dict[str, Any], person: Person
) -> None:
    flow.fake.claims = claims

    assert await flow.sign_in() == person


async def test_a_missing_address_comes_from_the_userinfo_of_the_same_person(flow: Flow) -> None:
    flow.fake.claims = {"email": None, "email_verified": None}
    flow.fake.userinfo = {"sub": "ada", "email": "ada@example.com", "email_verified": True}
    assert await flow.sign_in() == ADA

    flow.fake.userinfo["sub"] = "eve"
    with pytest.raises(ProviderFailed, match="another person"):
        await flow.sign_in()


def test_the_settings_of_a_provider_do_not_show_its_secret() -> None:
    assert SECRET not in repr(ProviderSettings(CLIENT, SECRET, issuer="https://accounts.example.com"))
