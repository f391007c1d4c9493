"""The problems of requests with the header Idempotency-Key, and the callers to whom a key belongs."""

from __future__ import annotations

from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Problem


class IdempotencyMismatch(Problem):
    status, code, title = 422, "idempotency_mismatch", "This Idempotency-Key belongs to another request"


class IdempotencyBusy(Problem):
    status, code, title = 409, "idempotency_busy", "The first request with this Idempotency-Key is still running"


class IdempotencyTooLarge(Problem):
    """The act was done. Only its answer is not available any more."""

    status, code, title = 409, "idempotency_too_large", "The first answer was too large to keep"


def scope_of(caller: Caller) -> tuple[str, ...]:
    """Return the project and the identity to which a caller's keys belong.

    A user keeps the keys over new tokens and new project keys. An administrator in a user's place has other keys than
    the user, and in a visitor's place other keys than visitors. Callers who are not signed in share the keys of their
    project key, so keys must be random.
    """
    if caller.user is not None:
        return caller.project, "user", caller.user.uid, caller.user.act
    if caller.developer is not None:
        return caller.project, "developer", caller.developer.id
    if caller.act:
        return caller.project, "visitor", caller.act
    return caller.project, caller.kind.value, caller.key


def another_request() -> IdempotencyMismatch:
    return IdempotencyMismatch(
        "An earlier request with this Idempotency-Key was different. Make a new key for each act, and send it again "
        "only with the same method, path and body."
    )
