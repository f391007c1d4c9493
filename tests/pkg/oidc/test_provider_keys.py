from __future__ import annotations

from typing import Any

import pytest
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import ECKey, RSAKey

from bunbase.pkg.oidc.provider_keys import MAX_KEYS, ProviderKeys

RSA, OTHER, EC = RSAKey.generate_key(2048), RSAKey.generate_key(2048), ECKey.generate_key("P-256")
MODULUS, EXPONENT = (str(RSA.as_dict(private=False)[name]) for name in ("n", "e"))
LARGE_EXPONENT = "_" * 512  # This exponent has the same length as a modulus of 3,072 bits.


class Token:
    """The header of a token."""

    def __init__(self, **header: Any) -> None:
        self.header = {"alg": "RS256"} | header

    def headers(self) -> dict[str, Any]:
        return self.header


def jwk(key: RSAKey | ECKey, **members: Any) -> dict[str, Any]:
    return key.as_dict(private=False) | {"use": "sig", "kid": "k"} | members


def found(token: Token, *jwks: Any) -> str:
    """Return the thumbprint of the key that fits a token, or "" if no key fits."""
    try:
        return ProviderKeys({"keys": list(jwks)}).key_of(token).thumbprint()
    except InvalidKeyIdError:
        return ""


NOT_UNDERSTOOD: dict[str, Any] = {
    "an unknown kind": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "k"},
    "an unknown curve": {"kty": "EC", "crv": "brainpoolP256r1", "x": "AA", "y": "AA", "kid": "k"},
    "an unknown curve of Edwards": {"kty": "OKP", "crv": "X9999", "x": "AA", "kid": "k"},
    "a point beside its curve": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "k"},
    "no modulus": {"kty": "RSA", "e": EXPONENT, "kid": "k"},
    "a modulus that is no text": {"kty": "RSA", "n": 7, "e": EXPONENT, "kid": "k"},
    "a modulus that is no base64": {"kty": "RSA", "n": "!", "e": EXPONENT, "kid": "k"},
    "a modulus without end": {"kty": "RSA", "n": "_" * 100_000, "e": EXPONENT, "kid": "k"},
    "an exponent without end": {"kty": "RSA", "n": MODULUS, "e": LARGE_EXPONENT, "kid": "k"},
    "an id that is a number": jwk(OTHER, kid=7),
    "a use that is null and operations that are none": jwk(OTHER, use=None, key_ops=["encrypt"]),
    "an algorithm that is a list": jwk(OTHER, alg=["RS256"]),
    "no object": "key",
}


@pytest.mark.parametrize("damaged", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD)
def test_a_key_that_is_not_understood_keeps_nobody_out(damaged: Any) -> None:
    """RFC 7517 §5 allows this."""
    assert found(Token(kid="k"), damaged, jwk(RSA)) == found(Token(kid="k"), jwk(RSA), damaged) == RSA.thumbprint()
    assert found(Token(kid="k"), damaged) == ""


def test_keys_of_different_kinds_may_have_one_id() -> None:
    """RFC 7517 §4.5 allows this."""
    both = jwk(EC), jwk(RSA)

    assert found(Token(kid="k"), *both) == RSA.thumbprint()
    assert found(Token(kid="k", alg="ES256"), *both) == EC.thumbprint()


def test_a_token_without_an_id_means_the_only_key_of_its_algorithm() -> None:
    """OpenID Connect Core 1.0 §10.1 defines this."""
    assert found(Token(), jwk(EC), jwk(RSA)) == RSA.thumbprint()
    assert found(Token(), jwk(OTHER), jwk(RSA)) == ""
    assert found(Token(alg="ES384"), jwk(EC)) == ""


@pytest.mark.parametrize(
    ("members", "fine"),
    [
        ({"use": "enc"}, False),
        ({"use": None}, True),
        ({"key_ops": ["verify"]}, True),
        ({"use": None, "key_ops": ["wrapKey"]}, False),
        ({"alg": "RS256"}, True),
        ({"alg": "RS512"}, False),
        ({"x5c": ["MIIB"], "more": 1}, True),
    ],
)
def test_a_key_is_used_for_what_it_was_made(members: dict[str, Any], fine: bool) -> None:
    assert bool(found(Token(kid="k"), jwk(RSA, **members))) is fine


def test_an_rsa_key_has_at_least_2048_bits() -> None:
    """RFC 7518 §3.3 requires this."""
    assert found(Token(kid="k"), jwk(RSA, n=MODULUS[:171])) == ""


@pytest.mark.parametrize("document", [{}, {"keys": {}}, {"keys": [{}] * (MAX_KEYS + 1)}])
def test_a_document_that_is_no_set_of_keys_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="JWK set"):
        ProviderKeys(document)
