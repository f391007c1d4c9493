"""Sign any bytes as a token. Libraries refuse to make most of the tokens that an attacker sends."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


@dataclass(frozen=True)
class Issuer:
    """The key that signs the tokens which a verifier accepts. `claims` returns new claims that the verifier accepts."""

    algorithm: str
    kid: str
    key: PrivateKey
    claims: Callable[[], dict[str, Any]]
    typ: str = "JWT"

    @property
    def header(self) -> dict[str, Any]:
        return {"typ": self.typ, "alg": self.algorithm, "kid": self.kid}

    def token(self, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Return a token that is signed by this issuer, with some claims or the header replaced."""
        return self.of_text(json.dumps(self.claims() | claims).encode(), header)

    def of_text(self, payload: bytes, header: Mapping[str, Any] | None = None) -> str:
        return signed(self.header | dict(header or {}), payload, self.key)

    def signed_by(self, other: Issuer, kid: str) -> str:
        """Return a token with claims of this issuer, signed by another issuer."""
        return signed(self.header | {"kid": kid}, json.dumps(self.claims()).encode(), other.key)

    def public_forms(self) -> list[bytes]:
        """Return the public key in the forms that a careless verifier may take as the secret of an HMAC."""
        public, raw = self.key.public_key(), isinstance(self.key, ed25519.Ed25519PrivateKey)
        forms = [public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo) for encoding in PEM_AND_DER]
        return [*forms, public.public_bytes(Encoding.Raw, PublicFormat.Raw)] if raw else forms


PEM_AND_DER = (Encoding.PEM, Encoding.DER)


def signed(header: Any, payload: bytes, key: PrivateKey) -> str:
    """Return a token with any header and payload. The key signs by the `alg` of the header."""
    text = joined(header, payload)
    return f"{text}.{encoded(signature(str(header['alg']), text.encode(), key))}"


def signed_with_secret(header: Mapping[str, Any], payload: bytes, secret: bytes) -> str:
    text = joined(header, payload)
    name = "sha" + str(header["alg"])[2:]
    return f"{text}.{encoded(hmac.digest(secret, text.encode(), getattr(hashlib, name)))}"


def joined(header: Any, payload: bytes) -> str:
    return f"{encoded(json.dumps(header).encode())}.{encoded(payload)}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def signature(algorithm: str, text: bytes, key: PrivateKey) -> bytes:
    hash = HASHES.get(algorithm[2:], HASHES["256"])
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(text)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.curve.key_size + 7) // 8
        return b"".join(number.to_bytes(size) for number in decode_dss_signature(key.sign(text, ec.ECDSA(hash))))
    if algorithm.startswith("PS"):
        return key.sign(text, padding.PSS(padding.MGF1(hash), hash.digest_size), hash)
    return key.sign(text, padding.PKCS1v15(), hash)
