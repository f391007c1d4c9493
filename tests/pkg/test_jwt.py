from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key

from bunbase.pkg.jwt import (
    BadToken,
    ExpiredToken,
    SigningKey,
    UnknownKey,
    Verifier,
    compact,
    new_private_key,
    signing_input,
)

NOW = 1_000_000
CLAIMS = {"sub": "usr_ada", "exp": NOW + 1}


@pytest.fixture(scope="module")
def private() -> bytes:
    return new_private_key()


@pytest.fixture(scope="module")
def key(private: bytes) -> SigningKey:
    return SigningKey(private)


class Seconds:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def test_a_signed_token_yields_its_claims_until_it_expires(key: SigningKey) -> None:
    clock = Seconds()
    token = key.sign(CLAIMS)

    for remember in (0, 10):
        clock.now = NOW
        verifier = Verifier([key.public_jwk()], clock, remember)
        assert verifier.claims(token) == verifier.claims(token) == CLAIMS
        clock.now = NOW + 1
        with pytest.raises(ExpiredToken):
            verifier.claims(token)


def test_a_token_signed_outside_the_process_is_valid(private: bytes, key: SigningKey) -> None:
    elsewhere = load_der_private_key(private, None)
    assert isinstance(elsewhere, rsa.RSAPrivateKey)
    unsigned = signing_input(key.kid, CLAIMS)

    token = compact(unsigned, elsewhere.sign(unsigned, padding.PKCS1v15(), SHA256()))

    assert Verifier([key.public_jwk()], lambda: NOW).claims(token) == CLAIMS


def test_a_token_without_an_expected_claim_is_refused(key: SigningKey) -> None:
    verifier = Verifier([key.public_jwk()], lambda: NOW)

    assert verifier.claims(key.sign(CLAIMS), sub="usr_ada") == CLAIMS
    for expected in ({"sub": "usr_bob"}, {"aud": "bunbase"}):
        with pytest.raises(BadToken):
            verifier.claims(key.sign(CLAIMS), **expected)


def test_an_unknown_key_and_a_bad_signature_raise_different_errors(key: SigningKey) -> None:
    other = SigningKey(new_private_key())

    with pytest.raises(UnknownKey):
        Verifier([other.public_jwk()], lambda: NOW).claims(key.sign(CLAIMS))
    with pytest.raises(BadToken):
        Verifier([other.public_jwk() | {"kid": key.kid}], lambda: NOW).claims(key.sign(CLAIMS))


def test_a_public_jwk_has_no_private_members(key: SigningKey) -> None:
    assert set(key.public_jwk()) == {"kid", "kty", "alg", "use", "n", "e"}


def test_changing_returned_claims_does_not_change_the_cached_claims(key: SigningKey) -> None:
    verifier = Verifier([key.public_jwk()], lambda: NOW, remember=10)
    token = key.sign(CLAIMS)

    verifier.claims(token)["sub"] = "usr_bob"

    assert verifier.claims(token) == CLAIMS
