"""The bodies of requests about factors, which are the same for developers and for end users."""

from __future__ import annotations

from typing import Any

import msgspec

from bunbase.pkg.identity.factors import Code, SecondFactor


class ChallengeAnswer(SecondFactor, frozen=True, kw_only=True):
    """`challenge`: the challenge in the answer to the sign-in. Send either `code` or `passkey` with it."""

    challenge: str


class TotpCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: Code


class NewCredential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`credential`: the answer of `navigator.credentials.create`, as JSON."""

    credential: dict[str, Any]
    name: str = ""


class UsedCredential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`credential`: the answer of `navigator.credentials.get`, as JSON."""

    credential: dict[str, Any]


class PasskeyName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class LoginOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`challenge`: the challenge of a sign-in that needs a second factor; null for a sign-in with only a passkey."""

    challenge: str | None = None
