"""Read the answers of a project's hooks. An answer with an unknown form counts as a failure of the hook."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.contracts.functions.hooks import EXPORTS, HookName, UnusableAnswer
from bunbase.contracts.tenant_auth.problems import SignupRefused
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.readable import readable
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.profiles import check_added_claims, check_claims, check_data, check_role

MAX_MESSAGE: Final = 200  # A message has at most this many characters.
NO_MESSAGE: Final = "Ask the people who run this app."

T = TypeVar("T")


class SignupDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer of `before_signup`. `refuse`: if set, no user is created, and the person reads this text.

    The other fields replace the fields of the user.
    """

    refuse: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    claims: dict[str, Any] | UnsetType = UNSET
    data: dict[str, Any] | UnsetType = UNSET


class TokenDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer of `before_token`."""

    claims: dict[str, Any] = {}


def admitted(function: str, person: Person, answer: Any) -> Person:
    """Return the new user with the fields that the hook has chosen. Raises: SignupRefused, UnusableAnswer."""
    decision = _read(function, HookName.BEFORE_SIGNUP, answer, SignupDecision)
    if decision.refuse is not UNSET:
        raise SignupRefused(readable(decision.refuse, MAX_MESSAGE) or NO_MESSAGE)
    chosen = {name: value for name, value in msgspec.structs.asdict(decision).items() if value is not UNSET}
    user = msgspec.structs.replace(person.user, **chosen)
    try:
        check_role(user.role)
        check_claims(user.claims)
        check_data(user.data)
    except InvalidInput as fault:
        raise _unusable(function, HookName.BEFORE_SIGNUP, fault) from fault
    return msgspec.structs.replace(person, user=user)


def added_claims(function: str, present: dict[str, Any], answer: Any) -> dict[str, Any]:
    """Return the claims that the hook adds to a token. `present`: the claims that the token has without the hook.

    Raises: UnusableAnswer.
    """
    claims = _read(function, HookName.BEFORE_TOKEN, answer, TokenDecision).claims
    try:
        check_added_claims(present, claims)
    except InvalidInput as fault:
        raise _unusable(function, HookName.BEFORE_TOKEN, fault) from fault
    return claims


def _read(function: str, hook: HookName, answer: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert({} if answer is None else answer, kind)
    except msgspec.ValidationError as fault:
        raise _unusable(function, hook, fault) from fault


def _unusable(function: str, hook: HookName, fault: Exception) -> UnusableAnswer:
    return UnusableAnswer(function, f"{EXPORTS[hook]} returned an invalid object. {fault}")
