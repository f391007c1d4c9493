"""The keys of rooms: a room proves its identity with a private Ed25519 key, and the other rooms know its public key.

There are two ways to set the keys. The simple way is one service secret that all processes share: all keys are derived
from this secret. The strict way is that each process has the secrets of its own rooms and the public keys of all rooms.
With this setting, an attacker who takes over a process can only act as the rooms of that process.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import OKPKey

KEY_BYTES: Final = 32
PURPOSE: Final = b"bunbase room key v1/"
ID_CHARACTERS: Final = 12  # This is enough to distinguish two keys of one room during a change of keys.


class BadKey(ValueError):
    """The text is not a valid key of a room."""


@dataclass(frozen=True)
class PublicKey:
    """The public key of a room. `id`: the room and the first characters of the key's SHA-256. This id is the `kid` of
    tokens.
    """

    room: str
    id: str
    key: OKPKey


@dataclass(frozen=True)
class PrivateKey:
    id: str
    key: OKPKey


@dataclass(frozen=True)
class RoomKeys:
    """The keys that one process has. `own`: the private keys of its rooms, by room. `known`: the public keys of all
    rooms, by the id of the key."""

    own: Mapping[str, PrivateKey]
    known: Mapping[str, PublicKey]


def derived_keys(service_secrets: Iterable[str], own: Iterable[str], rooms: Iterable[str]) -> RoomKeys:
    """Return keys that are derived from service secrets.

    Tokens are signed with a key of the first secret. Tokens with a key of any of the secrets are accepted.
    """
    secrets = list(service_secrets)
    private = {room: room_secret(secrets[0], room) for room in own}
    public = {room: [public_key(room_secret(secret, room)) for secret in secrets] for room in {*rooms, *private}}
    return given_keys(private, public)


def given_keys(private: Mapping[str, str], public: Mapping[str, Iterable[str]]) -> RoomKeys:
    """Return the keys from the texts that `bunbase service-secrets` prints. Raises: BadKey."""
    own = {room: _private(room, secret) for room, secret in private.items()}
    known = (_public(room, text) for room, texts in public.items() for text in texts)
    return RoomKeys(own, {key.id: key for key in known})


def room_secret(service_secret: str, room: str) -> str:
    """Return the secret of a room, derived with HKDF-SHA256 (RFC 5869): 32 bytes in base64url, which are the seed of
    its private key."""
    kdf = HKDF(SHA256(), KEY_BYTES, salt=None, info=PURPOSE + room.encode())
    return _text(kdf.derive(service_secret.encode()))


def public_key(secret: str) -> str:
    """Return the public key of a room's secret. Raises: BadKey."""
    return _text(Ed25519PrivateKey.from_private_bytes(_bytes(secret)).public_key().public_bytes_raw())


def _private(room: str, secret: str) -> PrivateKey:
    key = Ed25519PrivateKey.from_private_bytes(_bytes(secret))
    return PrivateKey(_id(room, public_key(secret)), OKPKey.import_key(key))


def _public(room: str, public: str) -> PublicKey:
    key = Ed25519PublicKey.from_public_bytes(_bytes(public))
    return PublicKey(room, _id(room, public), OKPKey.import_key(key))


def _id(room: str, public: str) -> str:
    return f"{room}.{_text(hashlib.sha256(_bytes(public)).digest())[:ID_CHARACTERS]}"


def _text(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        key = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES or _text(key) != text:
        raise BadKey("a key is 32 bytes in base64url, as `bunbase service-secrets` prints it")
    return key
