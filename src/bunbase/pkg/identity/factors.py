"""Second factors and passkeys of an account."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

MAX_CODE_LENGTH = 64
Code = Annotated[str, msgspec.Meta(max_length=MAX_CODE_LENGTH)]


class NewTotp(msgspec.Struct, frozen=True):
    """A secret for an authenticator app. `uri`: the same secret as an `otpauth://` address, for a QR code."""

    secret: str
    uri: str


class TotpState(msgspec.Struct, frozen=True):
    """`enabled`: true if a sign-in needs a code. `recovery_codes_left`: the number of unused recovery codes."""

    enabled: bool
    recovery_codes_left: int
    confirmed_at: datetime | None = None


class RecoveryCodes(msgspec.Struct, frozen=True):
    """New recovery codes. The codes are shown only in this answer, and replace all earlier recovery codes."""

    recovery_codes: tuple[str, ...]


class SecondFactor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to a challenge. `code`: the code of the authenticator app, or a recovery code. `passkey`: the answer
    of `navigator.credentials.get`, as JSON, instead of a code.
    """

    code: Code = ""
    passkey: dict[str, Any] | None = None


class PasskeyOptions(msgspec.Struct, frozen=True):
    """The member `publicKey` of the argument of `navigator.credentials.create` or `get`, as JSON."""

    public_key: dict[str, Any]


class Passkey(msgspec.Struct, frozen=True):
    """`synced`: true if the passkey is backed up outside its device. `last_used_at`: the time of the last use; null if
    it was never used.
    """

    id: str
    name: str
    synced: bool
    created_at: datetime
    last_used_at: datetime | None = None


class Passkeys(msgspec.Struct, frozen=True):
    """An account has at most 20 passkeys, so the list is a single page."""

    items: tuple[Passkey, ...]
    next: str | None = None


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A proof that the caller owns the account: exactly one of the members.

    `code`: the code of the authenticator app. `passkey`: the answer of `navigator.credentials.get`, as JSON.
    """

    password: str = ""
    code: Code = ""
    passkey: dict[str, Any] | None = None
