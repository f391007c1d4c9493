"""A software authenticator: it makes passkeys, signs with them, and returns the results as a browser does."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from webauthn.helpers import encode_cbor

PRESENT, VERIFIED, BACKUP_ELIGIBLE, BACKED_UP, ATTESTED, EXTENDED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
ES256, EDDSA, RS256 = -7, -8, -257


@dataclass(frozen=True)
class SigningPair:
    """A key pair that signs. `cose`: the public key as COSE (RFC 9052)."""

    cose: dict[int, Any]
    sign: Callable[[bytes], bytes]


def es256() -> SigningPair:
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_numbers()
    cose = {1: 2, 3: ES256, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
    return SigningPair(cose, lambda data: key.sign(data, ec.ECDSA(hashes.SHA256())))


def rs256() -> SigningPair:
    key = rsa.generate_private_key(65537, 2048)
    n = key.public_key().public_numbers().n
    cose = {1: 3, 3: RS256, -1: n.to_bytes(256, "big"), -2: (65537).to_bytes(3, "big")}
    return SigningPair(cose, lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256()))


def eddsa() -> SigningPair:
    key = ed25519.Ed25519PrivateKey.generate()
    return SigningPair({1: 1, 3: EDDSA, -1: 6, -2: key.public_key().public_bytes_raw()}, key.sign)


KINDS: Final[dict[str, Callable[[], SigningPair]]] = {"ES256": es256, "RS256": rs256, "EdDSA": eddsa}


@dataclass
class Authenticator:
    """One passkey on one device. A test changes the fields to simulate errors.

    `rp_id`: None for the id in the options. `counter` grows by `counts` with each signature.
    `client_data`: further members of the client data. `flags`: further flags of the authenticator data. `extensions`:
    the extensions in CBOR. `attestation`: the format of the attestation and its statement.
    """

    origin: str
    pair: SigningPair = field(default_factory=es256)
    rp_id: str | None = None
    verifies_user: bool = True
    counter: int = 0
    counts: int = 1
    id: bytes = field(default_factory=lambda: os.urandom(32))
    user: str = ""
    client_data: dict[str, Any] = field(default_factory=dict)
    flags: int = 0
    extensions: bytes = b""
    attestation: tuple[str, dict[str, Any]] = ("none", {})

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """Answer the options of a registration."""
        self.user = options["user"]["id"]
        rp_id, data = self.rp_id or options["rp"]["id"], self._client_data("webauthn.create", options)
        attested = bytes(16) + struct.pack(">H", len(self.id)) + self.id + encode_cbor(self.pair.cose)
        authenticator_data = self._data(rp_id, ATTESTED) + attested + self.extensions
        format, statement = self.attestation
        made = encode_cbor({"fmt": format, "attStmt": statement, "authData": authenticator_data})
        return self._credential(clientDataJSON=text(data), attestationObject=text(made))

    def get(self, options: dict[str, Any], user: str | None = None) -> dict[str, Any]:
        """Answer the options of a sign-in. `user` replaces the user that was stored at the registration."""
        self.counter += self.counts
        rp_id, data = self.rp_id or options["rpId"], self._client_data("webauthn.get", options)
        authenticator_data = self._data(rp_id, 0) + self.extensions
        signature = self.pair.sign(authenticator_data + hashlib.sha256(data).digest())
        return self._credential(
            clientDataJSON=text(data),
            authenticatorData=text(authenticator_data),
            signature=text(signature),
            userHandle=self.user if user is None else user,
        )

    def copy(self) -> Authenticator:
        return replace(self)

    def _client_data(self, type: str, options: dict[str, Any]) -> bytes:
        sent = {"type": type, "challenge": options["challenge"], "origin": self.origin}
        return json.dumps(sent | self.client_data).encode()

    def _data(self, rp_id: str, flags: int) -> bytes:
        flags |= self.flags | PRESENT | (VERIFIED if self.verifies_user else 0) | (EXTENDED if self.extensions else 0)
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, self.counter)

    def _credential(self, **response: str) -> dict[str, Any]:
        return {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response}


def text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
