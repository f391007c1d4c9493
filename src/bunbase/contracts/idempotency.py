"""The problems of requests with the header Idempotency-Key, and the callers to whom a key belongs."""

from __future__ import annotations

from typing import Final

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.pkg.errors import InvalidInput, Problem

MIN_VISITOR_KEY: Final = 16  # the key of a visitor must have at least this number of characters


class IdempotencyMismatch(Problem):
    status, code, title = 422, "idempotency_mismatch", "This Idempotency-Key belongs to another request"


class IdempotencyBusy(Problem):
    status, code, title = 409, "idempotency_busy", "The first request with this Idempotency-Key is still running"


class IdempotencyTooLarge(Problem):
    """The act was done. Only the answer of the earlier request is no longer available."""

    status, code, title = 409, "idempotency_too_large", "The first answer was too large to keep"


def scope_of(caller: Caller) -> tuple[str, ...]:
    """Return the project and the identity to which a caller's keys belong.

    A user keeps the same idempotency keys after a new token or a new project key. An administrator who acts as a user
    does not share the keys of this user, and an administrator who acts as a visitor does not share the keys of
    visitors. All visitors with one project key share their idempotency keys, so these keys must be random: see
    `check_visitor_key`.
    """
    if caller.user is not None:
        return caller.project, "user", caller.user.uid, caller.user.act
    if caller.developer is not None:
        return caller.project, "developer", caller.developer.id
    if caller.act:
        return caller.project, "visitor", caller.act
    return caller.project, caller.kind.value, caller.key


def check_visitor_key(caller: Caller, key: str, place: str = "Idempotency-Key") -> None:
    """Refuse a key that another visitor may have too.

    `key`: empty for none. `place`: the place of the key in the request.

    If two visitors sent the key `1`, the second visitor would get the answer to the first visitor, and BunBase would
    not perform the second act.
    Raises: InvalidInput.
    """
    shares = caller.kind in (CallerKind.PUBLISHABLE, CallerKind.ANONYMOUS) and caller.user is None and not caller.act
    if shares and 0 < len(key) < MIN_VISITOR_KEY:
        raise InvalidInput.at(
            place,
            f"Without a user who is signed in, a key has at least {MIN_VISITOR_KEY} characters: all visitors share "
            "their keys, so keys must be random.",
        )


def another_request() -> IdempotencyMismatch:
    return IdempotencyMismatch(
        "An earlier request with this Idempotency-Key was different. Make a new key for each act, and send it again "
        "only with the same method, path and body."
    )
