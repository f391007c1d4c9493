"""Passkeys: the ceremonies of WebAuthn Level 3, around credentials and challenges that the caller stores.

The life of a registration; a sign-in is similar:

1. The caller makes a challenge with `new_challenge`, stores its hash, and sends the options to the browser.
2. The browser asks the authenticator, which signs the challenge, the origin and the id of the relying party.
3. The caller finds the challenge with `challenge_in`, deletes it, so that it works once, and calls `registered` or
   `checked`.

Every passkey is discoverable, and the authenticator must verify its user (fingerprint, face or PIN). So a passkey alone
is two factors: the device and its user. Attestation is not requested, since every authenticator is accepted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from ipaddress import ip_address
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec
import webauthn
from webauthn.helpers import base64url_to_bytes, options_to_json_dict, parse_client_data_json
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from bunbase.pkg.authenticator_answers import MAX_BYTES, check_public_key, check_sign_in_answer, prepared_registration

CHALLENGE_BYTES: Final = 32
TIMEOUT_MS: Final = 300_000
MAX_HANDLE_BYTES: Final = 64
MAX_CREDENTIAL_ID_BYTES: Final = 1023  # A credential id has at most this many bytes (WebAuthn Level 3 §4).
LOCALHOST: Final = "localhost"

T = TypeVar("T")


class BadPasskey(Exception):
    """The answer of the authenticator is not a valid proof."""


class CounterWentBack(BadPasskey):
    """The signature is right, but its counter is not above the last counter: the passkey may have been copied."""


class RelyingParty(msgspec.Struct, frozen=True):
    """The site to which passkeys belong. `id`: its host. `origins`: the only origins that browsers may name."""

    id: str
    name: str
    origins: tuple[str, ...]


class PasskeyUser(msgspec.Struct, frozen=True):
    """`id`: an opaque id. The authenticator stores its `user_handle`, and sends it at each sign-in."""

    id: str
    name: str
    display_name: str


class NewPasskey(msgspec.Struct, frozen=True):
    """`synced`: true if the passkey is backed up, for example in the account of the phone's maker. `backup_eligible`:
    true if the passkey can be backed up; the authenticator decides this once.
    """

    credential_id: bytes
    public_key: bytes
    sign_count: int
    synced: bool
    backup_eligible: bool


class PublicPasskey(msgspec.Struct, frozen=True):
    """The stored data of a passkey that a check needs.

    `backup_eligible`: None for a passkey that was last used with an earlier version of BunBase. In this case, the next
    sign-in decides.
    """

    credential_id: bytes
    public_key: bytes
    sign_count: int
    backup_eligible: bool | None = None


class UsedPasskey(msgspec.Struct, frozen=True):
    """The state of a passkey after a sign-in, for the caller to store. `synced`: true if it is backed up now."""

    sign_count: int
    synced: bool
    backup_eligible: bool


def relying_party(name: str, public_url: str) -> RelyingParty | None:
    """Return the relying party at a URL, or None if browsers do not allow passkeys there.

    Browsers accept only host names, not IP addresses. This machine itself is `localhost`.
    """
    parts = urlsplit(public_url)
    host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    try:
        if not ip_address(host).is_loopback:
            return None
        host = LOCALHOST
    except ValueError:
        pass  # The text is a host name.
    if not host or (parts.scheme != "https" and host != LOCALHOST and not host.endswith(f".{LOCALHOST}")):
        return None
    return RelyingParty(host, name, (f"{parts.scheme}://{host}{port}",))


def new_challenge() -> bytes:
    return os.urandom(CHALLENGE_BYTES)


def registration_options(
    party: RelyingParty, user: PasskeyUser, challenge: bytes, existing: Sequence[bytes]
) -> dict[str, Any]:
    """Return the options for `navigator.credentials.create`, as JSON. `existing`: the ids of the user's passkeys."""
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=user_handle(user.id),
        user_name=user.name,
        user_display_name=user.display_name,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        attestation=AttestationConveyancePreference.NONE,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_described(existing),
    )
    return options_to_json_dict(options)


def user_handle(id: str) -> bytes:
    """Return the id that an authenticator stores: at most 64 bytes (WebAuthn Level 3 §5.4.3). Longer ids are hashed."""
    whole = id.encode()
    return whole if len(whole) <= MAX_HANDLE_BYTES else sha256(whole).hexdigest().encode()


def registered(party: RelyingParty, credential: dict[str, Any], challenge: bytes) -> NewPasskey:
    """Return the passkey that an authenticator has made for this challenge. Raises: BadPasskey."""
    made = _parsed(
        lambda: webauthn.verify_registration_response(
            credential=prepared_registration(credential),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            require_user_verification=True,
        )
    )
    _parsed(lambda: check_public_key(made.credential_public_key))
    if len(made.credential_id) > MAX_CREDENTIAL_ID_BYTES:
        raise BadPasskey("the id of the credential is too long")
    eligible = made.credential_device_type is CredentialDeviceType.MULTI_DEVICE
    return NewPasskey(
        made.credential_id, made.credential_public_key, made.sign_count, made.credential_backed_up, eligible
    )


def sign_in_options(party: RelyingParty, challenge: bytes, allowed: Sequence[bytes] = ()) -> dict[str, Any]:
    """Return the options for `navigator.credentials.get`, as JSON. `allowed`: empty if the account is not known yet."""
    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        allow_credentials=_described(allowed),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def checked(party: RelyingParty, credential: dict[str, Any], challenge: bytes, stored: PublicPasskey) -> UsedPasskey:
    """Check a signature, and return the present state of the passkey. Raises: CounterWentBack, BadPasskey.

    The library would compare the counters before it checks the signature. The library gets 0 instead of the stored
    counter, so that only a right signature can raise CounterWentBack. Synced passkeys always count 0. A passkey never
    changes whether it can be backed up (WebAuthn Level 3 §7.2, step 18), so an answer with such a change comes from
    another authenticator.
    """
    _parsed(lambda: check_sign_in_answer(credential))
    _parsed(lambda: check_public_key(stored.public_key))
    verified = _parsed(
        lambda: webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            credential_public_key=stored.public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    )
    eligible = verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE
    if stored.backup_eligible not in (None, eligible):
        raise BadPasskey("its backup eligibility is not the one that it was registered with")
    count = verified.new_sign_count
    if (count or stored.sign_count) and count <= stored.sign_count:
        raise CounterWentBack(f"the counter is {count}, but it was {stored.sign_count} before")
    return UsedPasskey(count, verified.credential_backed_up, eligible)


def challenge_in(credential: dict[str, Any]) -> bytes:
    """Return the challenge that the answer names. Raises: BadPasskey."""
    return _parsed(lambda: parse_client_data_json(_bytes_in(credential["response"]["clientDataJSON"])).challenge)


def credential_id_in(credential: dict[str, Any]) -> bytes:
    """Return the id of the credential in an answer. Raises: BadPasskey."""
    return _parsed(lambda: _bytes_in(credential["rawId"]))


def user_in(credential: dict[str, Any]) -> str:
    """Return the `user_handle` that the authenticator has stored, or an empty text. Raises: BadPasskey."""
    return _parsed(lambda: _bytes_in(credential["response"].get("userHandle") or "").decode())


def _described(ids: Sequence[bytes]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=id) for id in ids]


def _bytes_in(text: str) -> bytes:
    if len(text) > 2 * MAX_BYTES:
        raise BadPasskey("a member of the answer is too long")
    return base64url_to_bytes(text)


def _parsed(parse: Callable[[], T]) -> T:
    try:
        return parse()
    except Exception as error:  # hostile bytes pass through parsers of CBOR, DER and JSON, each with its own exceptions
        raise BadPasskey(str(error)) from error
