from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, RSAKey

from bunbase.pkg.client_assertions import BadAssertion, UnsuitableKey, check_assertion, public_jwk
from bunbase.pkg.public_keys import MAX_PEM, is_private, read_public_jwk, read_public_pem

RSA, EC = RSAKey.generate_key(2048), ECKey.generate_key("P-256")
PUBLIC = RSA.as_dict(private=False)


def pem(key: RSAKey | ECKey, private: bool = False) -> str:
    return key.as_pem(private=private).decode()


@pytest.mark.parametrize("key", [RSA, EC], ids=["RSA", "EC"])
def test_a_public_key_is_read_from_both_forms(key: RSAKey | ECKey) -> None:
    for found in (read_public_jwk(key.as_dict(private=False)), read_public_pem(pem(key))):
        assert found is not None
        assert found.thumbprint() == key.thumbprint()


@pytest.mark.parametrize(
    "private",
    [
        # The numbers of this key do not fit together. A library finds this only after a computation.
        {**PUBLIC, "d": "AQAB"},
        {**PUBLIC, "p": "AQAB", "q": "AQAB"},
        {"kty": "oct", "k": "c2VjcmV0"},
        pem(RSA, private=True),
        pem(EC, private=True),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    ],
    ids=range(6),
)
def test_a_private_key_is_refused_as_such_without_being_read(private: dict[str, Any] | str) -> None:
    assert is_private(private)
    with pytest.raises(UnsuitableKey, match="This is a private key"):
        public_jwk(private)


def test_only_the_public_numbers_of_a_key_are_read() -> None:
    repeated = {**PUBLIC, "key_ops": ["verify", "verify"], "x5c": ["!"], "use": 7}

    found = read_public_jwk(repeated)

    assert found is not None
    assert found.as_dict(private=False).keys() == {"kty", "n", "e"}


def test_keys_of_other_kinds_and_sizes_are_not_read() -> None:
    curves = (ec.SECP192R1(), ec.SECP224R1(), ec.BrainpoolP256R1())
    others: tuple[dsa.DSAPublicKey | ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey, ...] = (
        dsa.generate_private_key(1024).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
        *(ec.generate_private_key(curve).public_key() for curve in curves),
    )
    texts = [one.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() for one in others]

    assert [read_public_pem(text) for text in (*texts, "", "é", "-----BEGIN PUBLIC KEY-----")] == [None] * 8
    assert read_public_pem(pem(RSA) + "\n" * MAX_PEM) is None
    assert read_public_jwk({**PUBLIC, "e": "_" * 20}) is None
    assert read_public_jwk({**PUBLIC, "n": "_" * 2000}) is None


def test_an_assertion_for_a_key_that_is_not_accepted_any_more_is_refused() -> None:
    """An earlier version registered keys with larger exponents."""
    with pytest.raises(BadAssertion, match="register another one"):
        check_assertion("a.b.c", {**PUBLIC, "e": "AQAAAAAAAQ"}, "svc_1", "here", 0.0)
