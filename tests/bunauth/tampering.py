"""Functions that forge a token. Every forged token must be refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.jwk import RSAKey

Forge = Callable[[str, Mapping[str, str]], str]


def changed_claims(token: str, jwk: Mapping[str, str]) -> str:
    header, payload, signature = token.split(".")
    return f"{header}.{_packed(_unpacked(payload) | {'role': 'admin', 'sub': 'usr_else'})}.{signature}"


def unsigned(token: str, jwk: Mapping[str, str]) -> str:
    _, payload, _ = token.split(".")
    return f"{_packed({'alg': 'none', 'kid': jwk['kid']})}.{payload}."


def signature_cut(token: str, jwk: Mapping[str, str]) -> str:
    return token.rpartition(".")[0] + "."


def signature_changed(token: str, jwk: Mapping[str, str]) -> str:
    head, _, signature = token.rpartition(".")
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def public_key_as_hmac_secret(token: str, jwk: Mapping[str, str]) -> str:
    """Sign with HMAC and the public key as the shared secret (CVE-2015-9235)."""
    _, payload, _ = token.split(".")
    signed = f"{_packed({'alg': 'HS256', 'kid': jwk['kid']})}.{payload}"
    public = RSAKey.import_key(dict(jwk)).public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return f"{signed}.{_base64(hmac.digest(public, signed.encode(), hashlib.sha256))}"


def other_algorithm(token: str, jwk: Mapping[str, str]) -> str:
    _, payload, signature = token.split(".")
    return f"{_packed({'alg': 'RS512', 'kid': jwk['kid']})}.{payload}.{signature}"


def unknown_key(token: str, jwk: Mapping[str, str]) -> str:
    _, payload, signature = token.split(".")
    return f"{_packed({'alg': 'RS256', 'kid': 'another'})}.{payload}.{signature}"


def own_key_in_header(token: str, jwk: Mapping[str, str]) -> str:
    own = RSAKey.generate_key(2048)
    _, payload, _ = token.split(".")
    header = {"alg": "RS256", "jwk": own.as_dict(private=False)}
    return jws.serialize_compact(header, base64.urlsafe_b64decode(payload + "=="), own, algorithms=["RS256"])


def deeply_nested_header(token: str, jwk: Mapping[str, str]) -> str:
    return f"{_base64(b'[' * 5000)}.{token.partition('.')[2]}"


def endless(token: str, jwk: Mapping[str, str]) -> str:
    return token + "A" * 10_000


def empty(token: str, jwk: Mapping[str, str]) -> str:
    return ""


def no_text(token: str, jwk: Mapping[str, str]) -> str:
    return "\ud800.é.\0"


FORGERIES: tuple[Forge, ...] = (
    changed_claims,
    unsigned,
    signature_cut,
    signature_changed,
    public_key_as_hmac_secret,
    other_algorithm,
    unknown_key,
    own_key_in_header,
    deeply_nested_header,
    endless,
    empty,
    no_text,
)


def _packed(part: Any) -> str:
    return _base64(json.dumps(part).encode())


def _unpacked(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
