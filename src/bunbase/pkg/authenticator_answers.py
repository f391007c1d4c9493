"""Prepare the answers of authenticators for the library that checks them (WebAuthn Level 3 §6.1, §7).

The bytes come from a stranger. So this file checks their size and form first. The library checks some properties at a
high cost or not at all. This file handles these properties as follows:

    CBOR         must have no tags (`plain_cbor.py`).
    attestation  is dropped. BunBase does not ask for it, so it proves nothing, but some authenticators send it
                 nevertheless. The library would have to check the certificates in it.
    client data  must not come from a frame of another site (`crossOrigin`, §7.1 steps 10 and 11, §7.2 steps 13 and 14).
    RSA keys     have limits (`rsa_limits.py`).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    decode_credential_public_key,
    encode_cbor,
    parse_cbor,
)
from webauthn.helpers.decode_credential_public_key import DecodedRSAPublicKey

from bunbase.pkg.plain_cbor import check_plain
from bunbase.pkg.rsa_limits import is_usable_rsa

# One member of an answer has at most this size. Attestations have certificates of up to 6 kB.
MAX_BYTES: Final = 32 << 10
# The fixed part of the authenticator data has this size: the hash of the relying party, the flags, the counter.
FIXED_BYTES: Final = 37
FLAGS: Final = 32  # The byte with this index has the flags.
HAS_KEY: Final = 0x40
# This is the size of the id of the authenticator's model, and of the length of the credential's id.
KEY_HEAD_BYTES: Final = 18


class UnsuitableAnswer(ValueError): ...


class ClientData(msgspec.Struct, frozen=True, rename="camel"):
    cross_origin: Any = False
    top_origin: Any = None


def prepared_registration(credential: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a registration without its attestation. Raises: ValueError, TypeError, LookupError."""
    response = credential["response"]
    _check_client_data(response)
    made = _bytes_of(response, "attestationObject")
    check_plain(made)
    data = parse_cbor(made)["authData"]
    _check_authenticator_data(data)
    plain = encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})
    return {**credential, "response": {**response, "attestationObject": bytes_to_base64url(plain)}}


def check_sign_in_answer(credential: dict[str, Any]) -> None:
    """Check the answer to a sign-in. Raises: ValueError, TypeError, LookupError."""
    response = credential["response"]
    _check_client_data(response)
    _bytes_of(response, "signature")
    _check_authenticator_data(_bytes_of(response, "authenticatorData"))


def check_public_key(cose: bytes) -> None:
    """Check a public key. Raises: UnsuitableAnswer for an RSA key whose checks are weak or expensive."""
    key = decode_credential_public_key(cose)
    if isinstance(key, DecodedRSAPublicKey) and not is_usable_rsa(int.from_bytes(key.n), int.from_bytes(key.e)):
        raise UnsuitableAnswer("the RSA key is too short or too long")


def _check_client_data(response: dict[str, Any]) -> None:
    client_data = msgspec.json.decode(_bytes_of(response, "clientDataJSON"), type=ClientData)
    if client_data.cross_origin not in (False, None) or client_data.top_origin is not None:
        raise UnsuitableAnswer("a frame of another site has asked for it")


def _check_authenticator_data(data: bytes) -> None:
    """Check that everything after the fixed part is plain CBOR: first the key of a registration, then extensions."""
    if not FIXED_BYTES <= len(data) <= MAX_BYTES:
        raise UnsuitableAnswer("the authenticator data are too short or too long")
    place = FIXED_BYTES
    if data[FLAGS] & HAS_KEY:
        place += KEY_HEAD_BYTES
        place += int.from_bytes(data[place - 2 : place])
    check_plain(data[place:])


def _bytes_of(response: dict[str, Any], member: str) -> bytes:
    sent = response[member]
    if not isinstance(sent, str) or len(sent) > MAX_BYTES * 4 // 3 + 4:
        raise UnsuitableAnswer(f"{member} is no text, or it is too long")
    return base64url_to_bytes(sent)
