from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from joserfc.jwk import RSAKey

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.oidc.openid import OpenIdProvider
from bunbase.pkg.oidc.person import Person, ProviderAnswer, ProviderFailed, ProviderRefused, Secrets
from bunbase.pkg.oidc.settings import ProviderSettings
from bunbase.pkg.outgoing import MAX_ANSWER_BYTES, Outgoing, Reply, RequestFailed
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
        """Perform a sign-in in which the browser brings `answer` together with a code."""
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


async def test_tokens_with_invented_keys_do_not_make_us_fetch_the_keys_each_time(flow: Flow) -> None:
    await flow.sign_in()
    flow.fake.answers["/jwks_uri"] = flow.fake.answer("/jwks_uri", {}, {})
    flow.fake.rotate_key()
    flow.clock.advance(31)

    for _ in range(5):
        with pytest.raises(ProviderFailed):
            await flow.sign_in()

    assert flow.fake.seen.count("/jwks_uri") == 2


async def test_keys_are_fetched_again_after_the_clock_was_set_back(flow: Flow) -> None:
    flow.clock.advance(86_400)
    await flow.sign_in()
    flow.clock.advance(-86_400)
    flow.fake.rotate_key()

    assert await flow.sign_in() == ADA


async def test_all_who_wait_for_a_silent_provider_wait_for_one_request() -> None:
    begun, answer = list[str](), asyncio.Event()

    class Silent(Outgoing):
        async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
            begun.append(url)
            await answer.wait()
            raise RequestFailed("silent")

    client = OpenIdProvider(ProviderSettings(CLIENT, issuer="https://silent.example"), lambda: 0.0, Silent((), 1.0))
    waiting = [asyncio.create_task(client.authorization_url(REDIRECT, SECRETS)) for _ in range(5)]
    while not begun:
        await asyncio.sleep(0)
    waiting[0].cancel()  # A person who leaves does not stop the sign-ins of others.
    answer.set()
    ended = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(one) for one in ended] == [asyncio.CancelledError, *[ProviderFailed] * 4]
    assert len(begun) == 1
    with pytest.raises(ProviderFailed):
        await client.authorization_url(REDIRECT, SECRETS)
    assert len(begun) == 2
    await client.close()


NULLS = {
    "userinfo_endpoint": None,
    "token_endpoint_auth_methods_supported": None,
    "authorization_response_iss_parameter_supported": None,
}


async def test_a_provider_may_send_null_for_what_it_lacks(flow: Flow) -> None:
    flow.fake.metadata = NULLS
    usual = flow.fake.answer

    def answer(path: str, form: dict[str, list[str]], headers: dict[str, str]) -> tuple[int, bytes]:
        status, body = usual(path, form, headers)
        if path != "/token_endpoint":
            return status, body
        return status, msgspec.json.encode(msgspec.json.decode(body) | {"access_token": None, "refresh_token": None})

    flow.fake.answer = answer  # type: ignore[method-assign]

    assert await flow.sign_in() == ADA


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


@pytest.mark.parametrize("answer", [(403, b""), (200, b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln"), (200, b"[]")])
async def test_a_userinfo_that_cannot_be_read_keeps_nobody_out(flow: Flow, answer: tuple[int, bytes]) -> None:
    """If a person has signed in before, the subject alone identifies the person."""
    flow.fake.claims = {"email": None, "email_verified": None}
    flow.fake.answers["/userinfo_endpoint"] = answer

    assert await flow.sign_in() == Person("ada", None, False, "Ada")


def test_the_settings_of_a_provider_do_not_show_its_secret() -> None:
    assert SECRET not in repr(ProviderSettings(CLIENT, SECRET, issuer="https://accounts.example.com"))
